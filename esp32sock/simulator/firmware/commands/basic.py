"""Chapter 3 of the 2017 document: starting, versions, echo, sleep, memory. The UART is in uart.py, the SYS
commands of later firmware are in system.py.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.certificate_slots import KEPT_OVER_RESTORE
from esp32sock.simulator.firmware.commands.registry import command

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.commands.call import Call


_VERSION = re.compile(r"(AT version:)[^(]+")


@command("AT", "e")
def at(call: Call) -> None:
    """V1.0 3.2.1."""


@command("ATE0", "e")
def echo_off(call: Call) -> None:
    """V1.0 3.2.5."""
    call.state.echo = False


@command("ATE1", "e")
def echo_on(call: Call) -> None:
    """V1.0 3.2.5."""
    call.state.echo = True


@command("RST", "e")
def restart(call: Call) -> None:
    """V1.0 3.2.2: OK first, then the restart."""
    call.after(call.firmware.restart_soon)


@command("RESTORE", "e")
def restore(call: Call) -> None:
    """V1.0 3.2.6: erase everything stored, then restart."""
    if call.profile.restore_closes_first:
        links = call.firmware.links
        for link in sorted(links.all(), key=lambda link: -link.link_id):
            links.close(link)
    call.board.nvs.erase(keep=KEPT_OVER_RESTORE)
    quiet = call.profile.restore_quiet
    call.after(lambda: call.firmware.restart_soon(quiet=quiet))


@command("GMR", "e")
def version(call: Call) -> None:
    """V1.0 3.2.3, of what CIUPDATE fetched; the last line has no end of its own on 1.0 (observed)."""
    *lines, last = call.profile.version
    if updated := call.board.nvs.get("version", ""):
        lines[0] = _VERSION.sub(lambda match: match[1] + updated, lines[0])
    for line in lines:
        call.respond(line)
    if call.profile.version_ends_open:
        call.respond_open(last)
    else:
        call.respond(last)


@command("GSLP", "s")
def deep_sleep(call: Call) -> None:
    """V1.0 3.2.4: the time and OK, then nothing until the chip wakes through a reset.

    -1 is taken, says OK alone and sleeps for ever (sweep of GSLP, 2.0).
    """
    arguments = call.arguments
    arguments.expect(1, 1)
    milliseconds = arguments.integer(-1, (1 << 31) - 1)
    if milliseconds >= 0:
        call.respond(str(milliseconds))
    asleep_s = milliseconds / 1000 if milliseconds >= 0 else None
    call.after(lambda: call.firmware.sleep_soon(asleep_s))


@command("SLEEP", "q")
def sleep_query(call: Call) -> None:
    call.respond(f"+SLEEP:{call.state.sleep_mode}")


@command("SLEEP", "s")
def sleep(call: Call) -> None:
    """V1.0 3.2.10; further modes at-dialects 5. A range has no code on 1.0, a count has (sweep of SLEEP)."""
    arguments = call.arguments
    arguments.expect(1, 1)
    call.state.sleep_mode = arguments.without_codes().integer(0, call.profile.highest_sleep)


@command("SYSRAM", "q")
def free_ram(call: Call) -> None:
    """V1.0 3.2.11; one CR LF before OK (observed 1.0, 2.0, 4.1); SSL links use it up (at-dialects 9)."""
    free, *lowest = map(int, call.profile.free_ram.split(","))
    free -= call.firmware.table.heap_bytes()
    call.respond_open("+SYSRAM:" + ",".join(map(str, (free, *(min(free, low) for low in lowest)))))


@command("CMD", "q")
def list_commands(call: Call) -> None:
    """Observed 4.1, cmd-list: number, name and a digit for each of the four forms."""
    for number, (name, forms) in enumerate(call.profile.listed.items()):
        full = name if name.startswith("AT") else f"AT+{name}"
        call.respond(f'+CMD:{number},"{full}",' + ",".join(str(int(form in forms)) for form in "tqse"))
