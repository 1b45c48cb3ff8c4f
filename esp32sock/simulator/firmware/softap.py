"""The SoftAP and the stations that join it (V1.0 4.2.6, 4.2.7)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.subnets import DHCP_SOFTAP, dhcp_range

if TYPE_CHECKING:
    from esp32sock.simulator.environment.radio import SoftApClient
    from esp32sock.simulator.firmware.board import Board


@dataclass(frozen=True, slots=True)
class SoftApSettings:
    """What AT+CWSAP sets."""

    ssid: str
    password: str = ""
    channel: int = 1
    encryption: int = 0
    most_stations: int = 4
    hidden: int = 0


class SoftAp:
    """The stations at the SoftAP. The scenario lets them join (`join`) and leave."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self.stations: dict[str, str] = {}
        """Address by MAC; empty for one that DHCP gave none."""

    @property
    def settings(self) -> SoftApSettings:
        """What AT+CWSAP last set, or a network named after the MAC address."""
        board = self._board
        name = "ESP_" + board.settings.identity.softap_mac.replace(":", "")[-6:].upper()
        return board.memory.get("softap", SoftApSettings(name, most_stations=board.profile.softap_stations))

    def open(self) -> None:
        """The SoftAP has been switched on: the stations of the scenario join, each in its time."""
        for client in self._board.settings.stations:
            self._board.spawn(self._join_later(client))

    async def _join_later(self, client: SoftApClient) -> None:
        await self._board.kernel.sleep(client.after_s)
        if client.mac not in self.stations:
            self.join(client.mac)

    def join(self, mac: str) -> str | None:
        """A station joins; its address, empty if DHCP is off or has none left; None if the SoftAP is off or
        full.
        """
        board = self._board
        full = len(self.stations) >= self.settings.most_stations
        if not board.running or not board.state.softap or full:
            return None
        address = self._lease()
        self.stations[mac] = address
        if board.profile.softap_lines:
            board.line(f'+STA_CONNECTED:"{mac}"')
            if address:
                board.line(f'+DIST_STA_IP:"{mac}","{address}"')
        return address

    def _lease(self) -> str:
        """The lowest free address of the range of AT+CWDHCPS; none without DHCP (AT+CWDHCP)."""
        memory = self._board.memory
        if not memory.get("dhcp", DHCP_SOFTAP) & DHCP_SOFTAP:
            return ""
        _, first, last = dhcp_range(memory)
        taken = set(self.stations.values())
        numbers = range(int(IPv4Address(first)), int(IPv4Address(last)) + 1)
        return next((str(IPv4Address(n)) for n in numbers if str(IPv4Address(n)) not in taken), "")

    def disconnect(self, mac: str) -> None:
        """A station leaves, or is made to leave."""
        if self.stations.pop(mac, None) is not None and self._board.profile.softap_lines:
            self._board.line(f'+STA_DISCONNECTED:"{mac}"')

    def reset(self) -> None:
        """The SoftAP has been switched off: its stations are gone, and no line is printed."""
        self.stations.clear()
