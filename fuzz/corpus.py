"""What real firmware said, out of `tests/data`: captures, walks and transcripts as bytes of one direction."""

from __future__ import annotations

import gzip
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(__file__).parents[1] / "tests" / "data"

Side = Literal["H", "M"]
"""Who speaks: the host or the module."""

_STEP = re.compile(r" *[0-9.]+ (H>M|M>H) +\d+ (.*)")
_ESCAPED = re.compile(rb"\\(?:x([0-9a-f]{2})|([rn\\]))")
_MARKS = {b"r": b"\r", b"n": b"\n", b"\\": b"\\"}


def unescaped(text: str) -> bytes:
    """Bytes as the recorder wrote them down."""
    return _ESCAPED.sub(
        lambda match: bytes.fromhex(match[1].decode()) if match[1] else _MARKS[match[2]],
        text.encode("latin-1"),
    )


@cache
def dialogues() -> tuple[tuple[tuple[Side, bytes], ...], ...]:
    """Every section of every recording: who said what, in order."""
    found = []
    for path in sorted([*DATA.glob("captures/*.gz"), *DATA.glob("walks/*.gz")]):
        sections: list[list[tuple[Side, bytes]]] = [[]]
        for line in gzip.decompress(path.read_bytes()).decode("utf-8").splitlines():
            if line.startswith("##"):
                sections.append([])
            elif match := _STEP.match(line):
                sections[-1].append(("H" if match[1][0] == "H" else "M", unescaped(match[2])))
        found += [tuple(section) for section in sections if section]
    found += [_transcript(path.read_text("utf-8")) for path in sorted(DATA.glob("transcripts/*.txt"))]
    return tuple(found)


def _transcript(text: str) -> tuple[tuple[Side, bytes], ...]:
    """The transcripts are lines of text; where their line ends are not shown they are put in."""
    steps: list[tuple[Side, bytes]] = []
    for line in text.splitlines():
        if line[:2] in ("> ", "< "):
            side: Side = "H" if line[0] == ">" else "M"
            data = line[2:].encode()
            steps.append((side, data if data == b">" else data + b"\r\n"))
    return tuple(steps)


def said(side: Side, most_bytes: int) -> Iterator[bytes]:
    """What one side said in each section, in pieces of at most so many bytes."""
    for dialogue in dialogues():
        data = b"".join(part for who, part in dialogue if who == side)
        for start in range(0, len(data), most_bytes):
            yield data[start : start + most_bytes]
