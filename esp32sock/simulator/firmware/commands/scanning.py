"""AT+CWLAP and AT+CWLAPOPT: what a scan lists, and how (V1.0 4.2.3, 4.2.4; sweep of CWLAPOPT)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.commands.addresses import is_mac
from esp32sock.simulator.firmware.commands.params import quote
from esp32sock.simulator.firmware.commands.registry import command
from esp32sock.simulator.firmware.results import failed, out_of_range

COUNTRY = (1, "CN", 1, 13)
"""As shipped (observed 4.1, 4.2): policy, code, first channel, how many."""

if TYPE_CHECKING:
    from esp32sock.simulator.environment.radio import AccessPoint
    from esp32sock.simulator.firmware.commands.call import Call


@command("CWLAPOPT", "s")
def scan_options(call: Call) -> None:
    """Ranges have no code on 1.0, counts have; a mask of -1 is taken on 1.0 and 2.0."""
    arguments, profile, state = call.arguments, call.profile, call.state
    arguments.expect(2, 4 if profile.scan_filters else 2)
    bare = arguments.without_codes()
    ordered = bool(bare.integer(0, 1))
    mask = bare.integer(-1 if profile.cwlap_fields == 5 else 0, (1 << profile.cwlap_fields) - 1)
    weakest = bare.integer(-100, 40, default=-100)
    authentication = bare.integer(0, 0xFFFF, default=0xFFFF)
    state.scan_ordered, state.scan_mask = ordered, mask
    state.scan_weakest_dbm, state.scan_authentication = weakest, authentication


@command("CWLAP", "e")
async def scan(call: Call) -> None:
    await _scan(call, "", "", 0)


@command("CWLAP", "s")
async def scan_for(call: Call) -> None:
    """V1.0 4.2.4: only an SSID, a MAC address, a channel."""
    arguments = call.arguments
    arguments.expect(1, 3)
    ssid = arguments.string(32, default="")
    mac = arguments.string(17, default="")
    if mac and not is_mac(mac):
        raise out_of_range(1)
    channel = arguments.integer(0, 14, default=0)
    await _scan(call, ssid, mac.lower(), channel)


async def _scan(call: Call, ssid: str, mac: str, channel: int) -> None:
    state, firmware = call.state, call.firmware
    if not state.station:
        raise failed()
    await firmware.board.kernel.sleep(firmware.board.settings.timing.scan_s)
    heard = firmware.board.radio.scan()
    _, _, first, count = firmware.board.memory.get("country", COUNTRY)
    channels = range(first, first + count)
    if not state.scan_ordered:
        heard.sort(key=lambda entry: entry[0].channel)  # by channel, as a scan goes (a guess)
    for access_point, rssi_dbm in heard:
        wanted = (
            ssid in ("", access_point.ssid)
            and mac in ("", access_point.bssid.lower())
            and channel in (0, access_point.channel)
            and access_point.channel in channels
            and rssi_dbm >= state.scan_weakest_dbm
            and state.scan_authentication >> access_point.encryption & 1
        )
        if wanted:
            call.respond("+CWLAP:" + _listed(call, access_point, rssi_dbm))


def _listed(call: Call, access_point: AccessPoint, rssi_dbm: int) -> str:
    secured = access_point.encryption != 0
    fields = (
        str(access_point.encryption),
        quote(access_point.ssid),
        str(rssi_dbm),
        quote(access_point.bssid),
        str(access_point.channel),
        "-1",  # freq_offset, freqcal_val: as in every capture
        "-1",
        "4" if secured else "0",  # pairwise and group cipher: 0 observed on open ones, 4 (CCMP) is a guess
        "4" if secured else "0",
        "3",  # b and g (observed 4.1)
        "0",  # WPS
    )
    mask = call.state.scan_mask
    shown = ",".join(
        field for bit, field in enumerate(fields[: call.profile.cwlap_fields]) if mask >> bit & 1
    )
    return f"({shown})" if call.profile.cwlap_parentheses else shown
