"""TCP/IP commands (chapter 5 of the 2017 document)."""

from __future__ import annotations

from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import Command, EndsLinks, SimpleCommand
from esp32sock.at.commands.validation import (
    checked_host,
    checked_link,
    checked_milliseconds,
    checked_port,
    checked_seconds,
    one_of,
)
from esp32sock.at.kinds import kind_for
from esp32sock.at.params import MAX_LINE_BYTES, after_colon, command_line, fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.at.firmware import Firmware
    from esp32sock.at.framing import Chunk

ALL_LINKS = 5
"""As link id in CIPCLOSE: every one (at-dialects 7.8)."""


class Family(IntEnum):
    """Which addresses CIPDOMAIN looks for (at-dialects 7.2)."""

    IPV4_FIRST = 1
    """As it does unasked: IPv6 where the name has no IPv4 address, and IPv6 is on."""
    IPV4 = 2
    IPV6 = 3


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """One open link as the module lists it."""

    link_id: int
    kind: str
    remote: tuple[IPv4Address | IPv6Address, int]
    local_port: int
    accepted: bool


@dataclass(frozen=True, slots=True)
class Links(Command["list[LinkStatus]"]):
    """The open links: AT+CIPSTATE? from 2.4 on, before that AT+CIPSTATUS.

    The number STATUS of the latter is not to be trusted and not used. Source: V1.0, 5.2.1, at-dialects 7.1.
    """

    name: ClassVar[str] = "+CIPSTATUS"
    lists_links: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"STATUS:", b"+CIPSTATUS:", b"+CIPSTATE:")

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPSTATE?" if firmware.at_least(2, 4) else "+CIPSTATUS")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> list[LinkStatus]:
        return [_link_status(line) for line in lines if not line.startswith(b"STATUS:")]


def _link_status(line: bytes) -> LinkStatus:
    link_id, kind, host, port, local_port, accepted = fields(after_colon(line))[:6]
    return LinkStatus(int(link_id), kind, (ip_address(host), int(port)), int(local_port), accepted == "1")


@dataclass(frozen=True, slots=True)
class Resolve(Command["list[IPv4Address | IPv6Address]"]):
    """The addresses of a host name. Source: V1.0, 5.2.2, at-dialects 7.2."""

    name: ClassVar[str] = "+CIPDOMAIN"
    answers_with_line: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CIPDOMAIN:",)
    timeout: ClassVar[float] = 35.0
    """A failing name took 20 to 30 s on 4.1 (observed), about 15 s by at-dialects 7.2."""

    host: str
    within_ms: int | None = None
    """How long the look-up may take, up to 60000; before 4.1 there is no such parameter."""
    family: Family = Family.IPV4_FIRST
    """Which addresses are wanted; before 2.2 there are only those of IPv4, and no such parameter."""

    def line(self, firmware: Firmware) -> bytes:
        within_ms = checked_milliseconds(self.within_ms, firmware)
        family = one_of(Family, self.family)
        asked = within_ms is not None or (family != Family.IPV4_FIRST and firmware.has_ipv6)
        bound = (family, within_ms) if asked else ()
        room = MAX_LINE_BYTES - len(command_line("+CIPDOMAIN", "", *bound))
        return command_line("+CIPDOMAIN", checked_host(self.host, room), *bound)

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> list[IPv4Address | IPv6Address]:
        return [ip_address(fields(after_colon(line))[0]) for line in lines]

    def advice(self, lines: Sequence[bytes]) -> str:
        return "the name does not exist, or no name server answers"


@dataclass(frozen=True, slots=True)
class OpenTcp(SimpleCommand):
    """Open a TCP link with this id (None in single-link mode); keep-alive 0 (off) to 7200 s.

    Source: V1.0, 5.2.3, at-dialects 7.4.
    """

    name: ClassVar[str] = "+CIPSTART"
    timeout: ClassVar[float] = 130.0
    """An unreachable host takes 10 to 75 s and more on default settings (at-dialects 7.4)."""

    link_id: int | None
    host: str
    port: int
    keepalive_s: int | None = None
    within_ms: int | None = None
    """How long the module may try, up to 60000; before 4.1 there is no such parameter."""
    ipv6: bool = False
    """Look a name up as IPv6; an address of IPv6 needs no word (from 2.2 on)."""

    @property
    def opens(self) -> int | None:
        return self.link_id or 0

    def line(self, firmware: Firmware) -> bytes:
        if self.keepalive_s is not None:
            checked_seconds("keep-alive", self.keepalive_s)
        return command_line(
            "+CIPSTART",
            *(() if self.link_id is None else (checked_link(self.link_id),)),
            kind_for("TCP", self.host, ipv6=self.ipv6),
            checked_host(self.host),
            checked_port(self.port),
            self.keepalive_s,
            None,
            checked_milliseconds(self.within_ms, firmware),
        )


@dataclass(frozen=True, slots=True)
class Send(SimpleCommand):
    """Send one chunk over a link: header, prompt, payload, SEND OK. Source: V1.0, 5.2.4, at-dialects 7.5."""

    name: ClassVar[str] = "+CIPSEND"
    timeout: ClassVar[float] = 120.0
    """SEND OK waits for room in the module's send buffer, minutes for a dead peer (at-dialects 7.5)."""

    link_id: int
    chunk: Chunk

    @property
    def payload(self) -> memoryview | None:
        return self.chunk.payload

    def line(self, firmware: Firmware) -> bytes:
        checked_link(self.link_id)
        return self.chunk.header.removesuffix(b"\r\n")


@dataclass(frozen=True, slots=True)
class Close(SimpleCommand):
    """Close a link, or every one with `ALL_LINKS`; None in single-link mode. Source: at-dialects 7.8."""

    name: ClassVar[str] = "+CIPCLOSE"
    timeout: ClassVar[float] = 15.0

    link_id: int | None = None

    @property
    def closes(self) -> int | None:
        return self.link_id or 0

    def line(self, firmware: Firmware) -> bytes:
        if self.link_id is not None and not 0 <= self.link_id <= ALL_LINKS:
            # -1 resets 1.0 (observed)
            raise ValueError(f"link id {self.link_id} is outside 0 to {ALL_LINKS}")
        return command_line("+CIPCLOSE", self.link_id)


@dataclass(frozen=True, slots=True)
class Multiplexed(Command[bool]):
    """Whether several links are allowed. Source: V1.0, 5.2.8."""

    name: ClassVar[str] = "+CIPMUX"
    answers_with_line: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CIPMUX:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPMUX?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> bool:
        return after_colon(lines[0]) == b"1"


@dataclass(frozen=True, slots=True)
class SetMultiplexed(EndsLinks):
    """Allow several links; refused while one is open. Source: V1.0, 5.2.8, at-dialects 7.3."""

    name: ClassVar[str] = "+CIPMUX"

    on: bool

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPMUX", bool(self.on))


_SHOWS_PEER = {b"true": True, b"1": True, b"false": False, b"0": False}


@dataclass(frozen=True, slots=True)
class ShowsPeer(Command[bool]):
    """Whether `+IPD` names the sender; the document has no query. Source: V1.0, 5.2.16, at-dialects 7.3."""

    name: ClassVar[str] = "+CIPDINFO"
    answers_with_line: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CIPDINFO:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPDINFO?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> bool:
        shown = after_colon(lines[0]).lower()
        if shown not in _SHOWS_PEER:
            raise ValueError(f"{shown!r} is neither true nor false")
        return _SHOWS_PEER[shown]


@dataclass(frozen=True, slots=True)
class ShowPeer(SimpleCommand):
    """Whether `+IPD` names the sender. Source: V1.0, 5.2.16, at-dialects 7.3."""

    name: ClassVar[str] = "+CIPDINFO"

    on: bool

    @property
    def ends_links(self) -> bool:
        """UDP sockets that receive from any peer need the sender."""
        return not self.on

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPDINFO", bool(self.on))


@dataclass(frozen=True, slots=True)
class SetPassthrough(SimpleCommand):
    """Normal or passthrough sending. Source: V1.0, 5.2.10, at-dialects 7.3."""

    name: ClassVar[str] = "+CIPMODE"

    on: bool

    @property
    def ends_links(self) -> bool:
        return self.on

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPMODE", bool(self.on))
