"""What the module says unasked, for threads: a queue that the engine fills and anybody reads."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from esp32sock.at.events import Event


class EventFeed:
    """The events of a module from now on: iterate over them, or `get` one; `with`, or `close` it.

    Each is one of the frozen classes of `esp32sock.at.events`: `WifiChanged`, `LinkOpened`, `LinkClosed`,
    `ModuleRestarted`, `UnknownText` and their like. Passwords are taken out. Iterating blocks until the next
    one and ends when the feed is closed or the interface detached.
    """

    def __init__(self, subscribe: Callable[[Callable[[Event], object]], Callable[[], object]]) -> None:
        self._queue: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._closed = False
        self._unsubscribe = subscribe(self._queue.put)

    def get(self, timeout_s: float | None = None) -> Event | None:
        """The next event; None when there is none in time, or the feed has ended."""
        if self._closed and self._queue.empty():
            return None
        try:
            event = self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if event is None:
            self._closed = True
        return event

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        event = self.get()
        if event is None:
            raise StopIteration
        return event

    def close(self) -> None:
        """No more events; whoever waits for one is told. Idempotent."""
        self._unsubscribe()
        self._queue.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
