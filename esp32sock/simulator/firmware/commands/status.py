"""Chapter 5 of the 2017 document: modes and status. Links are in connect.py, payload in sending.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.commands.registry import command
from esp32sock.simulator.firmware.results import CommandRefused, refuse_if

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.commands.call import Call
    from esp32sock.simulator.firmware.link import Link


def read_switch(call: Call) -> bool:
    """The one field of a command that turns something on or off."""
    arguments = call.arguments.without_codes()
    arguments.expect(1, 1)
    return bool(arguments.integer(0, 1))


@command("CIPMUX", "q")
def mux_query(call: Call) -> None:
    call.respond(f"+CIPMUX:{int(call.state.mux)}")


@command("CIPMUX", "s")
def mux(call: Call) -> None:
    """V1.0 5.2.8: not with a link open, not to 1 with CIPMODE=1, not to 0 with a server."""
    state = call.state
    wanted = read_switch(call)
    if call.firmware.links.all():
        call.say_why("mux")
        raise CommandRefused
    refuse_if(wanted and state.passthrough_mode)
    refuse_if(not wanted and call.firmware.server.running)
    state.mux = wanted


@command("CIPDINFO", "q")
def dinfo_query(call: Call) -> None:
    """A word, and one CR LF before OK (observed 1.0, 2.0, 4.1)."""
    call.respond_open(f"+CIPDINFO:{call.profile.dinfo_words[call.state.dinfo]}")


@command("CIPDINFO", "s")
def dinfo(call: Call) -> None:
    """V1.0 5.2.16."""
    call.state.dinfo = read_switch(call)


@command("CIPCONNPERSIST", "q")
def persistence_query(call: Call) -> None:
    """Off as shipped (at-dialects 7.11)."""
    call.respond(f"+CIPCONNPERSIST:{int(call.state.links_persist)}")


@command("CIPCONNPERSIST", "s")
def persistence(call: Call) -> None:
    """Links outlive the loss of their network (at-dialects 7.11); that it is not stored is a guess."""
    call.state.links_persist = read_switch(call)


def status(call: Call) -> int:
    """The number of AT+CIPSTATUS.

    V1.0 5.2.1 knows 2 to 5. Observed on 1.0 and 2.0: 0 without the station and 1 with it before any join, 5
    after a failed one or after leaving. With an address 2.0 looks what is open: UDP alone gives 4 (2 on
    4.1), links of a server alone 2; 1.0 remembers what streams have done.
    """
    firmware, state = call.firmware, call.state
    links = firmware.links.all()
    if call.profile.tcpip.status == "document":
        return _documented_status(call)
    if call.profile.tcpip.status == "remembered" and state.remembered_status != 2:
        return state.remembered_status
    if not firmware.station.has_address:
        if state.had_link and not firmware.station.failed:
            return 4  # after CIPCLOSE=5 (sweep of CIPCLOSE, 2.0)
        if firmware.station.failed:
            return 5
        return 1 if state.station else 0
    if call.profile.tcpip.status == "remembered":
        return 2
    if any(link.is_stream and not link.accepted for link in links):
        return 3
    datagrams = any(not link.is_stream for link in links)
    if state.had_link or (datagrams and call.profile.tcpip.datagrams_count):
        return 4
    return 2


def _documented_status(call: Call) -> int:
    """V1.0 5.2.1: 5 without an access point, 3 with a link of whichever kind, 4 once one is gone, else 2."""
    if not call.firmware.station.has_address:
        return 5
    if call.firmware.links.all():
        return 3
    return 4 if call.state.closed_a_link else 2


def describe(call: Call, link: Link) -> str:
    kind = call.profile.tcpip.ssl_shown_as if link.kind == "SSL" else link.kind
    address, port = link.address, link.port
    if not link.is_stream and call.firmware.table.is_passive(link):
        address, port = link.named  # stays at what CIPSTART said (at-dialects 7.1)
    return f'{link.link_id},"{kind}","{address}",{port},{link.local_port},{int(link.accepted)}'


@command("CIPSTATUS", "e")
def connection_status(call: Call) -> None:
    """V1.0 5.2.1. A link that stopped receiving and whose peer is gone makes it fail (duplex-wake, 2.0)."""
    call.respond(f"STATUS:{status(call)}")
    for link in call.firmware.links.all():
        if link.stalled and (link.peer_closed or link.reset):
            raise CommandRefused
        call.respond(f"+CIPSTATUS:{describe(call, link)}")


@command("CIPSTATE", "q")
def connection_state(call: Call) -> None:
    """Observed 4.1, 4.2: one line a link, nothing but OK with none."""
    for link in call.firmware.links.all():
        call.respond(f"+CIPSTATE:{describe(call, link)}")


@command("CIPV6", "q")
def ipv6_query(call: Call) -> None:
    """Observed 4.1, 4.2."""
    call.respond(f"+CIPV6:{int(call.state.ipv6)}")


@command("CIPV6", "s")
def ipv6(call: Call) -> None:
    """Stored (at-dialects 5); the networks behind a simulated module have IPv4, and so there is a link-local
    address only.
    """
    call.state.ipv6 = read_switch(call)
    if call.state.store:
        call.board.nvs.set("ipv6", call.state.ipv6)


@command("CIFSR", "t")
def addresses_test(call: Call) -> None:
    """A plain OK (sweep of CIFSR, 1.0)."""


@command("CIFSR", "s")
def addresses_set(call: Call) -> None:
    """No value is one (sweep of CIFSR, 1.0)."""
    call.arguments.string(0)
    raise CommandRefused
