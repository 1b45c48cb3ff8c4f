"""A result from another thread; apart from `_latch`, because `concurrent.futures` takes long to import."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TypeVar

from esp32sock._latch import Latch

R = TypeVar("R")


class Answer(Future[R]):
    """A future whose `result` may be interrupted by a signal handler at any point."""

    def __init__(self) -> None:
        super().__init__()
        self._latch = Latch()
        self.add_done_callback(self._latch.set)

    def result(self, timeout: float | None = None) -> R:
        """As `Future.result`: TimeoutError after `timeout` seconds, CancelledError, or what was set."""
        self._latch.wait(timeout)
        return super().result(0)
