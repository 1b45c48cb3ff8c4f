"""How a data phase that went wrong is ended, step by step.

Theory of operation: inside a data phase the module waits for the announced bytes for ever and takes every
command as payload. Three bytes `+++` standing alone after 50 ms of silence end it (`SEND Canceled`,
observed 2.0, 4.1, 4.2). If they do not, either the module is in no data phase at all (the command or
the prompt was lost; an empty line then answers ERROR, observed) or it took them as data: then the rest is
filled up in small steps until the module answers. The link is reset by its owner in every case.
Source: at-dialects 7.5, known-bugs 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock._constants import ESCAPE_SEQUENCE
from esp32sock._dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SILENCE_S = 0.05
"""Before `+++`; the firmware needs more than 20 ms (at-dialects 7.10)."""
CANCEL_WAIT_S = 1.0
FLUSH_WAIT_S = 0.3
SETTLE_S = 0.05
REFILL_BYTES = 256
REFILL_WAIT_S = 0.05
LAST_WAIT_S = 2.0
"""These are chosen by taste, from answers seen within milliseconds."""

EMPTY_LINE = b"\r\n"
FILLER = b"0"
"""No NUL, which at-dialects 8.4 suggests: after one in a command line 1.0 ignores all input (observed)."""


@dataclass(frozen=True, slots=True)
class Step:
    """Write this, then wait so long for a final result, and for what the line may add where one is due."""

    write: bytes
    wait_s: float
    is_answered: bool = True
    refills: bool = False


def steps(payload_bytes: int, s_per_byte: float) -> Iterator[Step]:
    """Everything that can be tried for a data phase of this many bytes, in order."""
    yield Step(b"", SILENCE_S, is_answered=False)  # whatever the module prints
    yield Step(ESCAPE_SEQUENCE, CANCEL_WAIT_S)
    yield Step(EMPTY_LINE, FLUSH_WAIT_S)
    for start in range(0, payload_bytes, REFILL_BYTES):
        count = min(REFILL_BYTES, payload_bytes - start)
        wait_s = REFILL_WAIT_S + count * s_per_byte
        yield Step(FILLER * count, wait_s, is_answered=False, refills=True)  # else a slow line would add up
    yield Step(b"", LAST_WAIT_S, refills=True)


class DataPhaseRecovery:
    """The steps of one command, and what they may have left in the module's line buffer."""

    def __init__(self) -> None:
        self.line_ended = False
        """Whether the last bytes written ended a line, which the module answers if it is in no data phase."""
        self.answer_owed = False
        """Whether any of them did, so that an ERROR may still be on its way."""
        self._steps: Iterator[Step] | None = None

    @property
    def has_begun(self) -> bool:
        """Whether what goes out now belongs to no command."""
        return self._steps is not None

    def start(self, payload_bytes: int, s_per_byte: float) -> None:
        """From the first step; again when a prompt comes very late."""
        self._steps = steps(payload_bytes, s_per_byte)

    def next_step(self) -> Step | None:
        """What to try now; None after the last step."""
        return None if self._steps is None else next(self._steps, None)

    def wrote(self, pieces: Sequence[bytes | memoryview]) -> None:
        """These bytes went out."""
        self.line_ended = bytes(pieces[-1]) == EMPTY_LINE
        self.answer_owed = self.answer_owed or EMPTY_LINE in pieces
