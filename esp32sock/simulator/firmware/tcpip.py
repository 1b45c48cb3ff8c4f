"""Chapter 5 of the 2017 document: modes and status. Links are in linking.py, payload in sending.py, names in
names.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .registry import Call, command
from .results import failed

if TYPE_CHECKING:
    from .links import Link


@command("CIPMUX", "q")
def mux_query(call: Call) -> None:
    call.say(f"+CIPMUX:{int(call.state.mux)}")


@command("CIPMUX", "s")
def mux(call: Call) -> None:
    """V1.0 5.2.8: not with a link open, not to 1 with CIPMODE=1, not to 0 with a server."""
    state = call.state
    call.arguments.expect(1, 1)
    wanted = bool(call.arguments.integer(0, 1))
    if call.firmware.links.all():
        raise failed()
    if wanted and state.passthrough_mode:
        raise failed()
    if not wanted and state.server_port is not None:
        raise failed()
    state.mux = wanted


@command("CIPMODE", "q")
def passthrough_query(call: Call) -> None:
    call.say(f"+CIPMODE:{int(call.state.passthrough_mode)}")


@command("CIPMODE", "s")
def passthrough(call: Call) -> None:
    """V1.0 5.2.10: refused with CIPMUX=1 (observed 2.0, 4.2), taken with a link open (observed 2.0)."""
    call.arguments.expect(1, 1)
    wanted = bool(call.arguments.integer(0, 1))
    if wanted and call.state.mux:
        raise failed()
    call.state.passthrough_mode = wanted


@command("CIPDINFO", "q")
def dinfo_query(call: Call) -> None:
    """A word, and one CR LF before OK (observed 2.0, 4.1)."""
    call.say_open(f"+CIPDINFO:{call.profile.dinfo_words[call.state.dinfo]}")


@command("CIPDINFO", "s")
def dinfo(call: Call) -> None:
    """V1.0 5.2.16."""
    call.arguments.expect(1, 1)
    call.state.dinfo = bool(call.arguments.integer(0, 1))


def status(call: Call) -> int:
    """The number of AT+CIPSTATUS.

    V1.0 5.2.1 knows 2 to 5. Observed on 2.0: 0 without the station and 1 with it before any join, 5 after a
    failed one or after leaving; UDP alone gives 4, links of a server alone 2.
    """
    firmware, state = call.firmware, call.state
    station = firmware.station
    if not station.has_address:
        if station.failed:
            return 5
        return 1 if state.station else 0
    links = firmware.links.all()
    if any(link.is_stream and not link.accepted for link in links):
        return 3
    if state.had_link or any(not link.is_stream for link in links):
        return 4
    return 2


def describe(link: Link) -> str:
    return f'{link.link_id},"{link.kind}","{link.address}",{link.port},{link.local_port},{int(link.accepted)}'


@command("CIPSTATUS", "e")
def connection_status(call: Call) -> None:
    """V1.0 5.2.1."""
    call.say(f"STATUS:{status(call)}")
    for link in call.firmware.links.all():
        call.say(f"+CIPSTATUS:{describe(link)}")


@command("CIPSTATE", "q")
def connection_state(call: Call) -> None:
    """Observed 4.1, 4.2: one line a link, nothing but OK with none."""
    for link in call.firmware.links.all():
        call.say(f"+CIPSTATE:{describe(link)}")
