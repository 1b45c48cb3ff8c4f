"""One thread at a time, where a signal handler may raise at any point.

A lock is taken by one step and given back by another; an exception between a step and the block that protects
it leaves the lock taken, and no other thread can tell. Here the job runs in a frame of `Claim.run`, and a
claim counts as long as that frame runs, which every thread can see for itself: an ended frame can be cleared.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from threading import get_ident
from typing import TYPE_CHECKING, TypeVar

from esp32sock._latch import Latch

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

R = TypeVar("R")

LOOK_S = 0.1
"""Between two looks at a claim whose holder did not say that it is over; by taste."""


class _Ticket:
    """The place of one call in the queue."""

    __slots__ = ("_frame", "ended", "thread_id")

    def __init__(self, frame: FrameType) -> None:
        self._frame: FrameType | None = frame
        self.thread_id = get_ident()
        self.ended = Latch()

    def end(self) -> None:
        self._frame = None  # which refers to this ticket
        self.ended.set()

    @property
    def is_over(self) -> bool:
        """Whether the call has ended, however it did."""
        frame = self._frame
        if frame is not None:
            try:
                frame.clear()
            except RuntimeError:  # it runs
                return False
        return True


class Claim:
    """A queue of the calls that exclude each other."""

    def __init__(self) -> None:
        self._queue: list[_Ticket] = []

    def run(self, job: Callable[[], R]) -> R:
        """Run `job` when the jobs of other threads before it have ended; a thread does not wait for itself.

        Unbounded, as those jobs are. Raises what `job` raises.
        """
        ticket = _Ticket(sys._getframe())
        try:
            self._queue.append(ticket)
            self._wait_turn(ticket)
            return job()
        finally:
            with suppress(ValueError):  # interrupted before it had a place
                self._queue.remove(ticket)
            ticket.end()

    def _wait_turn(self, ticket: _Ticket) -> None:
        for other in self._queue[: self._queue.index(ticket)]:
            while other.thread_id != ticket.thread_id and not other.is_over:
                other.ended.wait(LOOK_S)
            if other.is_over:
                with suppress(ValueError):  # removed by another call
                    self._queue.remove(other)
