"""Passive receive: the host pulls what links have received (at-dialects 7.7)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.commands.registry import command
from esp32sock.simulator.firmware.commands.status import read_switch
from esp32sock.simulator.firmware.inbound import give_credit, take
from esp32sock.simulator.firmware.link import ALL_LINKS, LINK_COUNT
from esp32sock.simulator.firmware.results import refuse_if

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.commands.call import Call
    from esp32sock.simulator.firmware.link import Link


@command("CIPRECVMODE", "q")
def mode_query(call: Call) -> None:
    call.respond(f"+CIPRECVMODE:{int(call.state.passive)}")


@command("CIPRECVMODE", "s")
def mode(call: Call) -> None:
    """For all links, whenever they were opened (observed 2.0, 4.1)."""
    call.state.passive = read_switch(call)
    call.after(call.firmware.inbound.pump)


@command("CIPRECVTYPE", "q")
def type_query(call: Call) -> None:
    """One line with CIPMUX=0, five with CIPMUX=1, as the other per-link queries of 4.1."""
    for link_id in range(LINK_COUNT if call.state.mux else 1):
        call.respond(f"+CIPRECVTYPE:{link_id},{int(call.state.receive_types[link_id])}")


@command("CIPRECVTYPE", "s")
def receive_type(call: Call) -> None:
    """At-dialects 7.7: `[<id>,]<type>`; 5 is all links."""
    arguments, state = call.arguments.without_codes(), call.state
    arguments.expect(1 + state.mux, 1 + state.mux)
    link_id = arguments.integer(0, ALL_LINKS) if state.mux else 0
    passive = bool(arguments.integer(0, 1))
    for each in state.chosen(link_id):
        state.receive_types[each] = passive
        link = call.firmware.links.get(each)
        if link is not None:
            link.passive = passive
    call.after(call.firmware.inbound.pump)


@command("CIPRECVLEN", "q")
def lengths(call: Call) -> None:
    """One number with CIPMUX=0, five with CIPMUX=1 (observed 2.0, 4.1)."""
    firmware = call.firmware
    numbers: list[int] = []
    for link_id in range(LINK_COUNT if call.state.mux else 1):
        link = firmware.links.get(link_id)
        numbers.append(call.profile.tcpip.closed_length if link is None else firmware.inbound.count(link))
    line = f"+CIPRECVLEN:{','.join(map(str, numbers))}\r\n".encode()
    call.board.write(_cut(line, numbers, call.profile.tcpip.lengths_buffer))


def _cut(line: bytes, numbers: list[int], buffer_bytes: int | None) -> bytes:
    """The line as it leaves a buffer that is too small for it. As many bytes as do not fit come from behind
    the buffer: the numbers themselves, from the second on, four bytes each (real-firmware 8: 2.0; inferred
    from `...,1440g\\x02` with 615 and `...,14\\xa0\\x05\\x00\\x00` with 1440 in second place).
    """
    if buffer_bytes is None or len(line) <= buffer_bytes:
        return line
    behind = struct.pack(f"<{len(numbers) - 1}i", *numbers[1:])
    return line[:buffer_bytes] + behind[: len(line) - buffer_bytes]


@command("CIPRECVDATA", "s")
def read(call: Call) -> None:
    """The data, and behind the result what is left or the CLOSED that it held back (observed 2.0, 4.1)."""
    arguments, state, firmware = call.arguments.without_codes(), call.state, call.firmware
    arguments.expect(1 + state.mux, 1 + state.mux)
    link_id = arguments.integer(0, LINK_COUNT - 1) if state.mux else 0
    length = arguments.integer(1, call.profile.tcpip.read_limit)
    link = firmware.links.get(link_id)
    if link is None or not firmware.table.is_passive(link) or not link.has_unread:
        refuse_if(True)
        return
    address, port = link.address, link.port
    if link.is_stream:
        data = take(link, length)
        link.reading = link.received_bytes > 0
        give_credit(firmware.board, link)
    else:
        refuse_if(not call.profile.tcpip.passive_udp)
        address, port = link.datagrams[0].address, link.datagrams[0].port
        data = _take_datagrams(link, length)
    link.record.bytes_received += len(data)
    link.notified = False
    separator = call.profile.tcpip.received_separator
    where = f'"{address}",{port},' if state.dinfo and separator == "," else ""
    head = f"+CIPRECVDATA:{len(data)}" if separator == "," else f"+CIPRECVDATA,{len(data)}"
    call.board.write(f"{head}{separator}{where}".encode() + data)
    call.after(lambda: _go_on(call, link))


def _take_datagrams(link: Link, length: int) -> bytes:
    """Whole datagrams glued together; the tail of one that was read in part is lost (at-dialects 7.7)."""
    pieces = []
    missing = length
    while missing > 0 and link.datagrams:
        piece = link.datagrams.popleft().data[:missing]
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def _go_on(call: Call, link: Link) -> None:
    call.firmware.inbound.pump()
    if not link.has_unread:
        call.firmware.links.finish_if_drained(link)
