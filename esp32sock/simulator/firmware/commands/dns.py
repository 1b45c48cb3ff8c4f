"""Chapter 5 of the 2017 document: names. Also PING, MDNS and what name servers there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.address_text import is_address
from esp32sock.simulator.firmware.commands.connect import TIMEOUT_MS, crash
from esp32sock.simulator.firmware.commands.registry import command
from esp32sock.simulator.firmware.results import CommandRefused, out_of_range, refuse_if
from esp32sock.simulator.network.api import ITSELF

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.commands.call import Call
    from esp32sock.simulator.network.api import IpVersion

NAME_SERVER = "208.67.222.222"
"""Without a network (observed 1.0, 2.0); on 4.2 with one, too."""

FURTHER_NAME_SERVERS = ("114.114.114.114", "8.8.8.8")
"""Behind the first, on the modern builds (observed 4.1, 4.2)."""


VERSIONS: dict[int, tuple[IpVersion, ...]] = {1: (4, 6), 2: (4,), 3: (6,)}
"""Which IP the address may be of, by the second field of CIPDOMAIN, in order (at-dialects 7.2)."""


async def _read_name(call: Call) -> str:
    """A name to look up; an empty one restarts 1.0 and 2.0 (real-firmware)."""
    name = call.arguments.string(call.profile.host_name_limit)
    if not name:
        if call.profile.tcpip.empty_name_crashes:
            await crash(call)
        raise call.arguments.refusal(out_of_range(0))
    return name


@command("CIPDOMAIN", "s")
async def look_up(call: Call) -> None:
    """V1.0 5.2.2; quoted from 2.2 on (at-dialects 7.2)."""
    arguments, firmware, traits = call.arguments.without_codes(), call.firmware, call.profile.tcpip
    most = 3 if traits.start_timeout else 2 if traits.ipv6 else 1
    arguments.expect(1, most)
    name = await _read_name(call)
    versions = VERSIONS[arguments.integer(1, 3, default=1)]
    within_ms = arguments.integer(*TIMEOUT_MS, default=0)
    address = None
    for version in versions:
        if address is None and (version == 4 or traits.ipv6):
            address = await firmware.requests.resolve(name, version=version, within_s=within_ms / 1000)
    if address is None:
        raise CommandRefused
    call.respond(f'+CIPDOMAIN:"{address}"' if call.profile.domain_quoted else f"+CIPDOMAIN:{address}")


@command("PING", "s")
async def ping(call: Call) -> None:
    """At-dialects 7.2; a second for nothing (observed 1.0, 2.0, 4.1), also without a network."""
    call.arguments.without_codes().expect(1, 1)
    name = await _read_name(call)
    requests = call.firmware.requests
    address = await requests.resolve(name)
    if address is None and call.profile.tcpip.ipv6:
        address = await requests.resolve(name, version=6)
    apart = call.profile.tcpip.ping_failures == "told apart"
    refuse_if(apart and (address is None or (address == ITSELF and call.state.pinged)))
    call.state.pinged = True
    milliseconds = None
    if address is not None and call.firmware.interfaces.reaches(address):
        milliseconds = await call.firmware.requests.ping(address)
    if milliseconds is None:
        call.respond("+PING:TIMEOUT")
        raise CommandRefused
    call.respond(call.profile.tcpip.ping_answer.format(milliseconds=milliseconds))


@command("MDNS", "s")
def announce(call: Call) -> None:
    """At-dialects 6; no name is ever looked up there, so nothing comes of it."""
    arguments = call.arguments.without_codes()
    if arguments.integer(0, 2) == 0:
        arguments.end()
        return
    arguments.string(64)
    arguments.string(64)
    arguments.integer(1, 65535)
    refuse_if(not call.firmware.interfaces.have_network)


def name_servers(call: Call) -> tuple[str, ...]:
    """Those that AT+CIPDNS set, or what DHCP gave, or the built-in ones."""
    chosen: tuple[str, ...] = call.memory.get("dns", ())
    if chosen:
        return chosen
    station, traits = call.firmware.station, call.profile.tcpip
    first = NAME_SERVER
    wanted = traits.dhcp_name_server == "always" or (
        traits.dhcp_name_server == "after CWJAP" and station.joined_by_command
    )
    if station.access_point is not None and station.has_address and wanted:
        first = station.access_point.subnet.dns
    return (first, *FURTHER_NAME_SERVERS) if traits.dns_form == "three" else (first,)


@command("CIPDNS", "q")
def name_servers_query(call: Call) -> None:
    """`:<ip>`, a line for each, before 2.0 (observed 1.0; two lines: esp-at #239); then one line with all,
    behind a number that says whether they were chosen (observed 2.0).
    """
    servers = name_servers(call)
    if call.profile.tcpip.dns_form == "bare":
        for server in servers:
            call.respond(f"+CIPDNS:{server}")
        return
    chosen = int(bool(call.memory.get("dns", ())))
    call.respond(f"+CIPDNS:{chosen}," + ",".join(f'"{server}"' for server in servers))


@command("CIPDNS", "s")
def set_name_servers(call: Call) -> None:
    """0: as DHCP says; 1: up to three of our own, none of them twice (docs) before 4.1."""
    arguments = call.arguments.without_codes()
    arguments.expect(1, 4)
    enabled = bool(arguments.integer(0, 1))
    servers = tuple(arguments.string(15) for _ in range(arguments.left))
    traits = call.profile.tcpip
    refuse_if(not all(map(is_address, servers)))
    refuse_if(len(set(servers)) != len(servers) and not traits.dns_twice)
    refuse_if(servers and not enabled and traits.dns_disabled_alone)
    if not enabled:
        servers = ()
    call.remember("dns", servers or ((NAME_SERVER,) if enabled else ()))
