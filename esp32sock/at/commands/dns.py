"""The name servers of the module (CIPDNS, which later documents added)."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import Command, SimpleCommand
from esp32sock.at.params import after_colon, command_line, fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.at.firmware import Firmware

MAX_SERVERS = 3


@dataclass(frozen=True, slots=True)
class Dns(Command["tuple[IPv4Address, ...]"]):
    """The name servers in use. Source: at-dialects 7.2, real-firmware (one on each line before 2.0)."""

    name: ClassVar[str] = "+CIPDNS"
    answers_with_line: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CIPDNS:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPDNS?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> tuple[IPv4Address, ...]:
        values = [value for line in lines for value in fields(after_colon(line))]
        return tuple(IPv4Address(value) for value in values if value not in ("", "0", "1"))


@dataclass(frozen=True, slots=True)
class SetDns(SimpleCommand):
    """Use these name servers, one to three different ones; none: those that DHCP names.

    Source: at-dialects 7.2, real-firmware.
    """

    name: ClassVar[str] = "+CIPDNS"

    servers: tuple[IPv4Address, ...] = ()

    def line(self, firmware: Firmware) -> bytes:
        if len(self.servers) > MAX_SERVERS:
            raise ValueError(f"{len(self.servers)} name servers; the module has up to {MAX_SERVERS}")
        if len(set(self.servers)) < len(self.servers):
            raise ValueError("a name server is given twice, which the module refuses")
        return command_line("+CIPDNS", bool(self.servers), *map(str, self.servers))
