"""Unsolicited events: a bounded queue that the engine fills and threads read."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from esp32sock._latch import Latch
from esp32sock._monotonic import monotonic

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from esp32sock.at.events import ModuleEvent

    Subscribe = Callable[[Callable[[ModuleEvent], object]], Callable[[], object]]

MAX_EVENTS = 1000
"""How many events are kept for a slow reader (chosen, not measured)."""


class LatestEvents:
    """The part that does not wait: the latest events, at most `maxsize`, and whether more may come."""

    def __init__(self, subscribe: Subscribe, maxsize: int) -> None:
        if maxsize < 1:
            raise ValueError(f"maxsize {maxsize}: an event queue keeps at least one event")
        self.dropped = 0
        """How many events were dropped, the oldest first, because they were not read in time."""
        self._events: deque[ModuleEvent] = deque()
        self._maxsize = maxsize
        self._ended = False
        self._unsubscribe = subscribe(self._put)

    def __repr__(self) -> str:
        state = ", ended" if self._ended else ""
        return f"<{type(self).__name__}: {len(self._events)} events, {self.dropped} dropped{state}>"

    def _put(self, event: ModuleEvent) -> None:
        """In the engine's thread."""
        self._events.append(event)
        if len(self._events) > self._maxsize:
            self._events.popleft()
            self.dropped += 1


class EventQueue(LatestEvents):
    """The events of a module from now on, for threads: iterate over it, or `get` one; `with`, or `close` it.

    Each is one of the frozen classes of `esp32sock.events`: `WifiChanged` (joined, got its address, left),
    `LinkOpened`, `LinkClosed`, `ModuleRestarted`, `UnknownText` and their like. Passwords are taken out.
    Iterating blocks until the next one and ends when the feed is closed or the interface detached. Of unread
    events the latest 1000 are kept (`events(maxsize=)`); `dropped` counts the others.
    """

    def __init__(self, subscribe: Subscribe, maxsize: int = MAX_EVENTS) -> None:
        self._changed = Latch()
        super().__init__(subscribe, maxsize)

    def _put(self, event: ModuleEvent) -> None:
        super()._put(event)
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, Latch()
        changed.set()

    def get(self, timeout: float | None = None) -> ModuleEvent | None:
        """The next event; None when there is none in time, or the feed has ended."""
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            changed = self._changed  # first: what comes after the look at the events sets it
            with suppress(IndexError):
                return self._events.popleft()
            if self._ended or not changed.wait(None if deadline is None else deadline - monotonic()):
                return None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ModuleEvent:
        event = self.get()
        if event is None:
            raise StopIteration
        return event

    def close(self) -> None:
        """No more events; a reader gets those that have come, then the end. Idempotent."""
        self._unsubscribe()
        self._ended = True
        self._wake()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
