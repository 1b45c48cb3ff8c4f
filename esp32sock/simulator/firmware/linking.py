"""Chapter 5 of the 2017 document: opening and closing links."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..network import OpenDatagram, OpenStream
from .links import ALL_LINKS, LINK_COUNT
from .registry import Call, command
from .results import Result, failed, out_of_range

if TYPE_CHECKING:
    from .links import Link

KEEPALIVE_S = (0, 7200)
"""V1.0 5.2.3."""


async def _stay_wedged(call: Call) -> None:
    """Never answer: what 2.0 does to the next CIPCLOSE or CIPSTART after one on an open link."""
    if call.state.wedged:
        await call.firmware.kernel.promise()


@command("CIPSTART", "s")
async def start(call: Call) -> Result | None:
    """V1.0 5.2.3; at-dialects 7.4."""
    await _stay_wedged(call)
    arguments, state = call.arguments, call.state
    link_id = arguments.integer(0, LINK_COUNT - 1) if state.mux else 0
    kind = arguments.string(6)
    host = arguments.string(call.profile.host_name_limit)
    port = arguments.integer(0, 65535)
    if not host:
        raise out_of_range(arguments.index - 2)
    if kind == "TCP":
        return await _start_stream(call, link_id, host, port)
    if kind == "UDP":
        return await _start_datagram(call, link_id, host, port)
    raise out_of_range(arguments.index - 3)  # type names are exact (sweep of CIPSTART, 2.0)


def _check_free(call: Call, link_id: int) -> None:
    """Refuse an id in use, and everything without an address."""
    firmware, state = call.firmware, call.state
    if firmware.links.get(link_id) is not None:
        if call.profile.tcp_already_line is not None:
            call.say(call.profile.tcp_already_line)
        state.wedged = call.profile.wedges_on_second_start
        raise failed()
    if not firmware.station.has_address:
        raise failed()


async def _start_stream(call: Call, link_id: int, host: str, port: int) -> Result | None:
    arguments, links, firmware = call.arguments, call.firmware.links, call.firmware
    keepalive_s = arguments.integer(*KEEPALIVE_S, default=0)
    arguments.string(15, default="")  # local IP (at-dialects 7.4)
    arguments.end()
    _check_free(call, link_id)
    address = await links.resolve(host)
    if address is None or port == 0:
        raise failed()
    window = firmware.settings.window
    request = OpenStream(links.new_handle(), address, port, window, keepalive_s)
    return _opened(call, await links.open(link_id, request, "TCP"))


async def _start_datagram(call: Call, link_id: int, host: str, port: int) -> Result | None:
    arguments, links = call.arguments, call.firmware.links
    local_port = arguments.integer(0, 65535, default=0)
    arguments.integer(0, 2, default=0)  # mode; modes 1 and 2 follow with the UDP work
    arguments.string(15, default="")  # local IP
    arguments.end()
    _check_free(call, link_id)
    address = await links.resolve(host)
    if address is None:
        raise failed()
    request = OpenDatagram(links.new_handle(), address, port, local_port)
    return _opened(call, await links.open(link_id, request, "UDP"))


def _opened(call: Call, link: Link) -> Result | None:
    links = call.firmware.links
    links.announce(link)
    call.after(lambda: links.begin_receiving(link))
    return None


@command("CIPCLOSE", "e")
async def close_single(call: Call) -> None:
    """V1.0 5.2.6, with CIPMUX=0."""
    await _stay_wedged(call)
    link = call.firmware.links.get(0)
    if call.state.mux or link is None:
        raise failed()
    _close(call, link)


@command("CIPCLOSE", "s")
async def close(call: Call) -> None:
    """V1.0 5.2.6, with CIPMUX=1. With id 5 and nothing open: OK (observed 2.0, 4.2)."""
    await _stay_wedged(call)
    call.arguments.expect(1, 1)
    link_id = call.arguments.integer(0, ALL_LINKS)
    links = call.firmware.links
    if not call.state.mux:
        raise failed()
    if link_id == ALL_LINKS:
        for link in links.all():
            _close(call, link)
        call.state.had_link = True  # STATUS:4 even if nothing was open (observed 2.0)
        return
    one = links.get(link_id)
    if one is None:
        raise failed()
    _close(call, one)


def _close(call: Call, link: Link) -> None:
    call.firmware.links.close(link)
