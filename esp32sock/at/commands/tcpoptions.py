"""Options of open TCP links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from esp32sock.at.commands.base import SimpleCommand
from esp32sock.at.commands.validation import checked_link, checked_seconds
from esp32sock.at.params import command_line

if TYPE_CHECKING:
    from esp32sock.at.firmware import Firmware


@dataclass(frozen=True, slots=True)
class TcpOptions(SimpleCommand):
    """Linger (-1: off), TCP_NODELAY, send timeout (0: none) and, from 2.4 on, keep-alive of a link.

    Source: at-dialects 7.11 (AT+CIPTCPOPT, from 2.1 on).
    """

    name: ClassVar[str] = "+CIPTCPOPT"

    link_id: int
    linger_s: int = -1
    nodelay: bool = False
    send_timeout_ms: int = 0
    keepalive_s: int | None = None

    def line(self, firmware: Firmware) -> bytes:
        if self.linger_s < -1 or self.send_timeout_ms < 0:
            raise ValueError(f"linger {self.linger_s} s, send timeout {self.send_timeout_ms} ms: too small")
        keepalive = self.keepalive_s if firmware.at_least(2, 4) else None
        if keepalive is not None:
            checked_seconds("keep-alive", keepalive)
        link_id = checked_link(self.link_id)
        return command_line(
            "+CIPTCPOPT", link_id, self.linger_s, int(self.nodelay), self.send_timeout_ms, keepalive
        )
