"""How long an answer is awaited: so long in silence, and longer while the module prints."""

from __future__ import annotations

NEVER = float("inf")

QUIET_S = 1.0
"""No byte for so long: nothing of the module is on its way any more."""


class Patience:
    """One wait. An answer may stand behind what the module prints: in its transmit ring, or in a bridge.

    Times in seconds of the session's clock.
    """

    __slots__ = ("_limit", "_quiet_s", "due")

    def __init__(self) -> None:
        self.due = NEVER
        """When to ask `is_over`."""
        self._quiet_s = 0.0
        self._limit = NEVER

    def start(self, now: float, seconds: float, queued_s: float) -> None:
        """Wait from now on; up to `queued_s` longer while the module prints."""
        self.due = now + seconds
        self._quiet_s = min(seconds, QUIET_S)
        self._limit = self.due + queued_s

    def stop(self) -> None:
        """Wait for nothing."""
        self.due = self._limit = NEVER

    def at_latest(self, when: float) -> None:
        """The wait is over then, or earlier if that was so already."""
        if when < self.due:
            self.due = self._limit = when

    def extend(self, seconds: float) -> None:
        """Wait so much longer."""
        self.due += seconds
        self._limit += seconds

    def is_over(self, now: float, heard_at: float) -> bool:
        """Whether the answer is too late; `heard_at` is when the last byte was read."""
        if now < self.due:
            return False
        if heard_at + self._quiet_s > now and now < self._limit:
            self.due = min(self._limit, heard_at + self._quiet_s)
            return False
        return True
