"""Chapter 4 of the 2017 document: Wi-Fi commands, as far as the station needs them."""

from __future__ import annotations

import re

from ..radio import Subnet
from .params import quote
from .registry import Call, command
from .results import Refusal, Result, failed, out_of_range

NO_SUBNET = Subnet(address="0.0.0.0", gateway="0.0.0.0", netmask="0.0.0.0")

SSID_BYTES = 32
PASSWORD_BYTES = 64
"""64 is taken, 65 refused (sweep of CWJAP, 2.0)."""

_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}\Z")


@command("CWMODE", "t")
def mode_test(call: Call) -> None:
    """(1-3) although 0 is taken (observed 2.0)."""
    call.say("+CWMODE:(1-3)")


@command("CWMODE", "q")
def mode_query(call: Call) -> None:
    call.say(f"+CWMODE:{call.state.cwmode}")


@command("CWMODE", "s")
def mode(call: Call) -> None:
    """V1.0 4.2.1.

    Without the station its network is left, WIFI DISCONNECT before OK (sweep of CWJAP, 2.0).
    """
    arguments, state, firmware = call.arguments, call.state, call.firmware
    arguments.expect(1, 2 if call.profile.cwmode_auto_connect else 1)
    cwmode = arguments.integer(call.profile.lowest_cwmode, 3)
    auto_connect = bool(arguments.integer(0, 1, default=1))
    had_station = state.station
    state.cwmode = cwmode
    if state.store:
        firmware.nvs.set("cwmode", cwmode)
    if had_station and not state.station:
        leave_network(call)
    elif state.station and not had_station and auto_connect:
        firmware.station.join_stored()


@command("CWJAP", "q")
def access_point_query(call: Call) -> None:
    """Nothing but OK when not joined (observed 2.0, 4.1)."""
    firmware = call.firmware
    access_point = firmware.station.access_point
    if access_point is None:
        return
    fields = [quote(access_point.ssid), quote(access_point.bssid), str(access_point.channel)]
    fields.append(str(firmware.radio.rssi_dbm(access_point)))
    fields += _join_options(call)
    call.say("+CWJAP:" + ",".join(fields[: call.profile.cwjap_fields]))


def _join_options(call: Call) -> list[str]:
    """pci_en, reconn_interval, listen_interval, scan_mode, pmf: 0,0,0 on 2.0 and 0,1,3,0,1 on 4.1 when left
    out (observed).
    """
    nvs = call.firmware.nvs
    defaults = (0, 0, 0, 0, 0) if call.profile.cwjap_fields <= 7 else (0, 1, 3, 0, 1)
    names = ("pci", "reconnect", "listen", "scan", "pmf")
    return [str(nvs.get(f"join_{name}", default)) for name, default in zip(names, defaults, strict=True)]


@command("CWJAP", "s")
async def join(call: Call) -> Result | None:
    """V1.0 4.2.2; further fields at-dialects 6."""
    arguments, firmware, state = call.arguments, call.firmware, call.state
    fields = call.profile.cwjap_fields
    arguments.expect(2, {4: 3, 7: 6, 8: 7}.get(fields, 9))
    ssid = arguments.string(SSID_BYTES)
    if not ssid:
        raise out_of_range(0)
    password = arguments.string(PASSWORD_BYTES, default="")
    bssid = arguments.string(17, default="")
    if bssid and not _MAC.match(bssid):
        raise out_of_range(2)
    arguments.integer(0, 1, default=0)  # pci_en
    arguments.integer(0, 7200, default=1)  # reconn_interval (7201 refused, sweep of CWJAP, 2.0)
    arguments.integer(0, 100, default=3)  # listen_interval (101 refused, same)
    arguments.integer(0, 1, default=0)  # scan_mode
    arguments.integer(3, 600, default=15)  # jap_timeout
    arguments.integer(0, 3, default=0)  # pmf
    if not state.station:
        raise failed()
    if firmware.station.leave():
        firmware.links.close_streams()  # that CLOSED comes here, and not behind the result, is a guess
    failure = await firmware.station.join(ssid, password, bssid)
    if failure is not None:
        call.say(f"+CWJAP:{int(failure)}")
        raise failed()
    if state.store:
        firmware.nvs.set("ssid", ssid)
        firmware.nvs.set("password", password)
        firmware.nvs.set("bssid", bssid)
    return None


@command("CWQAP", "e")
def leave(call: Call) -> None:
    """WIFI DISCONNECT, OK, and only then CLOSED for the links (observed 4.1); OK too when not joined
    (observed 2.0).
    """
    if not call.state.station:
        raise Refusal
    leave_network(call)


def leave_network(call: Call) -> None:
    """Leave the access point, if there is one; links fall once the command has answered."""
    if call.firmware.station.leave():
        call.after(call.firmware.links.close_streams)


@command("CIPSTA", "q")
def station_address(call: Call) -> None:
    """V1.0 4.2.13; zeros when not joined (observed 2.0)."""
    station = call.firmware.station
    subnet = NO_SUBNET
    if station.access_point is not None and station.has_address:
        subnet = station.access_point.subnet
    for line in call.profile.cipsta_lines:
        call.say(line.format(subnet=subnet))


@command("CIFSR", "e")
def local_addresses(call: Call) -> None:
    """Only active interfaces; labelled and quoted on every firmware (at-dialects 6)."""
    state, identity = call.state, call.firmware.settings.identity
    if state.softap:
        call.say(f'+CIFSR:APIP,"{SOFTAP_ADDRESS}"')
        call.say(f'+CIFSR:APMAC,"{identity.softap_mac}"')
    if state.station:
        call.say(f'+CIFSR:STAIP,"{call.firmware.station.address}"')
        call.say(f'+CIFSR:STAMAC,"{identity.station_mac}"')


SOFTAP_ADDRESS = "192.168.4.1"
"""At-dialects 6."""
