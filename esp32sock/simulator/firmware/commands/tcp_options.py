"""AT+CIPTCPOPT: socket options of links (at-dialects 7.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.commands.registry import command
from esp32sock.simulator.firmware.link import ALL_LINKS, LINK_COUNT
from esp32sock.simulator.firmware.results import refuse_if
from esp32sock.simulator.firmware.state_tcpip import TcpOptions

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
    """`[<id>,][<linger>],[<nodelay>],[<send timeout>][,<keepalive>]`; what is left out keeps its default."""
    arguments, state = call.arguments.without_codes(), call.state
    chosen = state.chosen(arguments.integer(0, ALL_LINKS) if state.mux else 0)
    refuse_if(arguments.left < call.profile.tcpip.tcp_options_least)
    linger = arguments.integer(*LINGER_S, default=-1)
    nodelay = arguments.integer(0, 1, default=0)
    timeout_ms = arguments.integer(*SEND_TIMEOUT_MS, default=0)
    keepalive_s = 0
    if call.profile.tcpip.tcp_options > 3 and arguments.left:
        keepalive_s = arguments.integer(*KEEPALIVE_S, default=0)
    arguments.end()
    options = TcpOptions(linger, nodelay, timeout_ms, keepalive_s)
    for link_id in chosen:
        state.tcp_options[link_id] = options
        if state.store:
            call.board.nvs.set(f"tcp_{link_id}", options)
