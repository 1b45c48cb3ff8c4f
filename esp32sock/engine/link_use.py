"""Who uses which link, and since when: for the error that there is none, and for taking back idle ones."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio


@dataclass(frozen=True, slots=True)
class LinkUse:
    """One link in use."""

    peer: str
    """Kind and peer, in words."""
    began_at: float = field(default_factory=trio.current_time)

    def __str__(self) -> str:
        return f"{self.peer} for {trio.current_time() - self.began_at:.0f} s"
