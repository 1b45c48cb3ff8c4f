"""What outlives a command: the parts of the session that commands share, and what one leaves for the next."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from esp32sock.at.barrier import Barrier
from esp32sock.at.state import ModuleState

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    from esp32sock.at.events import Event
    from esp32sock.at.framing import Demux
    from esp32sock.at.links import Links
    from esp32sock.at.state import CommandInput, CommandState, Machine, ModuleInput

SHOWN_BYTES = 32
"""How much of the last input is examined to decide whether it is text."""
NO_TEXT = re.compile(rb"[\x00\x80-\xff]")
"""What two ends at different rates receive from each other."""
QUEUED_BYTES = 2 * 8192
"""An answer may stand behind so much `+IPD` in the module's transmit ring (8192, at-dialects 2), which
several links refill while it waits: twice over, by taste."""
LONGEST_ROUND_TRIP_S = 1.0
"""Serial servers and tunnels add up to so much between a line and its answer (known-bugs 27)."""


@dataclass(slots=True)
class TransactionContext:
    """One per session; times in seconds of the session's clock."""

    machine: Machine[CommandState, CommandInput]
    module: Machine[ModuleState, ModuleInput]
    demux: Demux
    links: Links
    events: deque[Event]
    on_command_succeeded: Callable[[bytes], None]
    on_passthrough: Callable[[], None]
    outgoing: list[bytes | memoryview] = field(default_factory=list)
    """What must be written next."""
    s_per_byte: float = 0.0
    heard_at: float = 0.0
    """When the last byte was read."""
    understood_at: float = 0.0
    """When the last byte was read that made sense: a line that is known, or payload."""
    reports_received: bool = False
    """Whether this module prints `Recv`."""
    send_failed: bool = False
    """Whether a send failed and no `Recv` was seen since."""
    repeats: int = 0
    """How often a command went out again."""
    barrier: Barrier = field(default_factory=Barrier)
    _heard_last: bytes = b""
    round_trip_s: float = 0.0
    """From a short line to its answer, as measured: rises at once, falls slowly."""
    prompt_s: float = 0.0
    """From the line of a send to its prompt, in the same way: what a command costs beside its payload."""

    def heard(self, data: bytes | memoryview, now: float) -> None:
        """Bytes were read."""
        self.heard_at = now
        self._heard_last = bytes(data[-SHOWN_BYTES:])

    def is_misheard_since(self, when: float) -> bool:
        """Whether what was read since then makes no sense and is no text: the module has another rate."""
        if self.heard_at < when or self.understood_at >= when or not self._heard_last:
            return False
        return 2 * len(NO_TEXT.findall(self._heard_last)) >= len(self._heard_last)

    def measured(self, seconds: float) -> None:
        """A short command was answered so long after its line was written."""
        self.round_trip_s = min(LONGEST_ROUND_TRIP_S, max(seconds, 0.9 * self.round_trip_s))

    def prompted(self, seconds: float) -> None:
        """The prompt of a send came so long after its line was written."""
        self.prompt_s = min(LONGEST_ROUND_TRIP_S, max(seconds, 0.9 * self.prompt_s))

    @property
    def grace_s(self) -> float:
        """What the line alone may add to an answer: three round trips."""
        return 3 * self.round_trip_s

    @property
    def queued_s(self) -> float:
        """How much older than its printing a line may be when it is read; no link is open while SYNCING."""
        syncing = self.module.state is ModuleState.SYNCING
        return 0.0 if syncing else QUEUED_BYTES * self.s_per_byte
