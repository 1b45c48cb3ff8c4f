"""DHCP on both sides (CWDHCP and CWDHCPS, chapter 4 of the 2017 document)."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import IntFlag
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import Command, EndsLinks, SimpleCommand
from esp32sock.at.params import after_colon, command_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.at.firmware import Firmware

LEASE_MINUTES = range(1, 2881)
"""V1.0, 4.2.9."""

RANGE_ADDRESSES = range(1, 102)
"""How many addresses the range may hold: 102 are refused (observed)."""


class Role(IntFlag):
    """The bits of AT+CWDHCP (V1.0, 4.2.8); Ethernet builds have a third (observed 2.0)."""

    STATION = 1
    SOFTAP = 2
    ETHERNET = 4


@dataclass(frozen=True, slots=True)
class Dhcp(Command[Role]):
    """Where DHCP is on. Source: V1.0, 4.2.8, at-dialects 6."""

    name: ClassVar[str] = "+CWDHCP"
    answers_with_line: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CWDHCP:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CWDHCP?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> Role:
        return Role(int(after_colon(lines[0])) & 7)


@dataclass(frozen=True, slots=True)
class SetDhcp(EndsLinks):
    """Turn DHCP on or off for these roles; on ends a fixed address, as a fixed address ends it.

    Source: V1.0, 4.2.8.
    """

    name: ClassVar[str] = "+CWDHCP"

    on: bool
    roles: Role

    def line(self, firmware: Firmware) -> bytes:
        if self.roles not in (Role.STATION, Role.SOFTAP, Role.STATION | Role.SOFTAP):
            raise ValueError("DHCP can be set for the station, the SoftAP or both")
        return command_line("+CWDHCP", bool(self.on), int(self.roles))


@dataclass(frozen=True, slots=True)
class Leases:
    """What the module's own DHCP server gives: for how long, and from which range."""

    duration: timedelta
    first: IPv4Address
    last: IPv4Address


_LEASES = re.compile(rb'\+CWDHCPS[:=](\d{1,5}),"?([0-9.]{7,15})"?,"?([0-9.]{7,15})"?')


@dataclass(frozen=True, slots=True)
class DhcpServer(Command[Leases]):
    """The leases of the SoftAP's DHCP server. Source: V1.0, 4.2.9, at-dialects 6."""

    name: ClassVar[str] = "+CWDHCPS"
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CWDHCPS:", b"+CWDHCPS=")

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CWDHCPS?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> Leases:
        match = _LEASES.fullmatch(lines[0])
        if match is None:
            raise ValueError("not the leases of a DHCP server")
        first, last = IPv4Address(match[2].decode()), IPv4Address(match[3].decode())
        return Leases(timedelta(minutes=int(match[1])), first, last)


@dataclass(frozen=True, slots=True)
class SetDhcpServer(SimpleCommand):
    """Set the leases of the SoftAP's DHCP server, or with None take the usual ones again.

    A lease is whole minutes, 1 to 2880; the range, at most 101 addresses, lies in the SoftAP's own network
    and leaves out the SoftAP itself. Source: V1.0, 4.2.9, real-firmware.
    """

    name: ClassVar[str] = "+CWDHCPS"

    leases: Leases | None

    def line(self, firmware: Firmware) -> bytes:
        if self.leases is None:
            return command_line("+CWDHCPS", 0)
        minutes, rest = divmod(self.leases.duration, timedelta(minutes=1))
        if rest or minutes not in LEASE_MINUTES:
            raise ValueError(f"a lease of {self.leases.duration} is not 1 to 2880 whole minutes")
        first, last = self.leases.first, self.leases.last
        if int(last) - int(first) + 1 not in RANGE_ADDRESSES:
            raise ValueError(f"{first} to {last} is not a range of 1 to 101 addresses")
        return command_line("+CWDHCPS", 1, minutes, str(first), str(last))

    def advice(self, lines: Sequence[bytes]) -> str:
        return (
            "check that the SoftAP is on, and that the range is in its network and excludes its own address"
        )
