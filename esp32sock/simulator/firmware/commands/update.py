"""AT+CIUPDATE: firmware from a server (V1.0 5.2.15)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.commands.registry import command
from esp32sock.simulator.firmware.results import CommandRefused, refuse_if

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.commands.call import Call

STEP_S = 1.0
DOWNLOAD_S = 20.0
"""Shorter than a chip by choice."""


@command("CIUPDATE", "q")
def state_query(call: Call) -> None:
    """Observed 4.1."""
    call.respond(f"{call.profile.tcpip.update_line}:0")


@command("CIUPDATE", "e")
@command("CIUPDATE", "s")
async def update(call: Call) -> None:
    """A line for each step, and a restart behind OK; ERROR where it fails (V1.0 5.2.15, at-dialects 7.11)."""
    if call.form == "s":
        arguments = call.arguments.without_codes()
        arguments.expect(1, 4)
        arguments.integer(0, 1)
        arguments.string(32, default="")
        arguments.string(32, default="")
        arguments.integer(0, 1, default=0)
    firmware = call.firmware
    refuse_if(not firmware.station.has_address)
    version = await firmware.requests.request_update()
    if version is None:
        raise CommandRefused
    triggers = firmware.board.faults.triggers
    fault = triggers.hit("update-fail") if triggers is not None else None
    for step, pause_s in enumerate((STEP_S, STEP_S, STEP_S, DOWNLOAD_S), 1):
        call.respond(f"+CIPUPDATE:{step}")
        await firmware.board.kernel.sleep(pause_s)
        refuse_if(fault is not None and step == fault.value)
    call.board.nvs.set("version", version)
    call.after(firmware.restart_soon)


@command("CIPFWVER", "q")
async def version_query(call: Call) -> None:
    """What the update server has (observed 4.1: ERROR without one)."""
    version = await call.firmware.requests.request_update() if call.firmware.station.has_address else None
    if version is None and call.profile.offered_version_hangs:
        await call.board.kernel.future()
    if version is None:
        raise CommandRefused
    call.respond(f'+CIPFWVER:"{version}"')
