"""The module's own addresses, set by hand (CIPSTAMAC to CIPAP, chapter 4 of the 2017 document)."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import Command, EndsLinks
from esp32sock.at.commands.validation import checked_mac
from esp32sock.at.params import after_colon, command_line, fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.at.firmware import Firmware


@dataclass(frozen=True, slots=True)
class Subnet:
    """An address and its network; the document's answer has the address alone."""

    address: IPv4Address
    gateway: IPv4Address | None = None
    netmask: IPv4Address | None = None


NOWHERE = IPv4Address(0)


def _read_subnet(lines: Sequence[bytes]) -> Subnet | None:
    """`+CIPSTA:ip:"..."` and its like, three lines on every firmware, one of plain fields in the document."""
    values: dict[str, IPv4Address] = {}
    for line in lines:
        rest = after_colon(line)
        label, separator, value = rest.partition(b":")
        if separator:
            if label in (b"ip", b"gateway", b"netmask"):
                values[label.decode()] = IPv4Address(fields(value)[0])
        else:
            names = ("ip", "gateway", "netmask")
            values |= {name: IPv4Address(text) for name, text in zip(names, fields(rest), strict=False)}
    address = values["ip"]
    return None if address == NOWHERE else Subnet(address, values.get("gateway"), values.get("netmask"))


def _subnet_line(name: str, subnet: Subnet) -> bytes:
    if subnet.address == NOWHERE:
        raise ValueError("0.0.0.0 is not a host's address")
    if (subnet.gateway is None) != (subnet.netmask is None):
        raise ValueError("a gateway and a netmask go together")
    network = (None if value is None else str(value) for value in (subnet.gateway, subnet.netmask))
    return command_line(name, str(subnet.address), *network)


@dataclass(frozen=True, slots=True)
class StationMac(Command[str]):
    """The station's MAC address. Source: V1.0, 4.2.11, at-dialects 6."""

    name: ClassVar[str] = "+CIPSTAMAC"
    answers_with_line: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CIPSTAMAC:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPSTAMAC?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> str:
        return fields(after_colon(lines[0]))[0]


@dataclass(frozen=True, slots=True)
class SetStationMac(EndsLinks):
    """Change the station's MAC address, not to a group address; its role must be on.

    Source: V1.0, 4.2.11, real-firmware.
    """

    name: ClassVar[str] = "+CIPSTAMAC"

    mac: str

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPSTAMAC", checked_mac(self.mac))

    def advice(self, lines: Sequence[bytes]) -> str:
        return "check that the station role is on (AT+CWMODE=1 or 3)"


@dataclass(frozen=True, slots=True)
class SoftApMac(Command[str]):
    """The SoftAP's MAC address. Source: V1.0, 4.2.12, at-dialects 6."""

    name: ClassVar[str] = "+CIPAPMAC"
    answers_with_line: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CIPAPMAC:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPAPMAC?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> str:
        return fields(after_colon(lines[0]))[0]


@dataclass(frozen=True, slots=True)
class SetSoftApMac(EndsLinks):
    """Change the SoftAP's MAC address, not to a group address; its role must be on.

    Source: V1.0, 4.2.12, real-firmware.
    """

    name: ClassVar[str] = "+CIPAPMAC"

    mac: str

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPAPMAC", checked_mac(self.mac))

    def advice(self, lines: Sequence[bytes]) -> str:
        return "check that the SoftAP role is on (AT+CWMODE=2 or 3)"


@dataclass(frozen=True, slots=True)
class StationAddress(Command["Subnet | None"]):
    """The station's IP address and network, None while it has none. Source: V1.0, 4.2.13, at-dialects 6."""

    name: ClassVar[str] = "+CIPSTA"
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CIPSTA:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPSTA?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> Subnet | None:
        return _read_subnet(lines)


@dataclass(frozen=True, slots=True)
class SetStationAddress(EndsLinks):
    """Give the station a fixed address, which turns its DHCP off; gateway and netmask together or not at all.

    Source: V1.0, 4.2.13, at-dialects 6.
    """

    name: ClassVar[str] = "+CIPSTA"

    subnet: Subnet

    def line(self, firmware: Firmware) -> bytes:
        return _subnet_line("+CIPSTA", self.subnet)


@dataclass(frozen=True, slots=True)
class SoftApAddress(Command["Subnet | None"]):
    """The SoftAP's IP address and network. Source: V1.0, 4.2.14, at-dialects 6."""

    name: ClassVar[str] = "+CIPAP"
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CIPAP:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPAP?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> Subnet | None:
        return _read_subnet(lines)


@dataclass(frozen=True, slots=True)
class SetSoftApAddress(EndsLinks):
    """Give the SoftAP another address; gateway and netmask together or not at all.

    Source: V1.0, 4.2.14, at-dialects 6.
    """

    name: ClassVar[str] = "+CIPAP"

    subnet: Subnet

    def line(self, firmware: Firmware) -> bytes:
        return _subnet_line("+CIPAP", self.subnet)
