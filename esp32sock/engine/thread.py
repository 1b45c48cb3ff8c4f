"""The background thread for everybody who does not run trio: one module in a trio run of its own."""

from __future__ import annotations

import errno
import os
import threading
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from esp32sock.errors import Error, PortError, unwrap_group

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from esp32sock.engine.engine import Engine

R = TypeVar("R")

JOIN_S = 5.0
"""Beyond the delivery that `Engine.drain` bounds."""


class EngineThread:
    """Runs one module in a daemon thread; every method may be called from any other thread."""

    def __init__(self, make: Callable[[], Engine]) -> None:
        self._make = make
        self._started: Future[Engine] = Future()
        self._token: trio.lowlevel.TrioToken | None = None
        self._nursery: trio.Nursery | None = None
        self._starting = trio.CancelScope()
        self._stop = trio.Event()
        self._is_stopped = False
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._main, name="esp32sock", daemon=True)

    def start(self) -> Engine:
        """Run until the module is set up; raises the Error that says why it cannot be."""
        try:
            self._thread.start()
            return self._started.result()
        except BaseException:
            self.stop()
            raise

    @property
    def is_current(self) -> bool:
        """Whether the caller is in the engine's own thread, where nothing may block."""
        return threading.current_thread() is self._thread

    def call(self, job: Callable[..., Awaitable[R]], *args: Any) -> Future[R]:
        """Run an async function in the engine; cancelling the future before its end cancels the function."""
        future: Future[R] = Future()
        scope = trio.CancelScope()

        def cancel_if_unwanted(done: Future[R]) -> None:
            if done.cancelled():
                self.post(scope.cancel)

        future.add_done_callback(cancel_if_unwanted)
        if not self.post(self._start_job, future, scope, job, args):
            _settle(future, self._gone())
        return future

    def post(self, job: Callable[..., object], *args: Any) -> bool:
        """Call a function in the engine soon; False if the engine is gone."""
        if self._token is None or os.getpid() != self._pid:
            return False
        try:
            self._token.run_sync_soon(job, *args)
        except trio.RunFinishedError:
            return False
        return True

    def stop(self) -> None:
        """Deliver what was sent, end the module, join the thread. Bounded, idempotent.

        A module that is still being set up is given up at once.
        """
        if os.getpid() != self._pid or self.is_current:
            return
        self._is_stopped = True
        self.post(self._end)
        with suppress(RuntimeError):  # interrupted before the thread had begun: it ends at once
            self._thread.join(JOIN_S + self._drain_s)

    # -- in the thread --------------------------------------------------------------------------------

    _drain_s = 0.0

    def _main(self) -> None:
        try:
            trio.run(self._run)
        except BaseException as error:
            if self._started.done():
                raise  # a fault of ours, which must be seen
            self._started.set_exception(unwrap_group(error))
        finally:
            if not self._started.done():
                self._started.set_exception(self._gone())

    async def _run(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        if self._is_stopped:  # before there was a token to say it to
            return
        module = self._make()
        self._drain_s = module.options.close_s
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            with self._starting:
                await nursery.start(module.run)
                self._started.set_result(module)
            if self._started.done():
                await self._stop.wait()
                await module.drain()
            nursery.cancel_scope.cancel()

    def _end(self) -> None:
        self._starting.cancel()
        self._stop.set()

    def _start_job(
        self,
        future: Future[R],
        scope: trio.CancelScope,
        job: Callable[..., Awaitable[R]],
        args: tuple[Any, ...],
    ) -> None:
        assert self._nursery is not None
        try:
            self._nursery.start_soon(self._run_job, future, scope, job, args)
        except RuntimeError:  # the nursery is closed already
            _settle(future, self._gone())

    async def _run_job(
        self,
        future: Future[R],
        scope: trio.CancelScope,
        job: Callable[..., Awaitable[R]],
        args: tuple[Any, ...],
    ) -> None:
        try:
            with scope:
                _settle(future, await job(*args))
        except Exception as error:
            _settle(future, error)
        finally:
            _settle(future, self._gone())  # no effect on a future that is settled

    @staticmethod
    def _gone() -> Error:
        return PortError("the interface was detached", errno=errno.ENETDOWN)


def _settle(future: Future[Any], outcome: object) -> None:
    """Give a future its result or exception, unless it has one or nobody wants it any more."""
    try:
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
    except InvalidStateError:
        pass
