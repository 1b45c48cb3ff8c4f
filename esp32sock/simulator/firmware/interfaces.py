"""The network interfaces of the module: the station and the SoftAP, and which addresses are its own."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.subnets import DHCP_SOFTAP, SOFTAP_SUBNET
from esp32sock.simulator.network.api import ITSELF

if TYPE_CHECKING:
    from esp32sock.simulator.environment.radio import Subnet
    from esp32sock.simulator.firmware.board import Board
    from esp32sock.simulator.firmware.station import Station


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
        behind the SoftAP.
        """
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
        return own

    def is_at_softap(self, address: str) -> bool:
        """Whether an address belongs to the network of our SoftAP."""
        if not self._board.state.softap:
            return False
        subnet = self.softap_subnet
        mask = int(IPv4Address(subnet.netmask))  # AT+CIPAP takes any, with holes too
        return int(IPv4Address(address)) & mask == int(IPv4Address(subnet.address)) & mask
