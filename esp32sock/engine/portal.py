"""How any thread of this process asks the loop that runs the engine, its own thread or a trio program's."""

from __future__ import annotations

import errno
import os
import threading
from concurrent.futures import Future, InvalidStateError
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from esp32sock._answer import Answer
from esp32sock.errors import PortError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

R = TypeVar("R")


class EnginePortal:
    """Calls into the engine's loop; every method but `open` may be called from any thread."""

    def __init__(self) -> None:
        self._token: trio.lowlevel.TrioToken | None = None
        self._thread: threading.Thread | None = None
        self._nursery: trio.Nursery | None = None
        self._pid = os.getpid()

    def open(self) -> None:
        """Take calls from now on; in the engine's loop."""
        self._thread = threading.current_thread()
        self._token = trio.lowlevel.current_trio_token()

    def run_jobs_in(self, nursery: trio.Nursery) -> None:
        """Run what `call` is given as tasks of this nursery; in the engine's loop."""
        self._nursery = nursery

    @property
    def is_current(self) -> bool:
        """Whether the caller is in the thread of the engine, where nothing may block."""
        return threading.current_thread() is self._thread

    def call(self, job: Callable[..., Awaitable[R]], *args: Any) -> Answer[R]:
        """Run an async function in the engine; cancelling the future before its end cancels the function."""
        future: Answer[R] = Answer()
        scope = trio.CancelScope()

        def cancel_if_unwanted(done: Future[R]) -> None:
            if done.cancelled():
                self.post(scope.cancel)

        future.add_done_callback(cancel_if_unwanted)
        if not self.post(self._start_job, future, scope, job, args):
            _settle(future, detached())
        return future

    def post(self, job: Callable[..., object], *args: Any) -> bool:
        """Call a function in the engine's loop soon; False if the loop has ended, or in a forked child."""
        if self._token is None or os.getpid() != self._pid:
            return False
        try:
            self._token.run_sync_soon(job, *args)
        except trio.RunFinishedError:
            return False
        return True

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
            _settle(future, detached())

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
            _settle(future, detached())  # no effect on a future that is settled


def detached() -> PortError:
    """What is raised for a call into an engine that has ended."""
    return PortError("the interface was detached", errno=errno.ENETDOWN)


def _settle(future: Future[Any], outcome: object) -> None:
    """Give a future its result or exception; no effect on one that has either, or is cancelled."""
    try:
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
    except InvalidStateError:
        pass
