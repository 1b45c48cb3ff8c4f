"""What is logged of an outage: its begin, ever more rarely that it lasts, and its end.

Theory of operation: a message is due when none was written for `_pause_s`, which doubles with each message. A
module that is back only for a moment does not reset that: the pause begins anew when the module stayed for
longer than the pause. An end is written if the outage was.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_PAUSE_S = 10.0
LONGEST_PAUSE_S = 3600.0
NEVER = float("-inf")

log = logging.getLogger("esp32sock")


class OutageLog:
    """The messages about `subject`, such as one module; `clock` gives seconds."""

    def __init__(self, subject: str, clock: Callable[[], float]) -> None:
        self._subject = subject
        self._clock = clock
        self._pause_s = FIRST_PAUSE_S
        self._due_at = NEVER
        self._began_at: float | None = None
        self._ended_at = NEVER
        self._attempts = 0
        self._is_announced = False

    def failed(self, error: Exception) -> None:
        """It cannot be used, or again not."""
        now = self._clock()
        if self._began_at is None:
            self._began_at, self._attempts, self._is_announced = now, 0, False
            if now - self._ended_at > self._pause_s:
                self._pause_s, self._due_at = FIRST_PAUSE_S, NEVER
        self._attempts += 1
        if now < self._due_at:
            return
        if self._is_announced:
            lasts_s = now - self._began_at
            log.warning("%s (for %.0f s, %d attempts)", error, lasts_s, self._attempts)
        else:
            log.warning("%s", error)
        self._is_announced = True
        self._due_at = now + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def ended(self) -> None:
        """It can be used."""
        if self._began_at is None:
            return
        now = self._clock()
        if self._is_announced:
            log.warning("%s is back after %.0f s", self._subject, now - self._began_at)
        self._began_at, self._ended_at = None, now
