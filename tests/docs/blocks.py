"""The examples of the manual: fenced blocks of README.md and docs/*.md, and how they say they are run.

An HTML comment directly above a block, invisible to readers, says what its text cannot:

    <!-- not run: REASON -->      it is not run
    <!-- run after: NAME -->      a part of a program: the opening of this name comes first (running.py)

A block below a line that ends in the name of a file of examples/ and a colon is that file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]

FENCE = re.compile(r"(`{3,}|:{3,})(.*)")
FILE = re.compile(r".*`examples/([\w.]+)`:")
NOTE = re.compile(r"<!-- (not run|run after): (.+) -->")


@dataclass(frozen=True)
class Block:
    """One fenced block; `language` is the first word behind the fence."""

    page: str
    line: int
    language: str
    text: str
    above: str = ""
    """The line before it."""

    @property
    def not_run(self) -> str | None:
        """Why it is not run; None for one that is."""
        return self._note("not run")

    @property
    def opening(self) -> str | None:
        """The name of what comes before it."""
        return self._note("run after")

    @property
    def file(self) -> str | None:
        """The file of examples/ that it shows; test_examples.py runs it."""
        match = FILE.fullmatch(self.above)
        return match[1] if match is not None else None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def _note(self, kind: str) -> str | None:
        match = NOTE.fullmatch(self.above)
        return match[2] if match is not None and match[1] == kind else None


def blocks_of(page: str, text: str) -> Iterator[Block]:
    """The blocks of a page; ValueError for one that is not closed."""
    lines = iter(enumerate(text.splitlines(), 1))
    above = ""
    for number, line in lines:
        fence = FENCE.fullmatch(line)
        if fence is None:
            above = line or above
            continue
        inside: list[str] = []
        for _, inner in lines:
            if inner == fence[1]:
                break
            inside.append(inner)
        else:
            raise ValueError(f"{page}:{number}: a block without an end")
        language = fence[2].strip().partition(" ")[0]
        yield Block(page, number, language, "".join(f"{each}\n" for each in inside), above)
        above = ""


def pages() -> list[str]:
    """Every page of the manual, as a path below the root."""
    return ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))]


BLOCKS = [block for page in pages() for block in blocks_of(page, (ROOT / page).read_text("utf-8"))]


def programs(language: str) -> list[Block]:
    """The blocks of a language that are run as they stand."""
    return [block for block in BLOCKS if block.language == language and not block.not_run and not block.file]
