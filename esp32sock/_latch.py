"""Waiting for another thread where a signal handler may raise.

`threading.Event`, `Condition` and `Future` take their lock in Python steps, and a handler may raise between
any two: the lock is then held for ever, or it is given back while another thread has it, which ends the
engine. Here every wait has a lock of its own, and leaving that behind harms nothing.
"""

from __future__ import annotations

import sys
from _thread import TIMEOUT_MAX, LockType, allocate_lock
from contextlib import suppress


class Latch:
    """A flag that is set once, by any thread, and that any number of threads wait for."""

    __slots__ = ("_waiting", "is_set")

    def __init__(self) -> None:
        self.is_set = False
        self._waiting: list[LockType] = []

    def set(self, _: object = None) -> None:
        """Wake all that wait; the argument is for callers that pass one, and is not used."""
        self.is_set = True
        for lock in list(self._waiting):
            with suppress(RuntimeError):  # set twice
                lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the flag is set, at most `timeout` seconds; whether it is set.

        While the interpreter ends nothing is waited for: no thread is left that could set the flag.
        """
        if sys.is_finalizing():
            return self.is_set
        mine = allocate_lock()
        mine.acquire()
        self._waiting.append(mine)
        if not self.is_set:  # else `set` may have looked at the list before
            mine.acquire(True, -1 if timeout is None else min(max(timeout, 0.0), TIMEOUT_MAX))
        return self.is_set
