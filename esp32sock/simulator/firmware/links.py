"""What happens to links: they are opened, send, receive, and end.

The table is in link_table.py, what is received goes on through inbound.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from esp32sock.simulator.environment.settings import WINDOW_BYTES
from esp32sock.simulator.firmware.link import OPEN_UDP_QUEUE, UDP_QUEUE, Link
from esp32sock.simulator.network.api import (
    Accepted,
    Close,
    DatagramReceived,
    Failed,
    OpenDatagram,
    Opened,
    OpenStream,
    PeerClosed,
    PeerReset,
    Received,
    Send,
    SendDatagram,
    Sent,
)
from esp32sock.simulator.observers.journal import LinkRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.simulator.firmware.board import Board
    from esp32sock.simulator.firmware.inbound import Inbound
    from esp32sock.simulator.firmware.interfaces import Interfaces
    from esp32sock.simulator.firmware.link_table import LinkTable
    from esp32sock.simulator.firmware.network_client import NetworkRequests
    from esp32sock.simulator.kernel import Future
    from esp32sock.simulator.network.api import Event

NOWHERE = "0.0.0.0"
"""A UDP peer that is no address: the link receives from anyone and what it sends is lost (a guess)."""


@dataclass(frozen=True, slots=True)
class LinkHooks:
    """What the parts above have to do with links: the server, and the passthrough mode."""

    accepted: Callable[[Accepted], None]
    """A client has come to the server."""
    ended: Callable[[Link], None]
    """A link is gone, closed by either side."""
    says_closed: Callable[[Link], bool]
    """Whether CLOSED is printed for a link whose peer has ended it."""


class Links:
    """Opens, feeds and closes the links of the table."""

    def __init__(
        self,
        board: Board,
        table: LinkTable,
        interfaces: Interfaces,
        requests: NetworkRequests,
        inbound: Inbound,
        hooks: LinkHooks,
    ) -> None:
        self._board = board
        self._table = table
        self._interfaces = interfaces
        self._requests = requests
        self._inbound = inbound
        self._hooks = hooks
        self.failure = ""
        """Why the last link could not be opened, in the network's words."""

    # Looking

    def get(self, link_id: int) -> Link | None:
        return self._table.get(link_id)

    def all(self) -> list[Link]:
        return self._table.all()

    def accepted(self) -> list[Link]:
        return self._table.accepted()

    def holds(self, link: Link) -> bool:
        """Whether this very link is still open."""
        return self._table.holds(link)

    # Opening

    def window_bytes(self, link_id: int) -> int:
        """The receive window of a new link: never open in passive receive, which would hold all of it."""
        board = self._board
        keeps = board.state.passive or board.state.receive_types[link_id]
        return min(board.settings.window_bytes, WINDOW_BYTES) if keeps else board.settings.window_bytes

    async def open(
        self, link_id: int, request: OpenStream | OpenDatagram, kind: str, *, within_s: float = 0.0
    ) -> Link | None:
        """Open a link and enter it; the caller announces it. None if the network cannot, or not in time."""
        board, table = self._board, self._table
        handle = request.handle
        table.opening[handle] = link_id
        asked = request
        outward = self._requests.outward(request.address)
        if outward != request.address:
            asked = _readdressed(request, outward)
        timer = board.kernel.call_later(within_s, lambda: self._give_up(handle)) if within_s else None
        event = await self._requests.ask(handle, asked)
        if timer is not None:
            timer.cancel()
        table.opening.pop(handle, None)
        if not isinstance(event, Opened):
            self.failure = event.reason if isinstance(event, Failed) else ""
            return None
        if table.get(link_id) is not None:
            board.request(Close(handle))
            return None
        window = request.window_bytes if isinstance(request, OpenStream) else 0
        link = self._enter(link_id, kind, event, accepted=False, window_bytes=window)
        link.address, link.port = request.address, request.port
        link.record.address = request.address
        link.named = (request.address, request.port)
        link.request = request
        return link

    def _give_up(self, handle: int) -> None:
        if self._requests.answer(handle, Failed(handle, "time limit")):
            self._board.request(Close(handle))

    def enter_accepted(self, link_id: int, kind: str, event: Accepted) -> Link:
        return self._enter(link_id, kind, event, accepted=True, window_bytes=self.window_bytes(link_id))

    def _enter(
        self, link_id: int, kind: str, event: Opened | Accepted, *, accepted: bool, window_bytes: int
    ) -> Link:
        board = self._board
        now = board.now
        record = LinkRecord(link_id, kind, event.address, event.port, accepted, now)
        link = Link(
            link_id,
            kind,
            event.handle,
            event.address,
            event.port,
            event.local_port,
            accepted,
            window_bytes,
            board.journal.opened(record),
        )
        link.last_received_s = link.last_used_s = now
        link.passive = bool(board.state.receive_types[link_id])
        self._table.add(link)
        if link.is_stream:
            board.state.stream_opened(accepted=accepted)
        self._inbound.choose_listened()
        return link

    def announce(self, link: Link) -> None:
        """Print that a link is open."""
        board = self._board
        if board.state.sysmsg & 2:  # observed 4.1, sysmsg
            board.line(
                f'+LINK_CONN:0,{link.link_id},"{link.kind}",{int(link.accepted)},'
                f'"{link.address}",{link.port},{link.local_port}'
            )
        elif board.profile.announces_tcp or not link.is_stream or link.accepted:
            board.line(f"{self._table.label(link.link_id)}CONNECT")

    def start_receiving(self, link: Link) -> None:
        """The result of CIPSTART has been printed: what was received meanwhile may follow."""
        link.announced = True
        self._inbound.pump()
        self.finish_if_drained(link)

    # Sending

    async def send(self, link: Link, data: bytes, destination: tuple[str, int] | None = None) -> bool:
        """Give payload to the network; whether it took it."""
        if link.is_stream:
            if link.unsent and not await self._within_time(link, None):
                return False
            if not await self._within_time(link, Send(link.handle, data)):
                return False
            answer: Event = Sent(link.handle)
        else:
            address, port = destination or (link.address, link.port)
            if address == NOWHERE or not port:
                answer = Sent(link.handle)
            else:
                outward = self._requests.outward(address)
                answer = await self._requests.ask(link.handle, SendDatagram(link.handle, data, outward, port))
        if not isinstance(answer, Sent):
            return False
        link.last_used_s = self._board.now
        link.record.bytes_sent += len(data)
        return True

    async def _within_time(self, link: Link, request: Send | None) -> bool:
        """Let the network take what is sent, or what it has not taken yet: True once it has.

        AT+CIPTCPOPT's send time limit ends the waiting, and not the sending: a part may be on its way
        (known-bugs 7).
        """
        board, handle = self._board, link.handle
        answered = self._requests.expect(handle)
        limit_ms = board.state.tcp_options[link.link_id].send_timeout_ms
        timer = None
        if limit_ms:
            timer = board.kernel.call_later(limit_ms / 1000, lambda: self._stop_waiting(link, answered))
        if request is not None:
            board.request(request)
        answer = await answered
        if timer is not None:
            timer.cancel()
        return isinstance(answer, Sent)

    def _stop_waiting(self, link: Link, answered: Future[Event]) -> None:
        if self._requests.withdraw(link.handle, answered, Failed(link.handle, "send time limit")):
            link.unsent = True

    # Closing

    def close(self, link: Link, *, announce: bool = True, abort: bool = False) -> None:
        """End a link from our side, or after its peer has."""
        if not self.holds(link):
            return
        board = self._board
        self._table.remove(link)
        board.journal.closed(link.record, board.now)
        self._requests.answer(link.handle, PeerReset(link.handle))
        at_once = link.is_stream and board.state.linger(link.link_id) == 0
        board.request(Close(link.handle, abort or at_once))
        board.state.link_closed(self.all())
        if announce:
            board.line(f"{self._table.label(link.link_id)}CLOSED")
        self._hooks.ended(link)
        self._inbound.choose_listened_soon()

    def finish_if_drained(self, link: Link) -> None:
        """CLOSED comes behind all that was received, and behind a send that the break hit."""
        if link.stalled or (link.sending and link.reset):
            return
        if link.announced and (link.peer_closed or link.reset) and not link.has_unread and self.holds(link):
            self.close(link, announce=self._hooks.says_closed(link))

    def reset(self, *, quiet: bool) -> None:
        """The firmware restarts: close all links and drop all requests."""
        for handle in sorted(self._table.opening):
            self._board.request(Close(handle, abort=True))
        self._table.opening.clear()
        for link in self.all():
            self.close(link, announce=not quiet and self._says_closed_at_restart(link))
        self._requests.forget()

    def _says_closed_at_restart(self, link: Link) -> bool:
        """A hanging handshake holds the other SSL links (walk 2028, 2.0)."""
        board = self._board
        return board.profile.tcpip.restart_says_closed and not (
            link.is_secure and board.state.handshake_hangs
        )

    def close_streams(self) -> None:
        """The network under the links is gone."""
        for link in self.all():
            if link.is_stream:
                self.close(link)

    def network_lost(self) -> None:
        """The access point is gone. Streams end from 2.0 on (at-dialects 8.2), from 2.1 on not before what
        they hold unread in passive receive has been read; from 4.1 on those at the SoftAP stay.
        """
        traits = self._board.profile.tcpip
        if not traits.loss_closes or self._board.state.links_persist:
            return
        for link in self.all():
            at_softap = traits.loss_spares_softap and self._interfaces.is_at_softap(link.address)
            if not link.is_stream or at_softap:
                continue
            if traits.loss_waits_for_reader and link.has_unread and self._table.is_passive(link):
                self._board.request(Close(link.handle, abort=True))
                link.peer_closed = True
            else:
                self.close(link, abort=True)

    # Events of the network

    def on_event(self, event: Event) -> None:
        table = self._table
        match event:
            case Received(handle, data, overhead):
                link = table.by_handle(handle)
                if link is not None:
                    link.received.append(data)
                    link.received_bytes += len(data)
                    link.overhead_bytes += overhead
                    link.last_received_s = link.last_used_s = self._board.now
                    self._inbound.arrived(link)
            case DatagramReceived():
                self._on_datagram(event)
            case PeerClosed(handle):
                link = table.by_handle(handle)
                if link is not None:
                    link.peer_closed = True
                    if self._loses_unread(link):
                        _drop_unread(link)
                    self.finish_if_drained(link)
            case PeerReset(handle):
                self._on_reset(handle)
            case Accepted():
                self._hooks.accepted(event)
            case Failed(handle=key) | Opened(handle=key) | Sent(handle=key):
                self._answer(key, event)
            case _:
                self._answer(event.token, event)

    def _answer(self, key: int, event: Event) -> None:
        link = self._table.by_handle(key)
        if link is not None and isinstance(event, Sent):
            link.unsent = False
        if not self._requests.answer(key, event) and isinstance(event, Opened):
            self._board.request(Close(key))

    def _on_datagram(self, event: DatagramReceived) -> None:
        link = self._table.by_handle(event.handle)
        limit = self._board.profile.tcpip.udp_receive_limit
        if link is None or (limit is not None and len(event.data) > limit):
            return
        if len(link.datagrams) >= self._datagram_queue(link):
            return
        link.datagrams.append(event)
        link.last_received_s = link.last_used_s = self._board.now
        self._inbound.arrived(link)

    def _datagram_queue(self, link: Link) -> int:
        """How many datagrams wait unread; an unpaced module has no slow line to make them."""
        slow = self._board.settings.paced or self._table.is_passive(link)
        return UDP_QUEUE if slow else OPEN_UDP_QUEUE

    def _loses_unread(self, link: Link) -> bool:
        """Passive SSL before 3.3: the end drops what has not been read (at-dialects 7.7)."""
        return link.is_secure and self._board.profile.tcpip.drops_unread_ssl and self._table.is_passive(link)

    def _on_reset(self, handle: int) -> None:
        self._answer(handle, PeerReset(handle))
        link = self._table.by_handle(handle)
        if link is None:
            return
        link.reset = True
        _drop_unread(link)
        self.finish_if_drained(link)


def _drop_unread(link: Link) -> None:
    link.received.clear()
    link.received_bytes = link.overhead_bytes = link.segment_bytes = 0


def _readdressed(request: OpenStream | OpenDatagram, address: str) -> OpenStream | OpenDatagram:
    if isinstance(request, OpenDatagram):
        return OpenDatagram(request.handle, address, request.port, request.local_port)
    return OpenStream(
        request.handle, address, request.port, request.window_bytes, request.keepalive_s, request.tls
    )
