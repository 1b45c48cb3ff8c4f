"""The link table: what is open, and what the network says about it.

A link has an id (0 to 4), which is reused, and a handle, which never is. It is in the table from the moment
the network has opened it; until the host has been told (`announced`), nothing received on it is printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.link import LINK_COUNT, OPEN_UDP_QUEUE, UDP_QUEUE, Link
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
    from esp32sock.simulator.firmware.firmware import Firmware
    from esp32sock.simulator.kernel import Future
    from esp32sock.simulator.network.api import Event

NOWHERE = "0.0.0.0"
"""A UDP peer that is no address: the link receives from anyone and what it sends is lost (a guess)."""

SSL_LINK_BYTES = 45_000
"""What an SSL link takes of the heap: 25 to 40 kB and more (at-dialects 7.4; chosen by taste)."""


class Links:
    """All links, by id and by handle."""

    def __init__(self, firmware: Firmware) -> None:
        self._firmware = firmware
        self._table: list[Link | None] = [None] * LINK_COUNT
        self._by_handle: dict[int, Link] = {}
        self._questions = firmware.questions
        self._opening: dict[int, int] = {}
        """Link ids that are being opened, by handle: the server may not give them away."""

    # Looking

    def get(self, link_id: int) -> Link | None:
        return self._table[link_id] if 0 <= link_id < LINK_COUNT else None

    def all(self) -> list[Link]:
        return [link for link in self._table if link is not None]

    def accepted(self) -> list[Link]:
        return [link for link in self.all() if link.accepted]

    def holds(self, link: Link) -> bool:
        """Whether this very link is still open."""
        return self._table[link.link_id] is link

    def lowest_free(self) -> int | None:
        taken = set(self._opening.values())
        return next((n for n, link in enumerate(self._table) if link is None and n not in taken), None)

    def label(self, link_id: int) -> str:
        """What stands before CONNECT and CLOSED."""
        return f"{link_id}," if self._firmware.state.mux else ""

    def heap_bytes(self) -> int:
        """What the links take of the memory that AT+SYSRAM shows."""
        return SSL_LINK_BYTES * sum(link.is_secure for link in self.all())

    # Opening

    async def open(
        self, link_id: int, request: OpenStream | OpenDatagram, kind: str, *, within_s: float = 0.0
    ) -> Link | None:
        """Open a link and enter it; the caller announces it. None if the network cannot, or not in time."""
        firmware = self._firmware
        handle = request.handle
        self._opening[handle] = link_id
        asked = request
        outward = self._questions.outward(request.address)
        if outward != request.address:
            asked = _readdressed(request, outward)
        timer = firmware.kernel.call_later(within_s, lambda: self._give_up(handle)) if within_s else None
        event = await self._questions.ask(handle, asked)
        if timer is not None:
            timer.cancel()
        self._opening.pop(handle, None)
        if not isinstance(event, Opened):
            return None
        if self._table[link_id] is not None:
            firmware.request(Close(handle))
            return None
        window = request.window_bytes if isinstance(request, OpenStream) else 0
        link = self._enter(link_id, kind, event, accepted=False, window_bytes=window)
        link.address, link.port = request.address, request.port
        link.record.address = request.address
        link.named = (request.address, request.port)
        link.request = request
        return link

    def _give_up(self, handle: int) -> None:
        if self._questions.answer(handle, Failed(handle, "time limit")):
            self._firmware.request(Close(handle))

    def enter_accepted(self, link_id: int, kind: str, event: Accepted, window_bytes: int) -> Link:
        return self._enter(link_id, kind, event, accepted=True, window_bytes=window_bytes)

    def _enter(
        self, link_id: int, kind: str, event: Opened | Accepted, *, accepted: bool, window_bytes: int
    ) -> Link:
        firmware = self._firmware
        now = firmware.now
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
            firmware.journal.opened(record),
        )
        link.last_received_s = link.last_used_s = now
        link.passive = bool(firmware.state.receive_types[link_id])
        self._table[link_id] = link
        self._by_handle[event.handle] = link
        if link.is_stream:
            firmware.state.stream_opened(accepted=accepted)
        self.wake_others(link)
        return link

    def announce(self, link: Link) -> None:
        """Tell the host that a link is open."""
        firmware = self._firmware
        if firmware.state.sysmsg & 2:  # observed 4.1, sysmsg
            firmware.line(
                f'+LINK_CONN:0,{link.link_id},"{link.kind}",{int(link.accepted)},'
                f'"{link.address}",{link.port},{link.local_port}'
            )
        elif firmware.profile.announces_tcp or not link.is_stream or link.accepted:
            firmware.line(f"{self.label(link.link_id)}CONNECT")

    def begin_receiving(self, link: Link) -> None:
        """The result of CIPSTART has been printed: what was received meanwhile may follow."""
        link.announced = True
        self._firmware.inbound.pump()
        self.finish_if_drained(link)

    # Sending

    async def send(self, link: Link, data: bytes, destination: tuple[str, int] | None = None) -> bool:
        """Give payload to the network; whether it took it."""
        firmware = self._firmware
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
                outward = self._questions.outward(address)
                answer = await self._questions.ask(
                    link.handle, SendDatagram(link.handle, data, outward, port)
                )
        if not isinstance(answer, Sent):
            return False
        link.last_used_s = firmware.now
        link.record.bytes_sent += len(data)
        return True

    async def _within_time(self, link: Link, request: Send | None) -> bool:
        """Let the network take what is sent, or what it has not taken yet: True once it has.

        AT+CIPTCPOPT's send time limit ends the waiting, and not the sending: a part may be on its way
        (known-bugs 7).
        """
        firmware, handle = self._firmware, link.handle
        promise = self._questions.expect(handle)
        limit_ms = firmware.state.tcp_options[link.link_id].send_timeout_ms
        timer = None
        if limit_ms:
            timer = firmware.kernel.call_later(limit_ms / 1000, lambda: self._stop_waiting(link, promise))
        if request is not None:
            firmware.request(request)
        answer = await promise
        if timer is not None:
            timer.cancel()
        return isinstance(answer, Sent)

    def _stop_waiting(self, link: Link, promise: Future[Event]) -> None:
        if self._questions.withdraw(link.handle, promise, Failed(link.handle, "send time limit")):
            link.unsent = True

    # The fault of 2.0

    def wake_others(self, link: Link | None) -> None:
        """Something happened to this link, or to the server: links that had stopped go on (README)."""
        stalled = [each for each in self.all() if each.stalled and each is not link]
        for each in stalled:
            each.stalled = False
        if stalled:
            self._firmware.inbound.pump()
            for each in stalled:
                self.finish_if_drained(each)

    def wake_others_soon(self) -> None:
        """The same behind what is being printed now: closing a link, and the server (duplex-wake)."""
        if any(each.stalled for each in self.all()):
            self._firmware.kernel.call_soon(lambda: self.wake_others(None))

    # Closing

    def close(self, link: Link, *, say: bool = True, abort: bool = False) -> None:
        """End a link from our side, or after its peer has."""
        if not self.holds(link):
            return
        firmware = self._firmware
        self._table[link.link_id] = None
        self._by_handle.pop(link.handle, None)
        firmware.journal.closed(link.record, firmware.now)
        self._questions.answer(link.handle, PeerReset(link.handle))
        at_once = link.is_stream and firmware.state.linger(link.link_id) == 0
        firmware.request(Close(link.handle, abort or at_once))
        firmware.state.link_closed(self.all())
        if say:
            firmware.line(f"{self.label(link.link_id)}CLOSED")
        firmware.passthrough.link_ended(link)
        self.wake_others_soon()

    def finish_if_drained(self, link: Link) -> None:
        """CLOSED comes behind all that was received, and behind a send that the break hit."""
        if link.stalled or (link.sending and link.reset):
            return
        if link.announced and (link.peer_closed or link.reset) and not link.has_unread and self.holds(link):
            self._firmware.passthrough.peer_closed(link)

    def reset(self) -> None:
        """The firmware restarts: close all links and forget all requests."""
        self.forget_requests()
        for link in self.all():
            self.close(link)
        self._questions.forget()

    def crash(self) -> None:
        """The firmware crashes: nothing is said."""
        self.forget_requests()
        for link in self.all():
            self.close(link, say=False, abort=True)
        self._questions.forget()

    def forget_requests(self) -> None:
        for handle in sorted(self._opening):
            self._firmware.request(Close(handle, abort=True))
        self._opening.clear()

    def close_streams(self) -> None:
        """The network under the links is gone."""
        for link in self.all():
            if link.is_stream:
                self.close(link)

    def network_lost(self) -> None:
        """The access point is gone. Streams end from 2.0 on (at-dialects 8.2), from 2.1 on not before what
        they hold unread in passive receive has been read; from 4.1 on those at the SoftAP stay.
        """
        firmware, traits = self._firmware, self._firmware.profile.tcpip
        if not traits.loss_closes:
            return
        for link in self.all():
            if not link.is_stream or (traits.loss_spares_softap and firmware.is_at_softap(link.address)):
                continue
            if traits.loss_waits_for_reader and link.has_unread and firmware.inbound.is_passive(link):
                firmware.request(Close(link.handle, abort=True))
                link.peer_closed = True
            else:
                self.close(link, abort=True)

    # What the network says

    def on_event(self, event: Event) -> None:
        match event:
            case Received(handle, data, overhead):
                link = self._by_handle.get(handle)
                if link is not None:
                    link.received.append(data)
                    link.received_bytes += len(data)
                    link.overhead_bytes += overhead
                    link.last_received_s = link.last_used_s = self._firmware.now
                    self._firmware.inbound.pump()
            case DatagramReceived():
                self._on_datagram(event)
            case PeerClosed(handle):
                link = self._by_handle.get(handle)
                if link is not None:
                    link.peer_closed = True
                    if self._loses_unread(link):
                        _drop_unread(link)
                    self.finish_if_drained(link)
            case PeerReset(handle):
                self._on_reset(handle)
            case Accepted():
                self._firmware.server.on_accepted(event)
            case Failed(handle=key) | Opened(handle=key) | Sent(handle=key):
                self._answer(key, event)
            case _:
                self._answer(event.token, event)

    def _answer(self, key: int, event: Event) -> None:
        link = self._by_handle.get(key)
        if link is not None and isinstance(event, Sent):
            link.unsent = False
        if not self._questions.answer(key, event) and isinstance(event, Opened):
            self._firmware.request(Close(key))

    def _on_datagram(self, event: DatagramReceived) -> None:
        link = self._by_handle.get(event.handle)
        limit = self._firmware.profile.tcpip.udp_receive_limit
        if link is None or (limit is not None and len(event.data) > limit):
            return
        if len(link.datagrams) >= self._datagram_queue(link):
            return
        link.datagrams.append(event)
        link.last_received_s = link.last_used_s = self._firmware.now
        self._firmware.inbound.pump()

    def _datagram_queue(self, link: Link) -> int:
        """How many datagrams wait unread; an unpaced module has no slow line to make them."""
        slow = self._firmware.settings.paced or self._firmware.inbound.is_passive(link)
        return UDP_QUEUE if slow else OPEN_UDP_QUEUE

    def _loses_unread(self, link: Link) -> bool:
        """Passive SSL before 3.3: the end drops what has not been read (at-dialects 7.7)."""
        firmware = self._firmware
        return (
            link.is_secure and firmware.profile.tcpip.drops_unread_ssl and firmware.inbound.is_passive(link)
        )

    def _on_reset(self, handle: int) -> None:
        self._answer(handle, PeerReset(handle))
        link = self._by_handle.get(handle)
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
