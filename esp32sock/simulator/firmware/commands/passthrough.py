"""The passthrough mode: AT+CIPMODE, AT+CIPSEND without length, AT+SAVETRANSLINK and its settings (V1.0 5.2.4,
5.2.10, 5.2.11; at-dialects 7.10).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.commands.registry import command
from esp32sock.simulator.firmware.commands.sending import prompt
from esp32sock.simulator.firmware.results import CommandRefused, Result, out_of_range, refuse_if

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.commands.call import Call
    from esp32sock.simulator.firmware.firmware import Firmware
    from esp32sock.simulator.firmware.link import Link


@command("CIPMODE", "q")
def mode_query(call: Call) -> None:
    call.respond(f"+CIPMODE:{int(call.state.passthrough_mode)}")


@command("CIPMODE", "s")
def mode(call: Call) -> None:
    """V1.0 5.2.10: both refused with CIPMUX=1 (observed 1.0, 2.0, 4.2), taken with a link open (observed)."""
    arguments, state = call.arguments.without_codes(), call.state
    arguments.expect(1, 1)
    wanted = bool(arguments.integer(0, 1))
    if state.mux:
        server = call.firmware.server
        serves_one = call.profile.tcpip.passthrough_server and server.running and server.most_links == 1
        refuse_if(not serves_one and not (state.passthrough_mode and not wanted))
    state.passthrough_mode = wanted


@command("CIPSEND", "e")
def start(call: Call) -> Result:
    """Enter the mode: with a link whose peer does not change, and CIPMODE=1 (V1.0 5.2.4)."""
    firmware, state = call.firmware, call.state
    link = _only_link(firmware)
    if not state.passthrough_mode or link is None:
        raise CommandRefused
    refuse_if(not link.is_stream and link.udp_mode != 0)
    refuse_if(link.is_secure and not call.profile.tcpip.passthrough_ssl)
    prompt(call)
    firmware.passthrough.enter(link)
    return Result.NOTHING


def _only_link(firmware: Firmware) -> Link | None:
    if not firmware.board.state.mux:
        return firmware.links.get(0)
    accepted = firmware.links.accepted()
    return accepted[0] if len(accepted) == 1 else None


@command("SAVETRANSLINK", "s")
def save(call: Call) -> None:
    """V1.0 5.2.11; what 1.0 and 2.0 take besides: real-firmware 9."""
    arguments, nvs, traits = call.arguments.without_codes(), call.board.nvs, call.profile.tcpip
    if not arguments.integer(*traits.save_link_modes):
        refuse_if(arguments.count > 3)
        nvs.set("translink", ())
        return
    refuse_if(arguments.count < 3)
    host = arguments.string(call.profile.host_name_limit)
    if not host:
        raise out_of_range(1)
    port = arguments.integer(1, 65535)
    kind = arguments.string(6, default="TCP")
    refuse_if(kind not in ("TCP", "UDP", "SSL"))
    refuse_if(kind == "SSL" and not traits.save_link_ssl)
    extra = arguments.integer(0, 65535 if kind == "UDP" else 7200, default=0)
    if not traits.save_link_takes_more:
        arguments.end()
    nvs.set("translink", (kind, host, port, extra))


@command("CIPRECONNINTV", "q")
def interval_query(call: Call) -> None:
    call.respond(f"+CIPRECONNINTV:{call.state.reconnect_interval}")


@command("CIPRECONNINTV", "s")
def interval(call: Call) -> None:
    """At-dialects 7.11."""
    arguments = call.arguments.without_codes()
    arguments.expect(1, 1)
    call.state.reconnect_interval = arguments.integer(1, 36_000)
    if call.state.store:
        call.board.nvs.set("reconnect_interval", call.state.reconnect_interval)


@command("TRANSINTVL", "q")
def packet_interval_query(call: Call) -> None:
    call.respond(f"+TRANSINTVL:{call.state.packet_interval_ms}")


@command("TRANSINTVL", "s")
def packet_interval(call: Call) -> None:
    """At-dialects 5."""
    arguments = call.arguments.without_codes()
    arguments.expect(1, 1)
    call.state.packet_interval_ms = arguments.integer(0, 1000)
