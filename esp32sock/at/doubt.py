"""When the next barrier goes out behind a command, and what the answers so far mean."""

from __future__ import annotations

from esp32sock.at.patience import NEVER, Patience

DOUBT_S = 1.5
"""A command without an answer for so long is doubtful; by taste: what takes longer is answered by busy."""
LONGEST_S = 10.0
"""Between two barriers while the module reports that it is busy."""
SILENT_BARRIERS = 3
"""So many without any answer, and nothing else received since the first: the module is silent."""


class Doubt:
    """The barriers behind one line. Times in seconds of the session's clock."""

    def __init__(self) -> None:
        self.patience = Patience()
        """Until the next one goes out, if the final result has not come."""
        self.barriers = 0
        """How many went out behind the line."""
        self.asked_at: float | None = None
        """When the last one did."""
        self._busies = 0
        self._unrefused = 0
        self._wait_s = DOUBT_S
        self._unanswered = 0
        self._unanswered_since = NEVER

    def asked(self, now: float, grace_s: float, queued_s: float) -> None:
        """A barrier goes out; the line may add `grace_s` to its answer, and the module's queue `queued_s`."""
        self.barriers += 1
        self.asked_at = now
        self._unrefused += 1
        if not self._unanswered:
            self._unanswered_since = now
        self._unanswered += 1
        self.patience.start(now, self._wait_s + grace_s, queued_s)
        self._wait_s = min(LONGEST_S, 2 * self._wait_s)

    def busy(self) -> bool:
        """`busy p...` came: whether it counts for a barrier, which was written last, or for the line."""
        self._busies += 1
        self._unanswered = 0
        if not self._unrefused:
            return False
        self._unrefused -= 1
        return True

    def answered_late(self, now: float) -> None:
        """An answer came that counts for a barrier of before this line: the next one may go out at once."""
        self.barriers -= 1
        self._unrefused = max(0, self._unrefused - 1)
        self._unanswered = 0
        self.patience.at_latest(now)

    @property
    def is_busy(self) -> bool:
        """Whether the module says that it still works, as far as is known."""
        return self._busies > 0 and self._unanswered <= 1

    @property
    def was_refused(self) -> bool:
        """Once a barrier is answered: whether `busy p...` came once more than the other barriers explain."""
        return self._busies >= self.barriers

    def is_silent(self, understood_at: float) -> bool:
        """Whether enough barriers had no answer; `understood_at` is when anything last made sense."""
        if understood_at > self._unanswered_since:  # it prints, and the answers may stand behind that text
            self._unanswered = min(self._unanswered, 1)
            self._unanswered_since = understood_at
        return self._unanswered >= SILENT_BARRIERS
