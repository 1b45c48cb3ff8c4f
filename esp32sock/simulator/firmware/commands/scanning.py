"""AT+CWLAP and AT+CWLAPOPT: what a scan lists, and how (V1.0 4.2.3, 4.2.4; sweep of CWLAPOPT)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.commands.addresses import is_mac
from esp32sock.simulator.firmware.commands.params import encode, quote
from esp32sock.simulator.firmware.commands.registry import command
from esp32sock.simulator.firmware.results import failed, out_of_range, refuse_if

COUNTRY = (1, "CN", 1, 13)
"""As shipped (observed 4.1, 4.2): policy, code, first channel, how many."""

HIGHEST = 13
"""14 is refused (real-firmware 9)."""

SSID_BYTES = 32

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
    mask = bare.integer(profile.lowest_scan_mask, (1 << profile.cwlap_fields) - 1)
    weakest = bare.integer(-100, 40, default=-100)
    authentication = bare.integer(0, 0xFFFF, default=0xFFFF)
    state.scan_ordered, state.scan_mask = ordered, mask
    state.scan_weakest_dbm, state.scan_authentication = weakest, authentication


@command("CWLAP", "e")
async def scan(call: Call) -> None:
    await _scan(call, "", "", 0)


@command("CWLAP", "s")
async def scan_for(call: Call) -> None:
    """V1.0 4.2.4: only an SSID, a MAC address, a channel.

    2.0 takes nearly everything as text, and three more fields; an SSID of 33 bytes is out of range on 1.0,
    and a fourth field has no code there (real-firmware 9).
    """
    arguments, lenient = call.arguments, call.profile.scan_takes_words
    refuse_if(arguments.count > (6 if lenient else 3))
    ssid = arguments.word(255) if lenient else arguments.string(255, default="")
    if len(encode(ssid)) > SSID_BYTES:
        raise out_of_range(0)
    mac = arguments.string(17, default="")
    if mac and not is_mac(mac):
        raise out_of_range(1)
    channel = _read_channel(arguments.word(8)) if lenient else arguments.integer(0, HIGHEST, default=0)
    await _scan(call, ssid, mac.lower(), channel)


def _read_channel(text: str) -> int:
    """A number, in quotes or not."""
    channel = int(text) if text.isdecimal() else 0 if not text else HIGHEST + 1
    if channel > HIGHEST:
        raise out_of_range(2)
    return channel


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
