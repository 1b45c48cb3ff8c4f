"""AT+CIPTCPOPT: socket options of links (at-dialects 7.11)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.commands.registry import command
from esp32sock.simulator.firmware.link import ALL_LINKS, LINK_COUNT
from esp32sock.simulator.firmware.results import refuse_if

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.commands.call import Call

LINGER_S = (-1, 32767)
SEND_TIMEOUT_MS = (0, 0x7FFFFFFF)
KEEPALIVE_S = (0, 7200)
"""Ranges of the first and second: a guess."""


@command("CIPTCPOPT", "q")
def options_query(call: Call) -> None:
    """One line with CIPMUX=0, five with CIPMUX=1 (observed 4.1 with CIPMUX=0)."""
    traits = call.profile.tcpip
    for link_id in range(LINK_COUNT if call.state.mux else 1):
        options = call.state.tcp_options[link_id]
        numbers = [link_id, options.linger, options.nodelay, options.send_timeout_ms]
        if traits.tcp_options > 3:
            numbers.append(options.keepalive_s)
        call.respond(f"+CIPTCPOPT:{','.join(map(str, numbers))}")


@command("CIPTCPOPT", "s")
def set_options(call: Call) -> None:
    """`[<id>,]<linger>,<nodelay>,<send timeout>[,<keepalive>]`; what is left out stays as it was (docs)."""
    arguments, state, traits = call.arguments.without_codes(), call.state, call.profile.tcpip
    chosen = state.chosen(arguments.integer(0, ALL_LINKS) if state.mux else 0)
    refuse_if(not traits.tcp_options_least <= arguments.left <= traits.tcp_options)
    given: dict[str, int | None] = {
        "linger": arguments.integer(*LINGER_S, default=None),
        "nodelay": arguments.integer(0, 1, default=None),
        "send_timeout_ms": arguments.integer(*SEND_TIMEOUT_MS, default=None),
        "keepalive_s": arguments.integer(*KEEPALIVE_S, default=None),
    }
    changes = {name: value for name, value in given.items() if value is not None}
    for link_id in chosen:
        call.board.keep_tcp_options(link_id, replace(state.tcp_options[link_id], **changes))
