"""AT+CIPSENDL: a long payload that goes out while it comes in (at-dialects 7.5; sendl file of 4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.backlog import Backlog
from esp32sock.simulator.firmware.commands.registry import command
from esp32sock.simulator.firmware.commands.sending import prompt, read_destination
from esp32sock.simulator.firmware.data_phase import CANCEL
from esp32sock.simulator.firmware.link import LINK_COUNT
from esp32sock.simulator.firmware.results import CommandRefused, Result

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.commands.call import Call
    from esp32sock.simulator.firmware.firmware import Firmware
    from esp32sock.simulator.firmware.link import Link
    from esp32sock.simulator.kernel import Mailbox

LONGEST = 0x7FFFFFFF
REPORT_BYTES = (100, 1 << 20)
PACKET_BYTES = (100, 2920)
"""Ranges: at-dialects 7.5."""

DROPPED_BYTES = 1024

FLUSH_S = 0.02
"""A part of a packet goes out after this pause (at-dialects 7.5)."""


class _Stream:
    """What the host writes behind the prompt, until the length is reached or `+++` comes alone."""

    def __init__(self, firmware: Firmware, length: int) -> None:
        self._firmware = firmware
        self.length = length
        self.received = 0
        self.cancelled = False
        self.events: Mailbox[bytes | None] = firmware.board.mailbox()
        self.backlog = Backlog(firmware.board.uart)

    def __call__(self, data: bytes, separate: bool) -> bytes:
        if separate and data == CANCEL:
            self._firmware.receiver.undivert()
            self.cancelled = True
            self.events.put(None)
            return b""
        wanted = self.length - self.received
        self.received += len(data)  # what is too much counts here (sendl file)
        if self.received >= self.length:
            self._firmware.receiver.undivert()
        data = data[:wanted] if len(data) > wanted else data
        self.backlog.came(len(data))
        self.events.put(data)
        return b""


class _Reports:
    """The lines `+CIPSENDL:<sent>,<received>`."""

    def __init__(self, call: Call, stream: _Stream) -> None:
        self._call = call
        self._stream = stream
        self._step = call.state.long_send_report
        self._next = self._step
        self._dropped = 0

    def sent(self, count: int) -> None:
        """So many bytes have gone out."""
        while self._next <= count and self._next < self._stream.length:
            self._call.respond(f"+CIPSENDL:{self._next},{self._stream.received}")
            self._next += self._step

    def dropped(self, sent: int, count: int) -> None:
        """The bytes go nowhere any more, but lines go on: for each 1024 that came, whatever was configured
        (sendl file).
        """
        self._dropped = max(self._dropped, sent + DROPPED_BYTES)
        while self._dropped <= count and self._dropped < self._stream.length:
            self._call.respond(f"+CIPSENDL:{sent},{self._dropped}")
            self._dropped += DROPPED_BYTES

    def last(self, sent: int) -> None:
        self._call.respond(f"+CIPSENDL:{sent},{self._stream.received}")


@command("CIPSENDL", "s")
async def send_long(call: Call) -> Result:
    """No `Recv`; the link may break on the way, and then all announced bytes are still waited for."""
    arguments, state, firmware = call.arguments.without_codes(), call.state, call.firmware
    link_id = arguments.integer(0, LINK_COUNT - 1) if state.mux else 0
    length = arguments.integer(1, LONGEST)
    link = firmware.links.get(link_id)
    if link is None or state.passthrough_mode:
        raise CommandRefused
    destination = await read_destination(call, link)
    stream = _Stream(firmware, length)
    firmware.receiver.divert(stream)
    prompt(call)
    sent = await _relay(call, link, stream, destination)
    stream.backlog.clear()
    if sent is None:
        return Result.SEND_CANCELLED
    if stream.received > length:
        call.after(firmware.receiver.refuse)
    return Result.SEND_OK if sent == length else Result.SEND_FAIL


async def _relay(call: Call, link: Link, stream: _Stream, destination: tuple[str, int] | None) -> int | None:
    """Pass the payload on; how much of it went out, or None if the host cancelled it."""
    links, packet = call.firmware.links, call.state.long_send_packet
    reports = _Reports(call, stream)
    waiting = bytearray()
    sent = taken = 0
    while taken < stream.length or waiting:
        enough = len(waiting) >= packet or taken == stream.length
        piece: bytes | None = b""
        if not enough:
            piece = await (stream.events.get_within(FLUSH_S) if waiting else stream.events.get())
            if piece is None and (not waiting or stream.cancelled):
                return None
        if piece:
            taken += len(piece)
            waiting += piece
            continue
        data = bytes(waiting[:packet])
        del waiting[:packet]
        if (
            sent + len(data) + len(waiting) == taken
            and links.holds(link)
            and not link.peer_closed  # and only unread (real-firmware 7: 4.1)
            and await links.send(link, data, destination)
        ):
            sent += len(data)
            reports.sent(sent)
        else:
            reports.dropped(sent, taken - len(waiting))
        stream.backlog.went(len(data))
    reports.last(sent)
    return sent


@command("CIPSENDLCFG", "q")
def configuration_query(call: Call) -> None:
    call.respond(f"+CIPSENDLCFG:{call.state.long_send_report},{call.state.long_send_packet}")


@command("CIPSENDLCFG", "s")
def configuration(call: Call) -> None:
    """Report size and, optionally, packet size (observed 4.1)."""
    arguments, state = call.arguments.without_codes(), call.state
    arguments.expect(1, 2)
    report = arguments.integer(*REPORT_BYTES)
    packet = arguments.integer(*PACKET_BYTES, default=state.long_send_packet)
    state.long_send_report, state.long_send_packet = report, packet
