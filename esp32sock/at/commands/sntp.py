"""The time, asked of the network (CIPSNTPCFG and CIPSNTPTIME, chapter 5 of the 2017 document)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import Command, SimpleCommand
from esp32sock.at.commands.validation import checked_host
from esp32sock.at.params import after_colon, command_line, fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.at.firmware import Firmware

TIME_ZONES = range(-11, 14)
"""V1.0, 5.2.13; some later firmware takes more."""

MAX_SERVERS = 3
MAX_SERVER_BYTES = 63
"""64 are refused (observed 1.0, 2.0)."""

_BUILT_FROM = re.compile(r"AT version:[^(]*\([^()]* - ")


def _has_switch(firmware: Firmware) -> bool:
    """Whether the set form begins with on or off.

    From 1.0 on (observed), not in the document and in 0.10, whose versions name no commit (at-dialects 5.2).
    """
    return firmware.at_least(1, 0) and _BUILT_FROM.match(firmware.text) is not None


@dataclass(frozen=True, slots=True)
class TimeSource:
    """Where the module asks for the time; the zone in hours from UTC, or hhmm where 2.2 was set so."""

    zone: int
    servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GetTimeSource(Command["TimeSource | None"]):
    """Where the module asks for the time, None while it does not. Source: V1.0, 5.2.13, at-dialects 7.2."""

    name: ClassVar[str] = "+CIPSNTPCFG"
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CIPSNTPCFG:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPSNTPCFG?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> TimeSource | None:
        on, *rest = fields(after_colon(lines[0]))
        return TimeSource(int(rest[0]), tuple(server for server in rest[1:] if server)) if on == "1" else None


@dataclass(frozen=True, slots=True)
class SetTimeSource(SimpleCommand):
    """Ask for the time from now on: zone -11 to 13, up to three servers, or with none the firmware's own.

    None turns it off. The document's form differs from that of every firmware from 1.0 on, and its off is a
    form of its own; both are chosen by the firmware. Source: V1.0, 5.2.13, at-dialects 7.2.
    """

    name: ClassVar[str] = "+CIPSNTPCFG"

    source: TimeSource | None

    def line(self, firmware: Firmware) -> bytes:
        switch = _has_switch(firmware)
        if self.source is None:
            return command_line("+CIPSNTPCFG", 0 if switch else None)
        if self.source.zone not in TIME_ZONES:
            raise ValueError(f"time zone {self.source.zone} is outside -11 to 13")
        if len(self.source.servers) > MAX_SERVERS:
            raise ValueError(f"{len(self.source.servers)} time servers; the module asks up to {MAX_SERVERS}")
        servers = [checked_host(server, MAX_SERVER_BYTES) for server in self.source.servers]
        return command_line("+CIPSNTPCFG", *((1,) if switch else ()), self.source.zone, *servers)


_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_ASCTIME = re.compile(rb"[A-Z][a-z]{2} ([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d) (\d{4})\s*")


@dataclass(frozen=True, slots=True)
class Time(Command["datetime | None"]):
    """The time in the zone that was set, naive; None until a server has answered, 1 to 10 s and more.

    Source: V1.0, 5.2.14, at-dialects 7.2.
    """

    name: ClassVar[str] = "+CIPSNTPTIME"
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CIPSNTPTIME:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPSNTPTIME?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> datetime | None:
        match = _ASCTIME.fullmatch(after_colon(lines[0]))
        if match is None:
            raise ValueError("not a time")
        day, hour, minute, second, year = (int(match[group]) for group in range(2, 7))
        month = _MONTHS.index(match[1]) + 1
        return None if year == 1970 else datetime(year, month, day, hour, minute, second)
