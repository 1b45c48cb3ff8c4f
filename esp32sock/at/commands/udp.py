"""UDP links (the UDP part of CIPSTART, chapter 5 of the 2017 document)."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import SimpleCommand
from esp32sock.at.commands.validation import checked_host, checked_link, checked_port, one_of
from esp32sock.at.framing import DATAGRAM, STREAM
from esp32sock.at.kinds import kind_for
from esp32sock.at.params import command_line

if TYPE_CHECKING:
    from esp32sock.at.firmware import Firmware


class PeerMode(IntEnum):
    """Which datagrams are received and where sent ones go (V1.0, 5.2.3)."""

    FIXED = 0
    CHANGES_ONCE = 1
    FOLLOWS_LAST_SENDER = 2


ANY_PEER = ("0.0.0.0", 1)
"""As remote with `FOLLOWS_LAST_SENDER`: receives from anyone (at-dialects 7.4; the port must not be 0)."""
ANY_PEER_V6 = ("::", 1)
"""The same for IPv6 (at-dialects 7.14)."""


@dataclass(frozen=True, slots=True)
class OpenUdp(SimpleCommand):
    """Open a UDP link with this id (None in single-link mode); `local_port` None lets the module choose.

    Source: V1.0, 5.2.3, at-dialects 7.4.
    """

    name: ClassVar[str] = "+CIPSTART"
    timeout: ClassVar[float] = 20.0

    link_id: int | None
    remote: tuple[str, int]
    local_port: int | None = None
    mode: PeerMode = PeerMode.FIXED
    as_stream: bool = False
    """Read its payload as a stream, without borders, as passthrough has it."""
    ipv6: bool = False
    """Look a name up as IPv6; an address of IPv6 needs no word (from 2.2 on)."""

    @property
    def opens(self) -> int | None:
        return self.link_id or 0

    @property
    def sink(self) -> int:
        return STREAM if self.as_stream else DATAGRAM

    def line(self, firmware: Firmware) -> bytes:
        host, port = self.remote
        if self.local_port is not None:
            checked_port(self.local_port)
        mode = one_of(PeerMode, self.mode)
        unsaid = self.local_port is None and self.mode is PeerMode.FIXED
        return command_line(
            "+CIPSTART",
            *(() if self.link_id is None else (checked_link(self.link_id),)),
            kind_for("UDP", host, ipv6=self.ipv6),
            checked_host(host),
            checked_port(port),
            self.local_port,
            None if unsaid else mode,
        )
