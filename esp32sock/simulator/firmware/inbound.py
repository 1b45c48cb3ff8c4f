"""Received data on its way to the host: `+IPD`, active receive (at-dialects 7.6).

The network task of the firmware reads a link into a buffer of 2920 bytes and prints what one read returned as
one block. A burst begins with one segment (1440), because the task wakes at the first; later reads find more
(observed: 5000 bytes came as 1440, 2880, 680). It reads only while the transmit ring has room, so a slow line
fills the window and the peer waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..network import Consumed

if TYPE_CHECKING:
    from .core import Firmware
    from .links import Link

SEGMENT_BYTES = 1440
"""The MSS of a stock build (performance-facts 2.4)."""


class Inbound:
    """Prints what links have received, a block at a time, the links in turn."""

    def __init__(self, firmware: Firmware) -> None:
        self._firmware = firmware
        self._turn = 0

    def pump(self) -> None:
        """Print as much as the transmit ring takes."""
        uart = self._firmware.uart
        while uart.room:
            link = self._next()
            if link is None:
                return
            if link.datagrams:
                self._print_datagram(link)
            else:
                self._print_piece(link)

    def _next(self) -> Link | None:
        """The link whose turn it is among those that have something."""
        links = self._firmware.links
        for step in range(1, 6):
            link = links.get((self._turn + step) % 5)
            if link is not None and link.announced and (link.received_bytes or link.datagrams):
                self._turn = link.link_id
                return link
        return None

    def _print_piece(self, link: Link) -> None:
        firmware = self._firmware
        limit = firmware.profile.ipd_limit
        if limit > 2 * SEGMENT_BYTES:
            limit = 2 * SEGMENT_BYTES if link.reading else SEGMENT_BYTES
        data = take(link, limit)
        link.reading = link.received_bytes > 0
        self._print(link, data, link.address, link.port)
        give_credit(firmware, link)
        if not link.received_bytes:
            firmware.links.finish_if_drained(link)

    def _print_datagram(self, link: Link) -> None:
        datagram = link.datagrams.popleft()
        self._print(link, datagram.data, datagram.address, datagram.port)

    def _print(self, link: Link, data: bytes, address: str, port: int) -> None:
        firmware = self._firmware
        profile = firmware.profile
        where = profile.ipd_address.format(address=address, port=port) if firmware.state.dinfo else ""
        head = f"\r\n+IPD,{firmware.links.label(link.link_id)}{len(data)}{where}:".encode()
        link.record.bytes_received += len(data)
        firmware.write(b"".join((head, data, profile.ipd_trailer)))


def take(link: Link, limit: int) -> bytes:
    """Up to `limit` bytes out of a link's buffer."""
    first = link.received[0]
    if len(first) >= limit:
        if len(first) == limit:
            link.received.popleft()
            data = first
        else:
            data = first[:limit]
            link.received[0] = first[limit:]
    else:
        pieces: list[bytes] = []
        wanted = limit
        while wanted and link.received:
            piece = link.received.popleft()
            if len(piece) > wanted:
                link.received.appendleft(piece[wanted:])
                piece = piece[:wanted]
            pieces.append(piece)
            wanted -= len(piece)
        data = b"".join(pieces)
    link.received_bytes -= len(data)
    link.consumed_bytes += len(data)
    return data


def give_credit(firmware: Firmware, link: Link) -> None:
    """Open the window again, in steps worth a message."""
    if link.consumed_bytes and (not link.received_bytes or link.consumed_bytes * 4 >= link.window_bytes):
        count, link.consumed_bytes = link.consumed_bytes, 0
        firmware.request(Consumed(link.handle, count))
