"""The SoftAP: AT+CWSAP, AT+CWLIF, AT+CWQIF (V1.0 4.2.6, 4.2.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.commands.addresses import is_mac
from esp32sock.simulator.firmware.commands.params import encode, quote
from esp32sock.simulator.firmware.commands.registry import command
from esp32sock.simulator.firmware.results import CommandRefused, failed, out_of_range, wrong_count
from esp32sock.simulator.firmware.softap import SoftApSettings

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.commands.call import Call

SSID_BYTES = 32
ENCRYPTIONS = (0, 2, 3, 4)
"""Open, WPA, WPA2, both; no WEP (V1.0 4.2.6)."""


@command("CWSAP", "q")
def softap_query(call: Call) -> None:
    """Observed 1.0, 2.0, 4.1; an SSID of 32 bytes runs into the password on 1.0 and 2.0."""
    if not call.state.softap:
        raise failed()
    settings = call.firmware.softap.settings
    ssid = settings.ssid
    if len(encode(ssid)) == SSID_BYTES and call.profile.long_ssid_runs_on:
        ssid += settings.password
    call.respond(
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
    if len(encode(password)) > 64:
        raise out_of_range(1)
    channel = arguments.integer(1, 13)
    encryption = arguments.integer(0, 4)
    if encryption not in ENCRYPTIONS or (encryption and len(encode(password)) < 8):
        raise out_of_range(3)
    bare = arguments.without_codes()
    most = bare.integer(1, profile.softap_most_stations, default=profile.softap_most_stations)
    hidden = bare.integer(0, 1, default=0)
    if not call.state.softap or len(encode(password)) > profile.softap_password_bytes:
        raise failed()
    if not password and profile.keeps_softap_password:
        password = call.firmware.softap.settings.password
    call.remember("softap", SoftApSettings(ssid, password, channel, encryption, most, hidden))


@command("CWLIF", "e")
def stations(call: Call) -> None:
    """V1.0 4.2.7; nothing but OK without stations (observed 1.0, 2.0, 4.1).

    Without the SoftAP ERROR (real-firmware 7; 010a0000 on 1.0).
    """
    if not call.state.softap:
        raise failed()
    for mac, address in call.firmware.softap.stations.items():
        if address:  # "cannot get a static IP"
            call.respond(f"{call.profile.cwlif_prefix}{address}{call.profile.cwlif_separator}{mac}")


@command("CWQIF", "e")
def disconnect_all(call: Call) -> None:
    """Later documents: disconnect every station."""
    if not call.state.softap:
        raise failed()
    for mac in list(call.firmware.softap.stations):
        call.firmware.softap.disconnect(mac)


@command("CWQIF", "s")
def disconnect(call: Call) -> None:
    call.arguments.expect(1, 1)
    mac = call.arguments.string(17).lower()
    if not is_mac(mac):
        raise out_of_range(0)
    if mac not in call.firmware.softap.stations:
        raise failed()
    call.firmware.softap.disconnect(mac)
