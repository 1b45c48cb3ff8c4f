"""SmartConfig and WPS: joining a network whose password the host does not give (V1.0 4.2.15 to 4.2.17).

What a phone or a router does is in the radio (`Radio.provisioning`, `Radio.wps_access_point`); with nothing
there the module waits for ever, as in the captures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.commands.registry import command
from esp32sock.simulator.firmware.results import failed

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.commands.call import Call

KINDS = {1: "ESPTOUCH", 2: "AIRKISS", 3: "ESPTOUCH", 4: "ESPTOUCH_V2"}


@command("CWSTARTSMART", "e")
def start_smart(call: Call) -> None:
    _start(call, 3)


@command("CWSTARTSMART", "s")
def start_smart_as(call: Call) -> None:
    """1 ESP-TOUCH, 2 AirKiss, 3 both; later a fourth and further fields (at-dialects 6)."""
    arguments = call.arguments
    arguments.expect(1, call.profile.smartconfig_fields)
    kind = arguments.integer(1, 4 if call.profile.smartconfig_fields > 2 else 3)
    arguments.integer(0, 15, default=0)
    arguments.string(16, default="")
    _start(call, kind)


def _start(call: Call, kind: int) -> None:
    """OK at once; refused without the station and while one runs (sweep of CWSTARTSMART, 2.0)."""
    state, firmware = call.state, call.firmware
    if not state.station or firmware.smartconfig.running:
        raise failed()
    if firmware.station.leave():
        call.after(firmware.links.close_streams)
    call.after(lambda: firmware.smartconfig.begin(_run(call, kind)))


async def _run(call: Call, kind: int) -> None:
    """The lines of at-dialects 3.4, in the spelling of the wire."""
    firmware = call.firmware
    phone = firmware.board.radio.provisioning
    if phone is None:
        return
    await firmware.board.kernel.sleep(phone.after_s)
    firmware.board.line(f"smartconfig type:{KINDS[kind]}")
    got_info, connected = firmware.board.profile.smartconfig_words
    firmware.board.line(got_info)
    firmware.board.line(f"ssid:{phone.ssid}")
    firmware.board.line(f"password:{phone.password}")
    failure = await firmware.station.join(phone.ssid, phone.password, "")
    if failure is None:
        call.remember("ssid", phone.ssid)
        call.remember("password", phone.password)
        call.remember("bssid", "")
        firmware.board.line(connected)


@command("CWSTOPSMART", "e")
def stop_smart(call: Call) -> None:
    """Always OK: it is to be called whether SmartConfig succeeded or not (V1.0 4.2.16)."""
    call.firmware.smartconfig.end()


@command("WPS", "s")
def wps(call: Call) -> None:
    """V1.0 4.2.17: OK, and the rest is Wi-Fi lines only (at-dialects 6)."""
    arguments, firmware = call.arguments, call.firmware
    arguments.expect(1, 2 if call.profile.scan_filters else 1)
    on = bool(arguments.integer(0, 1))
    arguments.integer(0, 15, default=0)  # authentication floor of later documents
    if not call.state.station:
        raise failed()
    firmware.smartconfig.end()
    if on:
        if firmware.station.leave():
            call.after(firmware.links.close_streams)
        call.after(lambda: firmware.smartconfig.begin(_push_button(call)))


async def _push_button(call: Call) -> None:
    firmware = call.firmware
    access_point = firmware.board.radio.wps_access_point
    if access_point is None:
        return
    await firmware.board.kernel.sleep(firmware.board.settings.timing.associate_s)
    if await firmware.station.join(access_point.ssid, access_point.password, access_point.bssid) is None:
        call.remember("ssid", access_point.ssid)
        call.remember("password", access_point.password)
        call.remember("bssid", "")
