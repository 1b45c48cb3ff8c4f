"""Reading a capture file: sections of steps, and the exchanges they make.

The format is that of tests/data/captures: seconds, `H>M` or `M>H`, a byte count and the bytes escaped. Lines
that begin with `#` are remarks, `##` heads a section, `---` is the recorder's time-out. An exchange is one
host write and all that the module prints until the next one.
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass, field
from pathlib import Path

DATA = Path(__file__).parents[2] / "data"
CAPTURES = DATA / "captures"
WALKS = DATA / "walks"
"""Random commands, one session a file, and probes of single rules (real-firmware 7)."""

_LINE = re.compile(r" *(\d+\.\d+) (H>M|M>H|---) *(?:(\d+) )?(.*)\Z", re.DOTALL)
_ESCAPE = re.compile(rb"\\(r|n|\\|x[0-9a-fA-F]{2})")
_SIMPLE = {b"r": b"\r", b"n": b"\n", b"\\": b"\\"}


@dataclass(frozen=True)
class Written:
    """The host wrote."""

    time_s: float
    data: bytes
    line: int


@dataclass(frozen=True)
class Printed:
    """The module printed."""

    time_s: float
    data: bytes
    line: int


@dataclass(frozen=True)
class Remark:
    """What the recorder says about what comes next; `heading` for those with `##`."""

    text: str
    heading: bool
    line: int


Step = Written | Printed | Remark


@dataclass
class Section:
    """What stands under one `##`; times begin anew where `restarts_time`."""

    title: str
    line: int
    steps: list[Step] = field(default_factory=list)

    @property
    def fresh(self) -> bool:
        """The module was started for this section, with the flash as shipped."""
        return "(fresh boot" in self.title

    @property
    def state(self) -> str:
        """The state of a sweep that this section belongs to; empty if to none."""
        _, found, rest = self.title.partition("| state: ")
        return rest.rpartition(" (")[0] if found else ""


@dataclass
class Capture:
    """One file. `firmware` is the part of its name that says what was captured."""

    name: str
    firmware: str
    topic: str
    sections: list[Section]


def unescape(text: str) -> bytes:
    def byte(match: re.Match[bytes]) -> bytes:
        code = match[1]
        return _SIMPLE.get(code) or bytes([int(code[1:], 16)])

    return _ESCAPE.sub(byte, text.encode("latin-1"))


def available() -> list[Path]:
    return sorted([*CAPTURES.glob("esp-at-*.txt.gz"), *WALKS.glob("esp-at-*.txt.gz")])


def load(path: Path) -> Capture:
    """Read a capture, compressed or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        text = file.read().decode("latin-1")
    stem = path.name.removesuffix(".gz").removesuffix(".txt")
    _, _, firmware, topic = stem.split("-", 3)
    sections: list[Section] = []
    section = Section("", 1)
    sections.append(section)
    in_header = True
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("## "):
            section = Section(line[3:], number)
            sections.append(section)
            section.steps.append(Remark(line[3:], True, number))
            in_header = False
        elif line.startswith("#"):
            if not in_header:
                section.steps.append(Remark(line[1:].strip(), False, number))
        elif match := _LINE.match(line):
            in_header = False
            time_s, way, count, rest = match.groups()
            if way == "---":
                continue
            data = unescape(rest)
            if len(data) != int(count) and b"left out)" not in data:
                raise ValueError(f"{path.name}:{number}: {count} bytes announced, {len(data)} found")
            kind = Written if way == "H>M" else Printed
            section.steps.append(kind(float(time_s), data, number))
    return Capture(stem, firmware, topic, [each for each in sections if each.steps])
