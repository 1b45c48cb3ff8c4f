"""What is kept of a search between its runs: counts, corpus, findings; all in one folder a target."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SAVE_S = 2.0


@dataclass
class Counts:
    """How far a search is."""

    units: int = 0
    executions: int = 0
    seconds: float = 0.0
    covered: int = 0
    grew_at: int = 0
    """The execution at which coverage grew last."""
    curve: list[tuple[int, int]] = field(default_factory=list)
    """Executions and the coverage that they gave; a point where coverage grew."""


@dataclass
class State:
    """The folder of one target and one engine."""

    folder: Path
    engine: str
    counts: Counts = field(init=False)

    def __post_init__(self) -> None:
        for part in ("corpus", "findings"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        self._path = self.folder / f"counts-{self.engine}.json"
        self.counts = Counts(**json.loads(self._path.read_text())) if self._path.exists() else Counts()
        self._saved_at = time.monotonic()

    def add(self, units: int) -> None:
        """One execution is through."""
        self.counts.units += units
        self.counts.executions += 1
        if not self.counts.executions % 64 and time.monotonic() > self._saved_at + SAVE_S:
            self.save()

    def grew(self, covered: int) -> None:
        """Coverage is larger than ever."""
        counts = self.counts
        if counts.curve and counts.curve[-1][0] == counts.executions:
            counts.curve.pop()
        counts.curve.append((counts.executions, covered))
        counts.covered, counts.grew_at = covered, counts.executions

    def covered_after(self, share: float) -> int:
        """Coverage when this share of the executions was through."""
        most = share * self.counts.executions
        return max((covered for executions, covered in self.counts.curve if executions <= most), default=0)

    def save(self) -> None:
        now = time.monotonic()
        self.counts.seconds = round(self.counts.seconds + now - self._saved_at, 1)
        self._saved_at = now
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self.counts)))
        partial.rename(self._path)

    def reload(self) -> None:
        """Another process has counted."""
        self.counts = Counts(**json.loads(self._path.read_text())) if self._path.exists() else Counts()

    # Inputs

    def keep(self, data: bytes) -> None:
        """An input that reached something new."""
        self._write("corpus", data)

    def found(self, data: bytes) -> Path:
        """An input that shows a fault."""
        return self._write("findings", data)

    def corpus(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted((self.folder / "corpus").iterdir())]

    def _write(self, part: str, data: bytes) -> Path:
        path = self.folder / part / hashlib.sha1(data, usedforsecurity=False).hexdigest()
        path.write_bytes(data)
        return path
