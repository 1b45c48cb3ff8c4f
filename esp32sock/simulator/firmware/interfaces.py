"""The network interfaces of the module: the station and the SoftAP, and which addresses are its own."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.subnets import DHCP_SOFTAP, SOFTAP_SUBNET
from esp32sock.simulator.network.api import ITSELF, ITSELF_6, version_of

if TYPE_CHECKING:
    from esp32sock.simulator.environment.radio import Subnet
    from esp32sock.simulator.firmware.board import Board
    from esp32sock.simulator.firmware.station import Station


def address_6(prefix: str, mac: str) -> str:
    """The address that an interface gives itself within a prefix: behind it the MAC address with `fffe` in
    the middle and one bit turned over (RFC 4291).
    """
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return str(IPv6Address(IPv6Address(prefix).packed[:8] + identifier))


class Interfaces:
    """Both interfaces together."""

    def __init__(self, board: Board, station: Station) -> None:
        self._board = board
        self.station = station

    @property
    def have_network(self) -> bool:
        """Whether a link can be opened: joined with an address, or a SoftAP (sweep of CIPSTART, 2.0)."""
        return self.station.has_address or self._board.state.softap

    def reaches(self, address: str) -> bool:
        """Whether there is a way to an address: all are behind the station's network, those of its own subnet
        behind the SoftAP. IPv6 is behind the station alone (a guess: the SoftAP hands no prefix out).
        """
        if version_of(address) == 6:
            return self.station.has_address_6 or address == ITSELF_6
        return self.station.has_address or address == ITSELF or self.is_at_softap(address)

    @property
    def softap_subnet(self) -> Subnet:
        """The subnet of the SoftAP, switched on or not: AT+CIPAP. To the letter of the document DHCP ends a
        fixed one (V1.0 4.2.14).
        """
        memory = self._board.memory
        if self._board.profile.literal_addresses and memory.get("dhcp", DHCP_SOFTAP) & DHCP_SOFTAP:
            return SOFTAP_SUBNET
        return memory.get("softap_subnet", SOFTAP_SUBNET)

    def own_addresses(self) -> set[str]:
        """What leads to the module itself."""
        own = {ITSELF}
        if self.station.has_address:
            own.add(self.station.address)
        if self._board.state.softap:
            own.add(self.softap_subnet.address)
        if self.station.has_address_6:
            own.update((ITSELF_6, self.link_local, self.global_address))
        return own

    @property
    def link_local(self) -> str:
        """The IPv6 address that the station gives itself."""
        return address_6("fe80::", self._station_mac)

    @property
    def global_address(self) -> str:
        """The station's IPv6 address in the prefix that the access point's network announces."""
        access_point = self.station.access_point
        prefix = access_point.subnet.prefix_6 if access_point is not None else ""
        return address_6(prefix, self._station_mac) if prefix else ""

    @property
    def _station_mac(self) -> str:
        board = self._board
        return board.memory.get("station_mac", board.settings.identity.station_mac)

    def is_at_softap(self, address: str) -> bool:
        """Whether an address belongs to the network of our SoftAP."""
        if not self._board.state.softap or version_of(address) == 6:
            return False
        subnet = self.softap_subnet
        mask = int(IPv4Address(subnet.netmask))  # AT+CIPAP takes any, with holes too
        return int(IPv4Address(address)) & mask == int(IPv4Address(subnet.address)) & mask
