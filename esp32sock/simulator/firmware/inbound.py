"""Received data on its way to the host: `+IPD`, active and passive receive (at-dialects 7.6, 7.7).

Theory of operation
-------------------
The network task of the firmware goes round the links that have something. In active receive it reads a link
into a buffer of 2920 bytes and prints what one read returned as one block. A burst begins with one segment
(1440), because the task wakes at the first; later reads find what has come by then, here all of it: 3000
bytes as 1440, 1560 and 5000 as 1440, 2920, 640 (walks 2006, 2012 and 2020; where it came more slowly 1440,
2880, 680). A read ends where the peer pushed, as lwIP's does: two small messages are two blocks (duplex-wake,
tcp-single). The task reads only while the transmit ring has room, so a slow line fills the window and the
peer waits. In passive receive it prints once how much there is, and then waits for the host to read.

The fault of 2.0 (real-firmware 5): at each event of any link (a block, CONNECT, CLOSED) and of the server the
task chooses anew which links it listens to, and leaves out those with a send under way. A send is under way
from the OK of CIPSEND to SEND OK, and `SEND Canceled` does not end it. So a link stops receiving by a block
of its own or of another link at its prompt, and by a cancelled send; it receives again at the first event
after a complete send. With one link there is no such event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.link import LINK_COUNT
from esp32sock.simulator.network.api import Consumed

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.simulator.firmware.board import Board
    from esp32sock.simulator.firmware.link import Link
    from esp32sock.simulator.firmware.link_table import LinkTable

SEGMENT_BYTES = 1440
"""The MSS of a stock build (performance-facts 2.4)."""

SILENT_STALL = 4 / 77
"""How often the fault of 2.0 strikes without a block that shows it (real-firmware 5: 4 of 77 stalls)."""

LATE_STALL = 0.5
"""How often a block between `Recv` and SEND OK does (real-firmware 5: sometimes; the number is a guess)."""


class Inbound:
    """Prints what links have received, a block at a time, the links in turn."""

    def __init__(
        self,
        board: Board,
        table: LinkTable,
        *,
        prints_raw: Callable[[Link], bool],
        drained: Callable[[Link], None],
    ) -> None:
        """`prints_raw` tells whether the passthrough mode takes what a link receives. `drained` is called
        when all that a link had received has been printed.
        """
        self._board = board
        self._table = table
        self._prints_raw = prints_raw
        self._drained = drained
        self._turn = 0
        self._pumping = False

    def pump(self) -> None:
        """Print as much as the transmit ring takes."""
        if self._pumping:
            return
        self._pumping = True
        try:
            uart = self._board.uart
            while uart.room:
                link = self._next()
                if link is None:
                    return
                self._serve(link)
        finally:
            self._pumping = False

    def _next(self) -> Link | None:
        """The next link in turn among those that have something to print; none once 2.0 is wedged with
        CIPMUX=0 (real-firmware 3; with CIPMUX=1 walk 2006 still receives).
        """
        state = self._board.state
        if state.wedged and not state.mux:
            return None
        for step in range(1, LINK_COUNT + 1):
            link = self._table.get((self._turn + step) % LINK_COUNT)
            if link is None or not link.announced or link.stalled or not link.has_unread:
                continue
            if self._table.is_passive(link) and link.notified:
                continue
            self._turn = link.link_id
            return link
        return None

    def _serve(self, link: Link) -> None:
        if self._prints_raw(link):
            self._print_raw(link)
        elif self._table.is_passive(link):
            self._notify(link)
        elif link.datagrams:
            self._print_datagram(link)
        else:
            self._print_piece(link)
        self.choose_listened()
        if not link.has_unread:
            self._drained(link)

    # The fault of 2.0

    def choose_listened(self) -> None:
        """An event of a link or of the server: choose anew which links are listened to."""
        if not self._board.profile.tcpip.stalls:
            return
        links = self._table.all()
        heard_again = [link for link in links if link.stalled and not link.in_send]
        for link in links:
            link.stalled = link.in_send
        if heard_again:
            self.pump()
            for link in heard_again:
                self._drained(link)

    def choose_listened_soon(self) -> None:
        """The same behind what is being printed now: closing a link, and the server (duplex-wake)."""
        self._board.kernel.call_soon(self.choose_listened)

    def arrived(self, link: Link) -> None:
        """Data for a link has come in; now and then the fault strikes before the block is printed."""
        if self._board.profile.tcpip.stalls and link.in_send and not link.stalled:
            link.stalled = self._occurs(SILENT_STALL)
        self.pump()

    def payload_taken(self, link: Link) -> None:
        """`Recv` has been printed: now an event leaves the link out only sometimes."""
        if self._board.profile.tcpip.stalls:
            link.in_send = self._occurs(LATE_STALL)

    def _occurs(self, odds: float) -> bool:
        return self._board.kernel.random.random() < odds

    # Active

    def _print_piece(self, link: Link) -> None:
        board = self._board
        limit = board.profile.ipd_limit
        if not link.reading and limit > 2 * SEGMENT_BYTES:
            limit = SEGMENT_BYTES
        data = take_piece(link, limit)
        link.reading = link.received_bytes > 0
        self._print(link, data, link.address, link.port)
        give_credit(board, link)

    def _print_datagram(self, link: Link) -> None:
        datagram = link.datagrams.popleft()
        self._follow(link, datagram.address, datagram.port)
        self._print(link, datagram.data, datagram.address, datagram.port)

    def _follow(self, link: Link, address: str, port: int) -> None:
        """UDP modes 1 and 2 take the sender as the new peer (V1.0 5.2.3)."""
        changes = (address, port) != (link.address, link.port)
        if link.udp_mode == 2 or (link.udp_mode == 1 and changes and not link.peer_changed):
            link.peer_changed = link.peer_changed or changes
            link.address, link.port = address, port
        if link.sending and link.udp_mode == 2 and self._board.profile.tcpip.udp_redirects:
            link.redirected = (address, port)

    def _print(self, link: Link, data: bytes | memoryview, address: str, port: int) -> None:
        board = self._board
        profile = board.profile
        where = profile.ipd_address.format(address=address, port=port) if board.state.dinfo else ""
        head = f"\r\n+IPD,{self._table.label(link.link_id)}{len(data)}{where}:".encode()
        link.record.bytes_received += len(data)
        board.write(b"".join((head, data, profile.ipd_trailer)))

    # Passive

    def _notify(self, link: Link) -> None:
        """How much is there now; once until the host reads (at-dialects 7.7)."""
        board = self._board
        link.notified = True
        count = self.count(link)
        if link.is_stream and not link.reading:
            count = min(count, SEGMENT_BYTES)  # the first segment wakes the task (observed 2.0, 4.1)
        link.reading = True
        board.write(f"\r\n+IPD,{self._table.label(link.link_id)}{count}\r\n".encode())

    def count(self, link: Link) -> int:
        """The number that notification and CIPRECVLEN show."""
        if self._board.profile.tcpip.ciphertext_counts:
            return link.unread_bytes
        return link.unread_bytes - link.overhead_bytes

    # Passthrough

    def _print_raw(self, link: Link) -> None:
        board = self._board
        if link.datagrams:
            data: bytes | memoryview = link.datagrams.popleft().data
        else:
            data = take_piece(link, board.uart.ring_bytes)
            give_credit(board, link)
        if not board.profile.tcpip.passthrough_receives:
            return
        link.record.bytes_received += len(data)
        board.write(bytes(data))


def take_piece(link: Link, limit: int) -> bytes | memoryview:
    """Up to `limit` bytes out of a link's buffer, as one read of the firmware returns them."""
    first = link.received[0]
    if len(first) <= limit:
        link.received.popleft()
        data = first
    else:
        view = memoryview(first)
        data = view[:limit]
        link.received[0] = view[limit:]
    _taken(link, len(data))
    return data


def take(link: Link, limit: int) -> bytes:
    """Up to `limit` bytes, whatever the pieces were."""
    pieces: list[bytes | memoryview] = []
    missing = limit
    while missing and link.received:
        piece = take_piece(link, missing)
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def _taken(link: Link, count: int) -> None:
    """The window counts a segment as read when its first byte is (passive file of 2.0: what is unread exceeds
    the window by what is left of a segment).
    """
    before = link.received_bytes
    link.received_bytes -= count
    link.overhead_bytes = 0
    begun = count - link.segment_bytes
    if begun > 0:
        segments = -(-begun // SEGMENT_BYTES)
        credit = min(segments * SEGMENT_BYTES, before - link.segment_bytes)
        link.consumed_bytes += credit
        link.segment_bytes = credit - begun
    else:
        link.segment_bytes -= count


def give_credit(board: Board, link: Link) -> None:
    """Open the window again, in steps worth a message."""
    if link.consumed_bytes and (not link.received_bytes or link.consumed_bytes * 4 >= link.window_bytes):
        count, link.consumed_bytes = link.consumed_bytes, 0
        board.request(Consumed(link.handle, count))
