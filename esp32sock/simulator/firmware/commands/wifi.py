"""Chapter 4 of the 2017 document: the Wi-Fi mode and the station.

Scans, addresses, the SoftAP and SmartConfig have files of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.commands.addresses import is_mac
from esp32sock.simulator.firmware.commands.params import quote
from esp32sock.simulator.firmware.commands.registry import command
from esp32sock.simulator.firmware.commands.scanning import COUNTRY
from esp32sock.simulator.firmware.results import (
    CommandRefused,
    Result,
    failed,
    too_long,
    wrong_count,
)

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.commands.call import Call

SSID_BYTES = 32
PASSWORD_BYTES = 64
"""64 is taken, 65 refused (sweep of CWJAP, 1.0, 2.0)."""


@command("CWMODE", "t")
def mode_test(call: Call) -> None:
    """(1-3) although 0 is taken (observed 1.0, 2.0)."""
    call.respond("+CWMODE:(1-3)")


@command("CWMODE", "q")
def mode_query(call: Call) -> None:
    call.respond(f"+CWMODE:{call.state.cwmode}")


@command("CWMODE", "s")
def mode(call: Call) -> None:
    """V1.0 4.2.1.

    Without the station its network is left, WIFI DISCONNECT before OK (sweep of CWJAP, 2.0).
    """
    arguments, state, firmware = call.arguments, call.state, call.firmware
    arguments.expect(1, 2 if call.profile.cwmode_auto_connect else 1)
    cwmode = arguments.integer(call.profile.lowest_cwmode, call.profile.highest_cwmode)
    auto_connect = bool(arguments.integer(0, 1, default=1))
    had_station, had_softap = state.station, state.softap
    state.cwmode = cwmode
    call.remember("cwmode", cwmode)
    if not state.softap:
        firmware.softap.reset()
    elif not had_softap:
        call.after(firmware.softap.open)
    if had_station and not state.station:
        firmware.smartconfig.end()
        leave_network(call)
    elif state.station and not had_station and auto_connect and call.profile.cwmode_auto_connect:
        call.after(firmware.station.join_stored)


@command("CWINIT", "q")
def driver_query(call: Call) -> None:
    """1 as shipped (docs of 3.2)."""
    call.respond(f"+CWINIT:{int(call.state.wifi_driver)}")


@command("CWINIT", "s")
def driver(call: Call) -> None:
    """0 ends the Wi-Fi driver until a restart or 1, which begins as a boot does (docs of 3.2); what commands
    say meanwhile is a guess: as with CWMODE=0.
    """
    call.arguments.expect(1, 1)
    wanted = bool(call.arguments.integer(0, 1))
    state, firmware = call.state, call.firmware
    if wanted == state.wifi_driver:
        return
    state.wifi_driver = wanted
    if wanted:
        state.cwmode = call.memory.get("cwmode", call.profile.default_cwmode)
        call.after(firmware.station.join_stored)
        return
    had_station = state.station
    state.cwmode = 0
    firmware.softap.reset()
    if had_station:
        leave_network(call)


@command("CWJAP", "q")
def access_point_query(call: Call) -> None:
    """Nothing but OK when not joined (observed 1.0, 2.0, 4.1; 0.10 says so)."""
    firmware = call.firmware
    access_point = firmware.station.access_point
    if access_point is None:
        if call.profile.no_access_point_line:
            call.respond(call.profile.no_access_point_line)
        return
    fields = [quote(access_point.ssid), quote(access_point.bssid), str(access_point.channel)]
    fields.append(str(firmware.board.radio.rssi_dbm(access_point)))
    fields += _join_options(call)
    call.respond("+CWJAP:" + ",".join(fields[: call.profile.cwjap_fields]))


JOIN_OPTIONS = ("pci", "reconnect", "listen", "scan", "pmf")
"""The fields behind the strength: pci_en, reconn_interval, listen_interval, scan_mode, pmf."""


def _join_options(call: Call) -> list[str]:
    """As set by CWJAP, or the defaults of the firmware."""
    defaults = call.profile.join_defaults
    memory = call.memory
    return [
        str(memory.get(f"join_{name}", value)) for name, value in zip(JOIN_OPTIONS, defaults, strict=True)
    ]


@command("CWJAP", "e")
async def join_again(call: Call) -> Result | None:
    """From 2.2 on: join what is stored (at-dialects 6)."""
    memory = call.memory
    if call.firmware.station.has_address:
        return None  # real-firmware 7: 4.1
    ssid = memory.get("ssid", "")
    if not ssid:
        raise failed()
    return await _join(call, ssid, memory.get("password", ""), memory.get("bssid", ""), refuse_open=False)


@command("CWJAP", "s")
async def join(call: Call) -> Result | None:
    """V1.0 4.2.2; further fields at-dialects 6; codes from the sweep of CWJAP, 1.0."""
    arguments, profile = call.arguments, call.profile
    ssid = arguments.string(SSID_BYTES)
    if not ssid:
        raise too_long(0)
    if arguments.count < 2:
        # 1.0 complains about each string that is not there, and then about the BSSID.
        raise CommandRefused(0x01080001, 0x01080002, 0x01040003)
    password = arguments.string(PASSWORD_BYTES, default="")
    bssid = arguments.string(32, default="")
    if arguments.count > 2 and not bssid and profile.cwjap_fields == 4:
        raise CommandRefused  # 1.0 requires it if there is a third field
    if bssid and not is_mac(bssid):
        raise too_long(2)
    most = {4: 3, 7: 6, 8: 7}.get(profile.cwjap_fields, 9)
    if arguments.count > most:
        raise wrong_count(most, arguments.count)
    pci, reconnect, listen, scan, pmf = profile.join_defaults
    pci = arguments.integer(0, 1, default=pci)
    interval_s = arguments.integer(0, 7200, default=None)  # 7201 refused (sweep of CWJAP, 2.0)
    listen = arguments.integer(0, 100, default=listen)  # 101 refused (same)
    scan = arguments.integer(0, 1, default=scan)
    within_s = arguments.integer(3, 600, default=None)  # jap_timeout
    pmf = arguments.integer(0, 3, default=pmf)
    result = await _join(call, ssid, password, bssid, refuse_open=bool(pci), within_s=within_s)
    if interval_s is not None:
        reconnect = interval_s
        _, repeats = call.memory.get("reconnect", (1, 0))
        call.remember("reconnect", (interval_s, repeats))  # the same setting as CWRECONNCFG's: a guess
    shown = (pci, reconnect, 0 if profile.hides_listen_interval else listen, scan, pmf)
    for name, value in zip(JOIN_OPTIONS, shown, strict=True):
        call.remember(f"join_{name}", value)
    return result


async def _join(
    call: Call,
    ssid: str,
    password: str,
    bssid: str,
    *,
    refuse_open: bool,
    within_s: float | None = None,
) -> Result | None:
    firmware = call.firmware
    if not call.state.station:
        raise failed()
    if firmware.station.leave():
        firmware.links.close_streams()  # that CLOSED comes here, and not behind the result, is a guess
    failure = await firmware.station.join(ssid, password, bssid, refuse_open=refuse_open, within_s=within_s)
    if failure is not None:
        call.respond(f"+CWJAP:{int(failure)}")
        raise CommandRefused  # without a code, 1.0 too (observed)
    call.remember("ssid", ssid)
    call.remember("password", password)
    call.remember("bssid", bssid)
    return None


@command("CWQAP", "t")
def leave_test(call: Call) -> None:
    """A plain OK (sweep of CWQAP, 1.0, 2.0)."""


@command("CWQAP", "e")
def leave(call: Call) -> None:
    """WIFI DISCONNECT, OK, and only then CLOSED for the links (observed 4.1); OK too when not joined
    (observed 1.0, 2.0).
    """
    if not call.state.station:
        raise CommandRefused
    leave_network(call)


def leave_network(call: Call) -> None:
    """Leave the access point, if there is one; links fall once the command has answered."""
    if call.firmware.station.leave():
        call.after(call.firmware.links.close_streams)


@command("CWSTATE", "q")
def wifi_state(call: Call) -> None:
    """At-dialects 6: 0 not started, 1 associated, 2 got an address, 3 connecting, 4 disconnected."""
    station, memory = call.firmware.station, call.memory
    access_point = station.access_point
    if access_point is not None:
        ssid = access_point.ssid
        number = 2 if station.has_address else 1
    else:
        ssid = memory.get("ssid", "")
        number = 3 if station.connecting else 4 if station.failed else 0
        if number == 0:
            ssid = ""
    call.respond(f"+CWSTATE:{number},{quote(ssid)}")


@command("CWRECONNCFG", "q")
def reconnect_query(call: Call) -> None:
    """`1,0` as shipped (observed 4.1)."""
    interval, repeats = call.memory.get("reconnect", (1, 0))
    call.respond(f"+CWRECONNCFG:{interval},{repeats}")


@command("CWRECONNCFG", "s")
def reconnect(call: Call) -> None:
    """Interval in seconds, 0 for never, and how often at most, 0 for ever (later documents)."""
    arguments = call.arguments
    arguments.expect(2, 2)
    call.remember("reconnect", (arguments.integer(0, 7200), arguments.integer(0, 1000)))


@command("CWAUTOCONN", "q")
def auto_connect_query(call: Call) -> None:
    """One CR LF before OK (observed 1.0, 2.0, 4.1)."""
    call.respond_open(f"+CWAUTOCONN:{int(call.state.auto_connect)}")


@command("CWAUTOCONN", "s")
def auto_connect(call: Call) -> None:
    """V1.0 4.2.10; always stored (at-dialects 6)."""
    call.arguments.expect(1, 1)
    wanted = bool(call.arguments.integer(0, 1))
    if not call.state.station and call.profile.auto_connect_needs_station:
        raise failed()
    call.state.auto_connect = wanted
    call.memory.set("auto_connect", call.state.auto_connect, store=True)


STATION_PROTOCOLS, SOFTAP_PROTOCOLS = "CWSTAPROTO", "CWAPPROTO"


@command(STATION_PROTOCOLS, "q")
@command(SOFTAP_PROTOCOLS, "q")
def protocols_query(call: Call) -> None:
    """802.11 b, g and n as shipped, and one CR LF before OK (observed 4.1, walks 2002 and 2026)."""
    call.respond_open(f"+{call.name}:{call.memory.get(call.name, 7)}")


@command(STATION_PROTOCOLS, "s")
@command(SOFTAP_PROTOCOLS, "s")
def protocols(call: Call) -> None:
    """A mask of b, g and n (later documents); only while that interface is on (a guess)."""
    arguments, state = call.arguments, call.state
    arguments.expect(1, 1)
    mask = arguments.integer(1, 7)
    if not (state.station if call.name == STATION_PROTOCOLS else state.softap):
        raise failed()
    call.remember(call.name, mask)


@command("CWHOSTNAME", "q")
def host_name_query(call: Call) -> None:
    """Observed 1.0, 2.0, 4.1: `espressif` as shipped, no quotes."""
    call.respond(f"+CWHOSTNAME:{call.state.host_name or call.board.settings.identity.host_name}")


@command("CWHOSTNAME", "s")
def host_name(call: Call) -> None:
    """At most 32 bytes, only with the station, not stored (at-dialects 6)."""
    call.arguments.expect(1, 1)
    name = call.arguments.string(32)
    if not name:
        raise too_long(0)
    if not call.state.station:
        raise failed()
    call.state.host_name = name


@command("CWCOUNTRY", "q")
def country_query(call: Call) -> None:
    """Observed 4.1, 4.2."""
    policy, code, start, count = call.memory.get("country", COUNTRY)
    call.respond(f"+CWCOUNTRY:{policy},{quote(code)},{start},{count}")


@command("CWCOUNTRY", "s")
def country(call: Call) -> None:
    """Policy, code, first channel, number of channels (later documents)."""
    arguments = call.arguments
    arguments.expect(4, 4)
    policy = arguments.integer(0, 1)
    code = arguments.string(3)
    call.remember("country", (policy, code, arguments.integer(1, 14), arguments.integer(1, 14)))
