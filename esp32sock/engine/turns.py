"""Whose turn it is on a line that carries one command at a time."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SHORT_S = 0.02
"""A wait that no chunk need be cut short for: on a quick line all are shorter."""
CONTENTION_S = 2.0
"""How long the line counts as wanted by several tasks after one had to wait; by taste."""


class Turns:
    """A fair queue that keeps for a while that a task had to wait in it."""

    def __init__(self) -> None:
        self._lock = trio.StrictFIFOLock()
        self._contended_until = 0.0

    @property
    def are_contended(self) -> bool:
        """Whether a task had to wait for its turn a moment ago: what holds the line now is to be short."""
        return trio.current_time() < self._contended_until

    @asynccontextmanager
    async def hold(self, *, in_background: bool = False) -> AsyncIterator[None]:
        """One turn; `in_background`: nothing is late if it has to wait."""
        await self._take(in_background=in_background)
        try:
            yield
        finally:
            self._lock.release()

    async def _take(self, *, in_background: bool) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            self._lock.acquire_nowait()  # a line that is free needs no pass through the scheduler
            return
        except trio.WouldBlock:
            asked_s = trio.current_time()
        await self._lock.acquire()
        had_s = trio.current_time()
        if had_s - asked_s > SHORT_S and not in_background:
            self._contended_until = had_s + CONTENTION_S
