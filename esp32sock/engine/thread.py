"""The background thread for every program without trio: one engine in a trio run of its own."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from esp32sock._answer import Answer
from esp32sock._clock import UnfrozenClock
from esp32sock.engine.portal import EnginePortal, detached
from esp32sock.errors import unwrap_group

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.engine.engine import Engine

JOIN_S = 5.0
"""Beyond the delivery that `Engine.drain` bounds."""


class EngineThread:
    """Runs one engine in a daemon thread; other threads reach it through `portal`."""

    def __init__(self, make: Callable[[], Engine]) -> None:
        self.portal = EnginePortal()
        self._make = make
        self._started: Answer[Engine] = Answer()
        self._starting = trio.CancelScope()
        self._stop = trio.Event()
        self._is_stopped = False
        self._drain_s = 0.0
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._main, name="esp32sock", daemon=True)

    def start(self) -> Engine:
        """Run until the engine is set up; raises the Error that says why it cannot be."""
        try:
            self._thread.start()
            return self._started.result()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Deliver what was sent, end the engine, join the thread. Bounded, idempotent.

        An engine that is still being set up is given up at once.
        """
        if os.getpid() != self._pid or threading.current_thread() is self._thread:
            return
        self._is_stopped = True
        self.portal.post(self._end)
        with suppress(RuntimeError):  # interrupted before the thread had begun: it ends at once
            self._thread.join(JOIN_S + self._drain_s)

    # In the thread.

    def _main(self) -> None:
        try:
            trio.run(self._run, clock=UnfrozenClock())
        except BaseException as error:
            if self._started.done():
                raise  # a fault of the engine, which must be seen
            self._started.set_exception(unwrap_group(error))
        finally:
            if not self._started.done():
                self._started.set_exception(detached())

    async def _run(self) -> None:
        self.portal.open()
        if self._is_stopped:  # before the portal was open
            return
        engine = self._make()
        self._drain_s = engine.options.close_s
        async with trio.open_nursery() as nursery:
            self.portal.run_jobs_in(nursery)
            with self._starting:
                await nursery.start(engine.run)
                self._started.set_result(engine)
            if self._started.done():
                await self._stop.wait()
                await engine.drain()
            nursery.cancel_scope.cancel()

    def _end(self) -> None:
        self._starting.cancel()
        self._stop.set()
