"""Whose turn it is on a line that carries one command at a time."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CONTENTION_S = 2.0
"""How long the line counts as wanted by several tasks after one had to wait; by taste."""


class Turns:
    """A fair queue that remembers for a while that there was one."""

    def __init__(self) -> None:
        self._lock = trio.StrictFIFOLock()
        self._in_foreground = 0
        self._contended_until = 0.0

    @property
    def are_contended(self) -> bool:
        """Whether a task waits for its turn, or had to a moment ago: who has it now is to be short."""
        return trio.current_time() < self._contended_until

    @asynccontextmanager
    async def hold(self, *, in_background: bool = False) -> AsyncIterator[None]:
        """One turn; `in_background`: it is short, and nothing is late if it has to wait."""
        if in_background:
            async with self._lock:
                yield
            return
        if self._in_foreground:
            self._contended_until = trio.current_time() + CONTENTION_S
        self._in_foreground += 1
        try:
            async with self._lock:
                yield
        finally:
            self._in_foreground -= 1
