"""The clock of trio in a thread of its own: tests that freeze time do not stop it."""

from __future__ import annotations

import trio

from esp32sock._monotonic import monotonic


class UnfrozenClock(trio.abc.Clock):
    """What `monotonic` returns."""

    def start_clock(self) -> None:
        """Nothing to start."""

    def current_time(self) -> float:
        return monotonic()

    def deadline_to_sleep_time(self, deadline: float) -> float:
        return deadline - monotonic()
