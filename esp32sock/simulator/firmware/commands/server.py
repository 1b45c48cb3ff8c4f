"""The server: AT+CIPSERVER, AT+CIPSERVERMAXCONN, AT+CIPSTO (V1.0 5.2.9, 5.2.12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.commands.registry import command
from esp32sock.simulator.firmware.link import LINK_COUNT
from esp32sock.simulator.firmware.results import CommandRefused, refuse_if

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.commands.call import Call

DEFAULT_PORT = 333
"""V1.0 5.2.9."""

SERVER_KINDS = ("TCP", "SSL", "TCPv6", "SSLv6")
"""The last two with IPv6 (at-dialects 7.14)."""

TIMEOUT_S = (0, 7200)
"""V1.0 5.2.12."""


@command("CIPSERVER", "q")
def server_query(call: Call) -> None:
    """Observed 1.0, 2.0; the fifth field from 4.1 on."""
    listener = call.firmware.server.listener
    if listener is None:
        call.respond("+CIPSERVER:0")
        return
    last = f",{listener.interface}" if call.profile.tcpip.server_interface else ""
    call.respond(f'+CIPSERVER:1,{listener.port},"{listener.kind}",{listener.ca}{last}')


@command("CIPSERVER", "s")
async def server(call: Call) -> None:
    """V1.0 5.2.9; further fields at-dialects 7.9; oddities of 2.0 from its sweep."""
    arguments, traits = call.arguments.without_codes(), call.profile.tcpip
    refuse_if(not call.state.mux)  # before the fields are looked at (sweep of CIPSERVER, 1.0)
    lowest, highest = (-(1 << 31), (1 << 31) - 1) if traits.server_modes else (0, 1)
    mode = arguments.integer(lowest, highest)
    alone = not arguments.left
    if mode == 0:
        _stop(call, closes=_read_close_all(call))
        return
    refuse_if(mode != 1 and not alone)
    port = arguments.integer(1, 65535, default=DEFAULT_PORT) if arguments.left else DEFAULT_PORT
    if mode != 1:
        port = 0  # served on a port of its own choice (sweep, 2.0)
    kind, ca, interface = _read_kind(call)
    if call.firmware.server.running:
        call.say_why("served")
    if not call.firmware.server.running:  # a second start changes nothing and is OK (observed 2.0, 4.1)
        await call.firmware.server.start(port, kind, ca, interface)


def _read_close_all(call: Call) -> bool:
    arguments = call.arguments
    closes = bool(call.profile.tcpip.server_closes and arguments.left and arguments.integer(0, 1))
    arguments.end()
    return closes


def _read_kind(call: Call) -> tuple[str, int, int]:
    """Type, whether clients are verified, and interface. Only SSL has the second (sweep, 2.0)."""
    arguments, traits = call.arguments, call.profile.tcpip
    if not arguments.left:
        return "TCP", 0, 0
    kind = arguments.string(6, default="TCP")
    if kind not in SERVER_KINDS[: 4 if traits.ipv6 else 2]:
        refuse_if(traits.server_kinds)
        kind = "TCP"
    refuse_if(kind.startswith("SSL") and not traits.server_ssl)
    refuse_if(kind.endswith("v6") and not call.firmware.station.has_address_6)  # at-dialects 7.14
    ca = interface = 0
    if arguments.left and (kind.startswith("SSL") or traits.server_interface):
        ca = arguments.integer(0, 1, default=0)
    if arguments.left and traits.server_interface:
        interface = arguments.integer(0, 3, default=0)
    arguments.end()
    return kind, ca, interface


def _stop(call: Call, *, closes: bool) -> None:
    links = call.firmware.links
    call.firmware.server.stop()
    if closes:
        for link in links.accepted():
            links.close(link)


@command("CIPSERVERMAXCONN", "q")
def most_links_query(call: Call) -> None:
    call.respond(f"+CIPSERVERMAXCONN:{call.firmware.server.most_links}")


@command("CIPSERVERMAXCONN", "s")
def most_links(call: Call) -> None:
    """Refused while the server runs (observed 4.1), and with more links open than wanted, which has a line of
    its own (at-dialects 3.4).
    """
    arguments = call.arguments.without_codes()
    arguments.expect(1, 1)
    wanted = arguments.integer(1, LINK_COUNT)
    refuse_if(call.firmware.server.running)
    open_links = len(call.firmware.links.accepted())
    if open_links > wanted:
        call.respond(f"Have {open_links} Connections")
        raise CommandRefused
    call.firmware.server.most_links = wanted


@command("CIPSTO", "q")
def timeout_query(call: Call) -> None:
    call.respond(f"+CIPSTO:{call.firmware.server.timeout_s}")


@command("CIPSTO", "s")
def timeout(call: Call) -> None:
    """V1.0 5.2.12; needs a running server (observed 1.0, 2.0)."""
    arguments = call.arguments.without_codes()
    arguments.expect(1, 1)
    seconds = arguments.integer(*TIMEOUT_S)
    refuse_if(not call.firmware.server.running and call.profile.tcpip.timeout_needs_server)
    call.firmware.server.set_timeout(seconds)
