"""The links that a broker's clients have: their events become messages, their ends are found by any process.

A link belongs to the session of the client that opened it, and to the table of sockets as long as it is open:
there other processes of the same user find it that have inherited or received its descriptor.
"""

from __future__ import annotations

import _socket
import os
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from esp32sock.broker.protocol import (
    BOUND,
    BROKEN,
    CLEAN,
    DATAGRAM,
    LISTENER,
    STREAM,
    Doubtful,
    Ended,
    Failed,
    Found,
    LinkEvent,
    Opened,
)
from esp32sock.broker.values import InvalidMessage
from esp32sock.net import socketpairs
from esp32sock.net.socketpairs import EngineEnd

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.broker.protocol import Key
    from esp32sock.engine.requests import (
        Accepted,
        AcceptedStream,
        Address,
        DatagramOpened,
        LinkHolder,
        Listening,
        StreamOpened,
    )
    from esp32sock.errors import Error

    Send = Callable[[LinkEvent], None]


MAX_BOUND = 1000
"""Bound sockets that are remembered; chosen."""


class SocketTable:
    """The sockets of all clients of one broker by their key, which is the same in every process."""

    def __init__(self) -> None:
        self._links: dict[Key, ServerLink] = {}
        self._bound: dict[Key, tuple[int, Address]] = {}

    def add(self, link: ServerLink) -> None:
        self._links[link.key] = link

    def remove(self, link: ServerLink) -> None:
        if self._links.get(link.key) is link:
            del self._links[link.key]

    def note_bound(self, key: Key, uid: int, local: Address) -> None:
        """A socket that is bound only; the latest MAX_BOUND are kept, since nothing says when they close."""
        self._bound[key] = uid, local
        while len(self._bound) > MAX_BOUND:
            del self._bound[next(iter(self._bound))]

    def find_bound(self, key: Key, uid: int) -> Found | None:
        """Where the socket of this key is bound, if it is no more than bound."""
        owner, local = self._bound.get(key, (-1, ("", 0)))
        return Found(BOUND, local, None) if uid in (0, owner) and key in self._bound else None

    def find(self, key: Key, uid: int) -> ServerLink | None:
        """The open socket of this key, if this user, or root, may have it."""
        link = self._links.get(key)
        return link if link is not None and uid in (0, link.uid) else None


class ServerLink:
    """One link, datagram link or listener of a client; the events object of its request."""

    kind = STREAM

    def __init__(
        self, number: int, key: Key, uid: int, end: _socket.socket, send: Send, table: SocketTable
    ) -> None:
        self.number = number
        self.key = key
        self.uid = uid
        self.end = end
        self.holder: LinkHolder | None = None
        """What the engine knows the link by."""
        self.abandon: Callable[[], object] = lambda: None
        self.is_open = False
        self.is_over = False
        self.local: Address | None = None
        self.remote: Address | None = None
        self.on_over: Callable[[ServerLink], None] = lambda link: None
        self._send = send
        self._table = table
        self._signals: list[_socket.socket] = []

    def add_signal(self, signal: _socket.socket) -> None:
        """One more process that receives how the link ends."""
        self._signals.append(signal)

    def accept(self, opened: StreamOpened, stream: Accepted) -> None:
        """It was open from the start; its end is reported, also if that has come."""
        self.local, self.remote = opened.local, opened.remote
        self.is_open = True
        self._table.add(self)
        stream.attach(self)

    def found(self) -> Found:
        """What is reported of it to another process."""
        return Found(self.kind, self.local, self.remote)

    # What the engine reports.

    def opened(self, opened: StreamOpened | DatagramOpened) -> None:
        self.local, self.remote = opened.local, getattr(opened, "remote", None)
        self._open(Opened(opened))

    def failed(self, error: Error) -> None:
        self._report(Failed(error))
        self.end.close()  # the client has its own
        self._over(BROKEN)

    def doubtful(self, error: Error) -> None:
        self._report(Doubtful(error))

    def ended(self, error: Error | None) -> None:
        if not self.is_over:
            self._report(Ended(error))
            self._over(CLEAN if error is None else BROKEN)

    def _open(self, event: Opened) -> None:
        self.is_open = True
        self._table.add(self)
        self._report(event)

    def _report(self, event: Opened | Failed | Doubtful | Ended) -> None:
        self._send(LinkEvent(self.number, event))

    def _over(self, how: bytes) -> None:
        self.is_open, self.is_over = False, True
        self._table.remove(self)
        for signal in self._signals:
            with suppress(OSError):
                signal.send(how, _socket.MSG_NOSIGNAL | _socket.MSG_DONTWAIT)
            signal.close()
        self._signals.clear()
        self.on_over(self)


class DatagramLink(ServerLink):
    """A UDP link of a client; `remote` is the peer that its socket is connected to, if any."""

    kind = DATAGRAM

    def __init__(
        self,
        number: int,
        key: Key,
        uid: int,
        end: _socket.socket,
        send: Send,
        table: SocketTable,
        remote: Address | None,
    ) -> None:
        super().__init__(number, key, uid, end, send, table)
        self.remote = self._only_peer = remote

    def opened(self, opened: StreamOpened | DatagramOpened) -> None:
        self.local = opened.local
        self._open(Opened(opened))

    def found(self) -> Found:
        return Found(self.kind, self.local, self.remote, self._only_peer is not None)


class WaitingConnection:
    """A connection that waits at a listener until a process of the client takes it."""

    def __init__(
        self, user_end: _socket.socket, engine_end: _socket.socket, opened: StreamOpened, stream: Accepted
    ) -> None:
        self.user_end = user_end
        self.engine_end = engine_end
        self.opened = opened
        self.stream = stream


class ListenerLink(ServerLink):
    """A listener of a client; several processes may take its connections, one at a time."""

    kind = LISTENER

    def __init__(
        self, number: int, key: Key, uid: int, end: _socket.socket, send: Send, table: SocketTable
    ) -> None:
        super().__init__(number, key, uid, end, send, table)
        self._waiting: deque[WaitingConnection] = deque()
        self._engine_ends: dict[int, _socket.socket] = {}

    def make_pair(self) -> tuple[_socket.socket, _socket.socket]:
        """The pair of a new connection; which end is the engine's is kept for the process that takes it."""
        for number, end in list(self._engine_ends.items()):
            if end.fileno() < 0:  # its connection was closed before it could be announced
                del self._engine_ends[number]
        engine_end, user_end = socketpairs.stream_pair()
        self._engine_ends[id(user_end)] = engine_end
        return engine_end, user_end

    def take(self) -> WaitingConnection | None:
        """The first connection that waits."""
        return self._waiting.popleft() if self._waiting else None

    def announce(self) -> None:
        """One more byte for the listener's descriptor."""
        with suppress(OSError):
            self.end.send(b"\0")

    # What the engine reports.

    def listening(self, listening: Listening) -> None:
        self.local = listening.local
        self._open(Opened(listening))

    def accepted(self, user_end: _socket.socket, opened: StreamOpened, events_to: AcceptedStream) -> None:
        engine_end = self._engine_ends.pop(id(user_end))
        if self.is_over:
            user_end.close()
            return
        self._waiting.append(WaitingConnection(user_end, engine_end, opened, cast("Accepted", events_to)))

    def accept_failed(self, user_end: _socket.socket) -> None:
        for waiting in list(self._waiting):
            if waiting.user_end is user_end:
                self._waiting.remove(waiting)
        user_end.close()

    def _over(self, how: bytes) -> None:
        while self._waiting:
            self._waiting.popleft().user_end.close()
        super()._over(how)


def signal_pair() -> tuple[EngineEnd, EngineEnd]:
    """(the broker's end, the client's end) of a signal."""
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
    return _owned(ours.detach()), _owned(theirs.detach())


def duplicate(end: _socket.socket) -> EngineEnd:
    """One more descriptor of the same end."""
    return _owned(os.dup(end.fileno()))


def handle_of(stream: Accepted) -> AcceptedStream:
    """The engine hands it to `ListenerLink.accepted`, which takes the stream itself."""
    return cast("AcceptedStream", stream)


def taken_ends(ends: list[EngineEnd], *kinds: int) -> list[EngineEnd]:
    """The descriptors of a message, which must be Unix sockets of these kinds; they are the verb's now."""
    if len(ends) != len(kinds):
        raise InvalidMessage(f"{len(ends)} descriptors came, and {len(kinds)} are needed")
    for end, kind in zip(ends, kinds, strict=True):
        try:
            family = end.getsockopt(_socket.SOL_SOCKET, _socket.SO_DOMAIN)
            found = end.getsockopt(_socket.SOL_SOCKET, _socket.SO_TYPE)
        except OSError as error:
            raise InvalidMessage(f"a descriptor that is no socket: {error.strerror}") from error
        if (family, found) != (_socket.AF_UNIX, kind):
            raise InvalidMessage("a descriptor that is no end of a socket pair of the right kind")
        os.set_blocking(end.fileno(), False)
    taken = list(ends)
    ends.clear()
    return taken


def _owned(fd: int) -> EngineEnd:
    return EngineEnd(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_NONBLOCK, 0, fd)
