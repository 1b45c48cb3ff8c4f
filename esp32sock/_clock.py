"""The clock of waits, and of trio in a thread of its own: tests that freeze time do not stop it.

freezegun and time-machine replace the functions of `time`, those that trio's own clock uses too. They leave
CLOCK_MONOTONIC of `time.clock_gettime` as it is (freezegun 1.5, time-machine 3.6).
"""

from __future__ import annotations

import time

import trio


def monotonic() -> float:
    """Seconds since an unspecified moment, whatever `time.monotonic` returns."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


class UnfrozenClock(trio.abc.Clock):
    """What `monotonic` returns."""

    def start_clock(self) -> None:
        """Nothing to start."""

    def current_time(self) -> float:
        return monotonic()

    def deadline_to_sleep_time(self, deadline: float) -> float:
        return deadline - self.current_time()
