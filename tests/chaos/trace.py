"""What happened in one run: every byte on the line with its time, faults, and what applications saw."""

from __future__ import annotations

import hashlib
from collections import Counter

import trio

SHOWN_BYTES = 70


class Trace:
    """In the order of happening."""

    def __init__(self) -> None:
        self.entries: list[tuple[float, str, bytes | str]] = []
        self.counts: Counter[str] = Counter()
        """Faults done, by kind."""

    def wrote(self, data: bytes) -> None:
        """The host wrote."""
        self._add(">", data)

    def heard(self, data: bytes) -> None:
        """The host read."""
        self._add("<", data)

    def note(self, text: str) -> None:
        """Something else that happened."""
        self._add("*", text)

    def fault(self, name: str, detail: bytes = b"") -> None:
        """A fault was done."""
        self.counts[name] += 1
        self._add("!", f"{name} {detail!r}" if detail else name)

    def _add(self, kind: str, what: bytes | str) -> None:
        self.entries.append((round(trio.current_time(), 6), kind, what))

    @property
    def digest(self) -> str:
        """The same for two runs in which the same happened at the same times."""
        return hashlib.sha256(repr((self.entries, sorted(self.counts.items()))).encode()).hexdigest()[:16]

    def lines(self, since: float = 0.0, until: float = float("inf")) -> list[str]:
        """Readable, payload cut short."""
        return [
            f"{when:9.3f} {kind} {_shown(what)}"
            for when, kind, what in self.entries
            if since <= when <= until
        ]


def _shown(what: bytes | str) -> str:
    if isinstance(what, str):
        return what
    if len(what) <= SHOWN_BYTES:
        return repr(what)
    return f"{what[:SHOWN_BYTES]!r}... {len(what)} bytes, ending {what[-12:]!r}"
