"""The link table: what is open, and what the network says about it.

A link has an id (0 to 4), which is reused, and a handle, which never is. It is in the table from the moment
the network has opened it; until the host has been told (`announced`), nothing received on it is printed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..journal import LinkRecord
from ..network import (
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
    Resolve,
    Resolved,
    Send,
    SendDatagram,
    Sent,
)
from .results import failed

if TYPE_CHECKING:
    from ..kernel import Promise
    from ..network import Event
    from .core import Firmware

LINK_COUNT = 5
ALL_LINKS = 5
"""The id that means every link in CIPCLOSE (V1.0 5.2.6)."""


@dataclass(slots=True)
class Link:
    """One open link."""

    link_id: int
    kind: str
    handle: int
    address: str
    port: int
    local_port: int
    accepted: bool
    window_bytes: int
    record: LinkRecord
    announced: bool = False
    received: deque[bytes] = field(default_factory=deque)
    received_bytes: int = 0
    datagrams: deque[DatagramReceived] = field(default_factory=deque)
    consumed_bytes: int = 0
    """Taken out of the buffer, and not yet given back to the network as window."""
    reading: bool = False
    """The network task is in the middle of a burst: it reads more than one segment at once."""
    peer_closed: bool = False
    sending: bool = False
    """A CIPSEND of this link stands between its prompt and its result."""
    reset: bool = False
    """Broke while `sending`; said when the send is over (observed 2.0)."""

    @property
    def is_stream(self) -> bool:
        return self.kind != "UDP"


class Links:
    """All links, by id and by handle, and the requests that are under way."""

    def __init__(self, firmware: Firmware) -> None:
        self._firmware = firmware
        self._table: list[Link | None] = [None] * LINK_COUNT
        self._by_handle: dict[int, Link] = {}
        self._answers: dict[int, Promise[Event]] = {}
        """By handle, or by token of a look-up: whoever waits for Opened, Failed, Sent or Resolved."""
        self._opening: set[int] = set()
        self._next_handle = 1

    # Looking

    def get(self, link_id: int) -> Link | None:
        return self._table[link_id] if 0 <= link_id < LINK_COUNT else None

    def all(self) -> list[Link]:
        return [link for link in self._table if link is not None]

    def lowest_free(self) -> int | None:
        return next((link_id for link_id, link in enumerate(self._table) if link is None), None)

    def label(self, link_id: int) -> str:
        """What stands before CONNECT and CLOSED."""
        return f"{link_id}," if self._firmware.state.mux else ""

    # Opening

    def new_handle(self) -> int:
        self._next_handle += 1
        return self._next_handle - 1

    async def _ask(self, handle: int) -> Event:
        promise: Promise[Event] = self._firmware.kernel.promise()
        self._answers[handle] = promise
        return await promise

    async def resolve(self, name: str) -> str | None:
        """The IPv4 address of a name, or None."""
        if is_address(name.strip()):
            return name.strip()  # blanks around an address are taken (sweep of CIPSTART, 2.0)
        token = self.new_handle()
        self._firmware.request(Resolve(token, name))
        event = await self._ask(token)
        return event.address if isinstance(event, Resolved) else None

    async def open(self, link_id: int, request: OpenStream | OpenDatagram, kind: str) -> Link:
        """Open a link and enter it; the caller announces it. Raises Refusal if the network cannot."""
        self._opening.add(request.handle)
        self._firmware.request(request)
        event = await self._ask(request.handle)
        self._opening.discard(request.handle)
        if not isinstance(event, Opened):
            raise failed()
        window = request.window_bytes if isinstance(request, OpenStream) else 0
        link = self._enter(link_id, kind, event, accepted=False, window_bytes=window)
        if self._table[link_id] is not link:
            raise failed()
        return link

    def _enter(
        self, link_id: int, kind: str, event: Opened | Accepted, *, accepted: bool, window_bytes: int
    ) -> Link:
        firmware = self._firmware
        record = LinkRecord(link_id, kind, event.address, event.port, accepted, firmware.now)
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
        self._table[link_id] = link
        self._by_handle[event.handle] = link
        if link.is_stream and not accepted:
            firmware.state.had_link = True
        return link

    def announce(self, link: Link) -> None:
        """Tell the host that a link is open."""
        firmware = self._firmware
        if firmware.state.sysmsg & 2:  # observed 4.1, sysmsg
            firmware.line(
                f'+LINK_CONN:0,{link.link_id},"{link.kind}",{int(link.accepted)},'
                f'"{link.address}",{link.port},{link.local_port}'
            )
        elif firmware.profile.announces_tcp or not link.is_stream:
            firmware.line(f"{self.label(link.link_id)}CONNECT")

    def begin_receiving(self, link: Link) -> None:
        """The result of CIPSTART has been printed: what was received meanwhile may follow."""
        link.announced = True
        self._firmware.inbound.pump()

    # Sending

    async def send(self, link: Link, data: bytes, destination: tuple[str, int] | None = None) -> bool:
        """Give payload to the network; whether it took it."""
        if link.is_stream:
            self._firmware.request(Send(link.handle, data))
        else:
            address, port = destination or (link.address, link.port)
            self._firmware.request(SendDatagram(link.handle, data, address, port))
        answer = await self._ask(link.handle)
        if not isinstance(answer, Sent):
            return False
        link.record.bytes_sent += len(data)
        return True

    # Closing

    def close(self, link: Link, *, say: bool = True) -> None:
        """End a link from our side, or after its peer has."""
        if self._table[link.link_id] is not link:
            return
        firmware = self._firmware
        self._forget(link)
        firmware.request(Close(link.handle))
        if say:
            firmware.line(f"{self.label(link.link_id)}CLOSED")

    def _forget(self, link: Link) -> None:
        self._table[link.link_id] = None
        self._by_handle.pop(link.handle, None)
        self._firmware.journal.closed(link.record, self._firmware.now)

    def finish_if_drained(self, link: Link) -> None:
        """CLOSED comes behind all that was received, and behind a send that the break hit."""
        if link.sending and link.reset:
            return
        if link.announced and (link.peer_closed or link.reset) and not link.received_bytes:
            self.close(link)

    def reset(self) -> None:
        """The firmware restarts: close all links and forget all requests."""
        for link in self.all():
            self.close(link)
        for handle in sorted(self._opening):
            self._firmware.request(Close(handle, abort=True))
        self._opening.clear()
        self._answers.clear()

    def close_streams(self) -> None:
        """The network under the links is gone."""
        for link in self.all():
            if link.is_stream:
                self.close(link)

    # What the network says

    def on_event(self, event: Event) -> None:
        match event:
            case Received(handle, data):
                link = self._by_handle.get(handle)
                if link is not None:
                    link.received.append(data)
                    link.received_bytes += len(data)
                    self._firmware.inbound.pump()
            case DatagramReceived(handle):
                link = self._by_handle.get(handle)
                if link is not None:
                    link.datagrams.append(event)
                    self._firmware.inbound.pump()
            case Resolved(token=key) | Opened(handle=key) | Failed(handle=key) | Sent(handle=key):
                promise = self._answers.pop(key, None)
                if promise is not None:
                    promise.set(event)
                elif isinstance(event, Opened):
                    self._firmware.request(Close(key))
            case PeerClosed(handle):
                link = self._by_handle.get(handle)
                if link is not None:
                    link.peer_closed = True
                    self.finish_if_drained(link)
            case PeerReset(handle):
                self._on_reset(handle)
            case Accepted():
                self._firmware.request(Close(event.handle, abort=True))

    def _on_reset(self, handle: int) -> None:
        link = self._by_handle.get(handle)
        waiting = self._answers.pop(handle, None)
        if waiting is not None:
            waiting.set(PeerReset(handle))
        if link is None:
            return
        link.reset = True
        link.received.clear()
        link.received_bytes = 0
        self.finish_if_drained(link)


def is_address(text: str) -> bool:
    """Whether the text is a dotted IPv4 address."""
    parts = text.split(".")
    return len(parts) == 4 and all(part.isascii() and part.isdigit() and int(part) < 256 for part in parts)
