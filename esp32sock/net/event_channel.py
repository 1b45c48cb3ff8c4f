"""The events of a module for the trio program that runs it: a bounded queue that a task reads."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Self

import trio

from esp32sock.net.event_queue import MAX_EVENTS, LatestEvents

if TYPE_CHECKING:
    from types import TracebackType

    from esp32sock.at.events import ModuleEvent
    from esp32sock.net.event_queue import Subscribe


class EventChannel(LatestEvents):
    """The same for the trio program that runs the module: `async for`, or `await receive()`.

    Cancelling loses no event. It ends with the interface, or when it is closed.
    """

    def __init__(self, subscribe: Subscribe, maxsize: int = MAX_EVENTS) -> None:
        self._waiting = trio.lowlevel.ParkingLot()
        super().__init__(subscribe, maxsize)

    def _put(self, event: ModuleEvent) -> None:
        super()._put(event)
        self._waiting.unpark()

    async def receive(self) -> ModuleEvent:
        """The next event; `trio.EndOfChannel` when the stream has ended."""
        await trio.lowlevel.checkpoint()
        while not self._events:
            if self._ended:
                raise trio.EndOfChannel
            await self._waiting.park()
        return self._events.popleft()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ModuleEvent:
        try:
            return await self.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None

    def close(self) -> None:
        """No more events; a reader gets those that have come, then the end. Idempotent."""
        self._unsubscribe()
        self._ended = True
        self._waiting.unpark(count=math.inf)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
