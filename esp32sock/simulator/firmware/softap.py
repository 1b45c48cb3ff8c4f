"""The SoftAP: AT+CWSAP, AT+CWLIF, AT+CWQIF, and the stations that come to it (V1.0 4.2.6, 4.2.7)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.commands.addresses import DHCP_SOFTAP, dhcp_range, is_mac
from esp32sock.simulator.firmware.commands.params import encode, quote
from esp32sock.simulator.firmware.commands.registry import Call, command
from esp32sock.simulator.firmware.commands.results import CommandRefused, failed, out_of_range, wrong_count

if TYPE_CHECKING:
    from esp32sock.simulator.environment.radio import SoftApClient
    from esp32sock.simulator.firmware.firmware import Firmware

SSID_BYTES = 32
PASSWORD_BYTES = 63
"""64 is refused (sweep of CWSAP, 2.0)."""

ENCRYPTIONS = (0, 2, 3, 4)
"""Open, WPA, WPA2, both; no WEP (V1.0 4.2.6)."""


@dataclass(frozen=True, slots=True)
class SoftApSettings:
    """What CWSAP sets."""

    ssid: str
    password: str = ""
    channel: int = 1
    encryption: int = 0
    most_stations: int = 4
    hidden: int = 0


class SoftAp:
    """The stations at our SoftAP. The world brings them (`arrive`) and takes them away."""

    def __init__(self, firmware: Firmware) -> None:
        self._firmware = firmware
        self.stations: dict[str, str] = {}
        """Address by MAC; empty for one that DHCP gave none."""

    def open(self) -> None:
        """The SoftAP has been switched on: the stations of the world come, each in its time."""
        for visitor in self._firmware.settings.stations:
            self._firmware.spawn(self._visit(visitor))

    async def _visit(self, visitor: SoftApClient) -> None:
        await self._firmware.kernel.sleep(visitor.after_s)
        if visitor.mac not in self.stations:
            self.arrive(visitor.mac)

    def arrive(self, mac: str) -> str | None:
        """A station joins; its address, empty if DHCP is off or has none left; None if the SoftAP is off or
        full.
        """
        firmware = self._firmware
        settings = firmware.memory.get(
            "softap", SoftApSettings("", most_stations=firmware.profile.softap_stations)
        )
        if not firmware.running or not firmware.state.softap or len(self.stations) >= settings.most_stations:
            return None
        address = self._lease()
        self.stations[mac] = address
        if firmware.profile.softap_lines:
            firmware.line(f'+STA_CONNECTED:"{mac}"')
            if address:
                firmware.line(f'+DIST_STA_IP:"{mac}","{address}"')
        return address

    def _lease(self) -> str:
        """The lowest free address of the range of AT+CWDHCPS; none without DHCP (AT+CWDHCP)."""
        firmware = self._firmware
        if not firmware.memory.get("dhcp", DHCP_SOFTAP) & DHCP_SOFTAP:
            return ""
        _, first, last = dhcp_range(firmware)
        taken = set(self.stations.values())
        numbers = range(int(IPv4Address(first)), int(IPv4Address(last)) + 1)
        return next((str(IPv4Address(n)) for n in numbers if str(IPv4Address(n)) not in taken), "")

    def depart(self, mac: str) -> None:
        """A station leaves, or is sent away."""
        if self.stations.pop(mac, None) is not None and self._firmware.profile.softap_lines:
            self._firmware.line(f'+STA_DISCONNECTED:"{mac}"')

    def reset(self) -> None:
        self.stations.clear()


def _settings(call: Call) -> SoftApSettings:
    name = "ESP_" + call.firmware.settings.identity.softap_mac.replace(":", "")[-6:].upper()
    return call.firmware.memory.get(
        "softap", SoftApSettings(name, most_stations=call.profile.softap_stations)
    )


@command("CWSAP", "q")
def softap_query(call: Call) -> None:
    """Observed 1.0, 2.0, 4.1; an SSID of 32 bytes runs into the password on 1.0 and 2.0."""
    if not call.state.softap:
        raise failed()
    settings = _settings(call)
    ssid = settings.ssid
    if len(encode(ssid)) == SSID_BYTES and call.profile.long_ssid_runs_on:
        ssid += settings.password
    call.say(
        f"+CWSAP:{quote(ssid)},{quote(settings.password)},{settings.channel},{settings.encryption},"
        f"{settings.most_stations},{settings.hidden}"
    )


@command("CWSAP", "s")
def softap(call: Call) -> None:
    """V1.0 4.2.6; sweep of CWSAP. An empty password keeps the old one on 1.0 and 2.0 (observed)."""
    arguments, profile = call.arguments, call.profile
    if arguments.count > 6:
        raise wrong_count(4, arguments.count)
    ssid = arguments.string(255)
    if not 1 <= len(encode(ssid)) <= SSID_BYTES:
        raise out_of_range(0)
    if arguments.count == 1:
        # A string that is not there is only complained about, a number ends it (sweep of CWSAP, 1.0).
        raise CommandRefused(0x01080001, 0x01080002)
    password = arguments.string(255)
    if len(encode(password)) > PASSWORD_BYTES + 1:
        raise out_of_range(1)
    channel = arguments.integer(1, 13)
    encryption = arguments.integer(0, 4)
    if encryption not in ENCRYPTIONS or (encryption and len(encode(password)) < 8):
        raise out_of_range(3)
    bare = arguments.without_codes()
    most = bare.integer(1, profile.softap_most_stations, default=profile.softap_most_stations)
    hidden = bare.integer(0, 1, default=0)
    if not call.state.softap or len(encode(password)) > PASSWORD_BYTES:
        raise failed()
    if not password and profile.keeps_softap_password:
        password = _settings(call).password
    call.remember("softap", SoftApSettings(ssid, password, channel, encryption, most, hidden))


@command("CWLIF", "e")
def stations(call: Call) -> None:
    """V1.0 4.2.7; nothing but OK without stations (observed 1.0, 2.0, 4.1)."""
    for mac, address in call.firmware.softap.stations.items():
        if address:  # "cannot get a static IP"
            call.say(f"{call.profile.cwlif_prefix}{address},{mac}")


@command("CWQIF", "e")
def send_all_away(call: Call) -> None:
    """Later documents: disconnect every station."""
    if not call.state.softap:
        raise failed()
    for mac in list(call.firmware.softap.stations):
        call.firmware.softap.depart(mac)


@command("CWQIF", "s")
def send_away(call: Call) -> None:
    call.arguments.expect(1, 1)
    mac = call.arguments.string(17).lower()
    if not is_mac(mac):
        raise out_of_range(0)
    if mac not in call.firmware.softap.stations:
        raise failed()
    call.firmware.softap.depart(mac)
