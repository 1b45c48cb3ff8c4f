"""The tasks of a running engine: the tasks of links, which `Engine.drain` waits for, and background jobs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import trio

from esp32sock.errors import Error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from esp32sock.engine.tcp_pump import StreamPump

log = logging.getLogger("esp32sock")


class Tasks:
    """Starts tasks in the engine's one nursery, which `run` hands over before anything is started."""

    def __init__(self) -> None:
        self.nursery: trio.Nursery | None = None
        self._lives = 0
        self._all_ended = trio.Event()
        self._lingering: set[StreamPump] = set()

    def begin(self, life: Callable[..., Awaitable[None]], *args: Any) -> None:
        """Run the whole life of a link; RuntimeError if the engine is ending already."""
        self._open_nursery.start_soon(self._live, life, *args)
        self._lives += 1

    async def _live(self, life: Callable[..., Awaitable[None]], *args: Any) -> None:
        try:
            await life(*args)
        except Exception:
            # A defect of the engine: it costs this socket, and not the others.
            log.exception("a socket fails")
        finally:
            self._lives -= 1
            if not self._lives:
                self._all_ended.set()

    def spawn(self, job: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """Start a job whose result is not needed; an Error that ends it is logged."""
        self._open_nursery.start_soon(self._run_background, job, *args)

    @staticmethod
    async def _run_background(job: Callable[..., Awaitable[Any]], *args: Any) -> None:
        try:
            await job(*args)
        except Error as error:
            log.debug("%s", error)

    def linger(self, pump: StreamPump) -> None:
        """Keep the pair of an ended link until its application closes too; `close_lingering` ends that."""

        async def until_closed() -> None:
            self._lingering.add(pump)
            try:
                await pump.linger()
            finally:
                self._lingering.discard(pump)

        self.spawn(until_closed)

    async def all_ended(self) -> None:
        """Wait until no life of a link is left; unbounded."""
        while self._lives:
            self._all_ended = trio.Event()
            await self._all_ended.wait()

    def close_lingering(self) -> None:
        """Close every pair that `linger` keeps."""
        for pump in list(self._lingering):
            pump.close_end()

    @property
    def _open_nursery(self) -> trio.Nursery:
        assert self.nursery is not None, "the engine runs before it is used"
        return self.nursery
