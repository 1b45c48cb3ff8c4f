"""The links of a client: what the broker reports of each goes to its events object, in order."""

from __future__ import annotations

import errno
import threading
from typing import TYPE_CHECKING, cast

from esp32sock.broker import guards
from esp32sock.broker.guards import Guard
from esp32sock.errors import Error
from esp32sock.net import socketpairs

if TYPE_CHECKING:
    from esp32sock.broker.protocol import Key
    from esp32sock.engine.requests import (
        DatagramEvents,
        DatagramOpened,
        EndEvents,
        ListenEvents,
        Listening,
        StreamEvents,
        StreamOpened,
    )
    from esp32sock.net.socketpairs import EngineEnd


class ClientLink:
    """A link, UDP link or listener that this client has begun."""

    def __init__(self, end: EngineEnd) -> None:
        self.end = end
        """The engine's end, of which the broker has a duplicate; the socket's again once it has failed."""
        self.is_open = False

    def opened(self, opened: StreamOpened | DatagramOpened | Listening) -> None:
        self.is_open = True

    def failed(self, error: Error) -> None:
        """It was never opened, and `end` is the socket's again."""

    def doubtful(self, error: Error) -> None:
        """Only datagrams are."""

    def ended(self, error: Error | None) -> None:
        self.end.close()

    def cut(self, error: Error) -> None:
        """The connection to the broker ended."""
        if self.is_open:
            self.ended(error)
        else:
            self.failed(error)

    def guard(self) -> Guard | None:
        """What a forked child watches; None if there is nothing to lose."""
        return None


class StreamLink(ClientLink):
    """A TCP link."""

    def __init__(self, events: StreamEvents, end: EngineEnd, key: Key, signal: EngineEnd) -> None:
        super().__init__(end)
        socketpairs.keep_after_fork(end)
        self._events = events
        self._key = key
        self._signal = signal

    def opened(self, opened: StreamOpened | DatagramOpened | Listening) -> None:
        super().opened(opened)
        self._events.opened(cast("StreamOpened", opened))

    def failed(self, error: Error) -> None:
        self._signal.close()
        self._events.failed(error)

    def ended(self, error: Error | None) -> None:
        self._events.ended(error)
        self._close(error)

    def _close(self, error: Error | None) -> None:
        self._signal.close()
        if error is None:
            self.end.close()
        else:
            guards.break_stream(self._key, self.end)

    def guard(self) -> Guard | None:
        if not self.is_open:
            return None
        return Guard(self._key, self.end, self._signal, self._broken_in_child)

    def _broken_in_child(self) -> None:
        self._events.ended(broken())


class AcceptedLink(StreamLink):
    """A TCP link that a listener accepted; its end is kept until its owner asks."""

    def __init__(self, end: EngineEnd, key: Key, signal: EngineEnd) -> None:
        self._lock = threading.RLock()
        self._owner: EndEvents | None = None
        self._ended: tuple[Error | None] | None = None
        super().__init__(cast("StreamEvents", self), end, key, signal)
        self.is_open = True

    def ended(self, error: Error | None) -> None:
        with self._lock:
            self._ended = (error,)
            owner = self._owner
        if owner is not None:
            owner.ended(error)
        self._close(error)

    def attach(self, events: EndEvents) -> None:
        """Report to `events` from now on, and at once what happened before."""
        with self._lock:
            self._owner = events
            ended = self._ended
        if ended is not None:
            events.ended(*ended)

    def _broken_in_child(self) -> None:
        if self._owner is not None:
            self._owner.ended(broken())


class DatagramLink(ClientLink):
    """A UDP link."""

    def __init__(self, events: DatagramEvents, end: EngineEnd) -> None:
        super().__init__(end)
        self._events = events

    def opened(self, opened: StreamOpened | DatagramOpened | Listening) -> None:
        super().opened(opened)
        self._events.opened(cast("DatagramOpened", opened))

    def failed(self, error: Error) -> None:
        self._events.failed(error)

    def doubtful(self, error: Error) -> None:
        self._events.doubtful(error)

    def ended(self, error: Error | None) -> None:
        self._events.ended(error)
        super().ended(error)


class ListenerLink(ClientLink):
    """A listener; its connections wait in the broker."""

    def __init__(self, events: ListenEvents, end: EngineEnd) -> None:
        super().__init__(end)
        self._events = events

    def opened(self, opened: StreamOpened | DatagramOpened | Listening) -> None:
        super().opened(opened)
        self._events.listening(cast("Listening", opened))

    def failed(self, error: Error) -> None:
        self._events.failed(error)

    def ended(self, error: Error | None) -> None:
        self._events.ended(error)
        super().ended(error)


def broken() -> Error:
    """What a stream ends with when nothing is known but that the broker has let go of it."""
    return Error("the broker ended this stream, or died", errno=errno.ECONNRESET)
