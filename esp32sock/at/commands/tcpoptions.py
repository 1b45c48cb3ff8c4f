"""Options of open TCP links."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import Command, SimpleCommand
from esp32sock.at.commands.validation import checked_link, checked_seconds
from esp32sock.at.params import after_colon, command_line, fields

if TYPE_CHECKING:
    from collections.abc import Sequence

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


@dataclass(frozen=True, slots=True)
class GetTcpOptions(Command["dict[int, TcpOptions]"]):
    """What each link is set to, by link: of five links, or of the one in single-link mode.

    Source: at-dialects 7.11 (AT+CIPTCPOPT, from 2.1 on).
    """

    name: ClassVar[str] = "+CIPTCPOPT"
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CIPTCPOPT:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPTCPOPT?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> dict[int, TcpOptions]:
        return {each.link_id: each for each in map(_tcp_options, lines)}


def _tcp_options(line: bytes) -> TcpOptions:
    link_id, linger, nodelay, timeout_ms, *keepalive = map(int, fields(after_colon(line)))
    return TcpOptions(link_id, linger, nodelay == 1, timeout_ms, keepalive[0] if keepalive else None)
