"""Chapter 5 of the 2017 document: opening and closing links."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from esp32sock.simulator.firmware.commands.registry import command
from esp32sock.simulator.firmware.link import ALL_LINKS, LINK_COUNT
from esp32sock.simulator.firmware.results import CommandRefused, out_of_range, refuse_if, wrong_count
from esp32sock.simulator.network.api import OpenDatagram, Opened, OpenStream

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.commands.call import Call
    from esp32sock.simulator.firmware.link import Link
    from esp32sock.simulator.network.api import IpVersion

KEEPALIVE_S = (0, 7200)
"""V1.0 5.2.3."""

TIMEOUT_MS = (0, 60_000)
"""At-dialects 7.4."""

KIND_BYTES = 6

KEEPALIVE_FIELD = 3
"""Of CIPTCPOPT, counted from 0 and without the link id."""

T = TypeVar("T")


async def stay_wedged(call: Call) -> None:
    """Never answer: what 2.0 does to the next CIPCLOSE or CIPSTART after one on an open link."""
    if call.state.wedged:
        await call.board.kernel.future()


async def hang_in_handshake(call: Call, link_id: int, request: OpenStream) -> None:
    """Never answer if the peer can be reached: 2.0 in the handshake of one SSL link too many, which holds all
    SSL links.
    """
    table, requests = call.firmware.table, call.firmware.requests
    table.opening[request.handle] = link_id
    event = await requests.ask(request.handle, request)
    if isinstance(event, Opened):
        call.state.handshake_hangs = True
        await call.board.kernel.future()
    table.opening.pop(request.handle)


async def crash(call: Call) -> None:
    """Never answer: the module resets itself."""
    call.board.kernel.call_soon(call.firmware.crash)
    await call.board.kernel.future()


def optional_number(call: Call, lowest: int, highest: int, default: T) -> int | T:
    """A number that may be left out at the end; between commas only where the firmware takes that."""
    arguments = call.arguments
    if not arguments.left:
        return default
    if call.profile.tcpip.omitted_numbers:
        return arguments.integer(lowest, highest, default=default)
    return arguments.integer(lowest, highest)


@command("CIPSTART", "s")
async def start(call: Call) -> None:
    """V1.0 5.2.3; at-dialects 7.4."""
    call.arguments.without_codes()
    _check_count(call)
    if call.arguments.is_number(0) != call.state.mux:
        call.say_why("kind")
    await _start(call, _read_link_id(call) if call.state.mux else 0)


@command("CIPSTARTEX", "s")
async def start_anywhere(call: Call) -> None:
    """The lowest free id; ERROR with all taken; with CIPMUX=0 too (observed 4.1, 4.2)."""
    call.arguments.without_codes()
    link_id = call.firmware.table.lowest_free()
    if not call.state.mux and call.firmware.links.get(0) is not None:
        link_id = None
    await _start(call, link_id)


def _check_count(call: Call) -> None:
    """1.0 counts the fields first, and says that it needs one (sweep of CIPSTART)."""
    count = call.arguments.count
    if call.profile.tcpip.start_codes and count < 3:
        raise wrong_count(1, count)


def _read_link_id(call: Call) -> int:
    """Too high has a code on 1.0, -1 and none at all have not (sweep of CIPSTART)."""
    arguments = call.arguments
    link_id = arguments.integer(-(1 << 63), 1 << 63)
    refuse_if(link_id < 0)
    if link_id >= LINK_COUNT:
        raise out_of_range(0)
    return link_id


def _read_name(call: Call, longest: int, *, first: bool) -> str:
    arguments = call.arguments
    text = arguments.string(longest)
    if not text:
        # Counted without the link id (sweep of CIPSTART, 1.0).
        raise out_of_range(0 if first else 1) if call.profile.tcpip.start_codes else CommandRefused()
    return text


def version_of_kind(kind: str) -> IpVersion:
    """Which IP a link of a kind uses."""
    return 6 if kind.endswith("v6") else 4


async def _start(call: Call, link_id: int | None) -> None:
    arguments, traits = call.arguments, call.profile.tcpip
    kind = _read_name(call, KIND_BYTES, first=True)
    host = _read_name(call, call.profile.host_name_limit, first=False)
    port = arguments.integer(0, 65535)
    base = kind.removesuffix("v6") if traits.ipv6 else kind
    refuse_if(base != kind and not call.firmware.station.has_address_6)
    if base in ("TCP", "SSL"):
        keepalive_s = optional_number(call, *KEEPALIVE_S, default=None)
        within_ms = _read_tail(call)
        await _check_free(call, link_id)
        await _start_stream(call, link_id, kind, host, port, keepalive_s, within_ms / 1000)
    elif base == "UDP":
        local_port = _read_local_port(call)
        mode = optional_number(call, 0, 2, default=0)
        within_ms = _read_tail(call)
        await _check_free(call, link_id)
        await _start_datagram(call, link_id, kind, host, port, local_port, mode, within_ms / 1000)
    else:
        raise CommandRefused  # type names are exact (sweep of CIPSTART, 2.0)


def _read_local_port(call: Call) -> int:
    """0, which the network fills in, where it is left out."""
    port = optional_number(call, 0, 65535, default=-1)
    refuse_if(port == 0 and not call.profile.tcpip.udp_port_zero)
    return max(port, 0)


def _read_tail(call: Call) -> int:
    """Local address and time limit, as far as the generation has them."""
    arguments, traits = call.arguments, call.profile.tcpip
    within_ms = 0
    if traits.start_address and arguments.left:
        arguments.string(39, default="")
    if traits.start_timeout and arguments.left:
        within_ms = arguments.integer(*TIMEOUT_MS, default=0)
    arguments.end()
    return within_ms


async def _check_free(call: Call, link_id: int | None) -> None:
    """Refuse an id in use, and everything without an address."""
    await stay_wedged(call)
    firmware, state = call.firmware, call.state
    refuse_if(link_id is None)
    if link_id is not None and firmware.links.get(link_id) is not None:
        if call.profile.tcp_already_line is not None:
            call.respond(call.profile.tcp_already_line)
        state.wedged = call.profile.wedges_on_second_start
        raise CommandRefused
    refuse_if(not firmware.interfaces.have_network)


async def _start_stream(
    call: Call, link_id: int | None, kind: str, host: str, port: int, given_s: int | None, within_s: float
) -> None:
    firmware = call.firmware
    links, requests = firmware.links, firmware.requests
    assert link_id is not None
    tls = None
    if kind.startswith("SSL"):
        refuse_if(not firmware.tls.has_room() and not call.profile.tcpip.ssl_link_hangs)
        missing = firmware.tls.missing(link_id)
        if missing is not None:
            if call.profile.tcpip.names_empty_slots:
                call.respond(missing)
            raise CommandRefused
        tls = firmware.tls.of_client(link_id, host)
    until = call.board.now + within_s
    address = await requests.resolve(host, version=version_of_kind(kind), within_s=within_s)
    if address is None:
        call.say_why("name")
    refuse_if(address is None or port == 0)
    assert address is not None
    refuse_if(not firmware.interfaces.reaches(address))
    keepalive_s = _keep_alive(call, link_id, given_s)
    window = firmware.links.window_bytes(link_id)
    if tls is not None and not firmware.tls.has_room():
        await hang_in_handshake(call, link_id, OpenStream(requests.new_handle(), address, port, window))
        raise CommandRefused
    request = OpenStream(requests.new_handle(), address, port, window, keepalive_s, tls)
    left_s = until - call.board.now if within_s else 0.0
    _opened(call, await links.open(link_id, request, kind, within_s=left_s))


def _keep_alive(call: Call, link_id: int, given_s: int | None) -> int:
    """The keep-alive of CIPSTART is that of CIPTCPOPT: the later of both holds, also for later links of this
    id, and one that is left out stays (docs of CIPTCPOPT). Where CIPTCPOPT has none it is this link's alone.
    """
    if call.profile.tcpip.tcp_options <= KEEPALIVE_FIELD:
        return given_s or 0
    options = call.state.tcp_options[link_id]
    if given_s is not None:
        options = replace(options, keepalive_s=given_s)
        call.board.keep_tcp_options(link_id, options)
    return options.keepalive_s


async def _start_datagram(
    call: Call,
    link_id: int | None,
    kind: str,
    host: str,
    port: int,
    local_port: int,
    mode: int,
    within_s: float,
) -> None:
    links, requests = call.firmware.links, call.firmware.requests
    assert link_id is not None
    address = await requests.resolve(host, version=version_of_kind(kind), within_s=within_s)
    if address is None:
        raise CommandRefused
    request = OpenDatagram(requests.new_handle(), address, port, local_port)
    link = await links.open(link_id, request, kind, within_s=within_s)
    if link is not None:
        link.udp_mode = mode
    _opened(call, link)


CONNECTION_RESET, CONNECTION_ABORTED = 104, 103
"""What lwIP says of a refused and of an unanswered connection (its err.c)."""


def _print_errno(call: Call) -> None:
    """Which number stands there is a guess, its form is at-dialects 3.3."""
    if call.profile.tcpip.prints_errno and call.state.syslog:
        refused = "refused" in call.firmware.links.failure.lower()
        call.respond(f"+ERRNO:0x{CONNECTION_RESET if refused else CONNECTION_ABORTED:x}")


def _opened(call: Call, link: Link | None) -> None:
    if link is None:
        _print_errno(call)
        raise CommandRefused
    links = call.firmware.links
    links.announce(link)
    call.after(lambda: links.start_receiving(link))


@command("CIPCLOSE", "e")
async def close_single(call: Call) -> None:
    """V1.0 5.2.6, with CIPMUX=0."""
    await stay_wedged(call)
    link = call.firmware.links.get(0)
    if call.state.mux or link is None:
        call.say_why("not closed")
        raise CommandRefused
    call.firmware.links.close(link)


@command("CIPCLOSE", "s")
async def close(call: Call) -> None:
    """V1.0 5.2.6, with CIPMUX=1. With id 5 and nothing open: OK (observed 2.0, 4.2)."""
    arguments, links = call.arguments.without_codes(), call.firmware.links
    refuse_if(not call.state.mux)  # before the fields are looked at (sweep of CIPCLOSE, 1.0)
    arguments.expect(1, 1)
    link_id = arguments.integer(-1, ALL_LINKS)
    if link_id < 0:
        if call.profile.tcpip.close_minus_one_crashes:
            await crash(call)
        raise CommandRefused
    await stay_wedged(call)
    if link_id == ALL_LINKS:
        for link in links.all():
            links.close(link)
        call.state.all_closed()
        return
    one = links.get(link_id)
    if one is None:
        call.say_why("not closed")
        raise CommandRefused
    links.close(one)
    call.state.one_closed(links.all())
