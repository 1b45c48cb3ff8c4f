"""SSL links, whose TLS the module does itself (the SSL part of CIPSTART, chapter 5 of the 2017 document)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from esp32sock.at.commands.base import Plain
from esp32sock.at.commands.checks import checked_host, checked_link, checked_port, checked_seconds
from esp32sock.at.params import command_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.at.firmware import Firmware


@dataclass(frozen=True, slots=True)
class OpenSsl(Plain):
    """Open an SSL link with this id (None in single-link mode); one at a time up to 2.0.

    The module checks no certificate unless it was told to. Source: V1.0, 5.2.3, at-dialects 7.4.
    """

    name: ClassVar[str] = "+CIPSTART"
    timeout_s: ClassVar[float] = 130.0
    """As for TCP, and up to 10 s a packet of the handshake (at-dialects 7.4)."""

    link_id: int | None
    host: str
    port: int
    keepalive_s: int | None = None

    @property
    def opens(self) -> int | None:
        return self.link_id or 0

    def line(self, firmware: Firmware) -> bytes:
        if self.keepalive_s is not None:
            checked_seconds("keep-alive", self.keepalive_s)
        return command_line(
            "+CIPSTART",
            *(() if self.link_id is None else (checked_link(self.link_id),)),
            "SSL",
            checked_host(self.host),
            checked_port(self.port),
            self.keepalive_s,
        )

    def advice(self, lines: Sequence[bytes]) -> str:
        return "does TLS answer there, is the clock set (AT+CIPSNTPCFG), is memory free (AT+SYSRAM)?"
