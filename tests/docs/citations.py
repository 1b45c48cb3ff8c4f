"""The citations in code, tests and documents, and what they can name; docs/reference/index.md has the forms.

A citation that has nothing to point to is returned as text that says where it stands and what is missing.
"""

from __future__ import annotations

import gzip
import re
from functools import cache
from typing import TYPE_CHECKING

from tests.docs.blocks import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGES = {
    "V1.0": ROOT / "docs/reference/instruction-set-v1.md",
    "at-dialects": ROOT / "docs/reference/at-dialects.md",
    "known-bugs": ROOT / "docs/reference/known-bugs.md",
    "performance-facts": ROOT / "docs/reference/performance-facts.md",
    "compat": ROOT / "docs/reference/compat.md",
    "real-firmware": ROOT / "docs/reference/real-firmware.md",
    "architecture": ROOT / "docs/architecture.md",
}
CAPTURES = ROOT / "tests/data/captures"
WALKS = ROOT / "tests/data/walks"
TRANSCRIPTS = ROOT / "tests/data/transcripts"
VERSIONS = {"1.0": "v201712", "2.0": "v2.0", "3.2": "v3.2c3", "4.1": "v4.1dev", "4.2": "v4.2dev"}
"""Firmware that was captured, and how its files are named."""

FOLDERS = ("_speedups", "bench", "docs", "esp32sock", "examples", "fuzz", "shims", "tests")
SUFFIXES = {".py", ".pyx", ".pxd", ".md"}
THEMSELVES = {"citations.py", "test_references.py"}

# A list of numbers: `5.2.9, 5.2.12`, `5 to 7`, `7.4, 7.11 and 9`. `2 from 2.1 on` is no part of one.
NUMBER = r"\d+(?:\.\d+)*"
NUMBERS = rf"{NUMBER}(?:(?:, | and | to |, and )(?:section |rule )?{NUMBER}\b(?! (?:on|from|is|bytes)\b))*"
PAGE = r"V1\.0|[Aa]t-dialects|[Kk]nown-bugs|[Pp]erformance-facts|compat|real-firmware|architecture"
NUMBERED = re.compile(rf"\b({PAGE}),? ({NUMBERS})")
CHAPTER = re.compile(rf"\bchapters? ({NUMBERS}) of the 2017 document")
RULE = re.compile(r"\b[Aa]t-dialects 3\.1,? rule (\d+)")
TRANSCRIPT = re.compile(rf"\btranscripts? ({NUMBERS})")
SWEEP = re.compile(r"\bsweeps? of ([A-Z_]+(?:(?:, | and )[A-Z_]{2,}\b(?!=))*)((?:(?:, | and )\d\.\d)*)")
OBSERVED = re.compile(r"\b[Oo]bserved (\d+\.\d+(?:(?:, | and )\d+\.\d+)*)(?:, ([a-z-]+)(?=[)\";.]))?")
CAPTURE = re.compile(r"\bv(?:201712|2\.0|3\.2c3|4\.1dev|4\.2dev)-[a-z]+(?:-[a-z]+|-\d{4})*\b")
OUTSIDE = re.compile(
    r"\.\./shared|real-firmware/|README of|README: |\(README\)"
    r"|style-anchors|packaging\.md|peers\.md|instruction-set-v1\.0"
)
"""Names of files that lie outside the repository, or did under these names."""


def sources() -> Iterator[Path]:
    """Every file whose citations count."""
    yield from sorted(ROOT.glob("*.md"))
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in SUFFIXES and path.name not in THEMSELVES and "__pycache__" not in path.parts:
                yield path


def running_text(text: str) -> str:
    """The text with each line break, and the mark of a comment behind it, as one blank."""
    return re.sub(r"\s*\n\s*(?:#:? )?\s*", " ", text)


@cache
def sections(page: str) -> frozenset[str]:
    """The numbers of a page's headings."""
    headings = re.findall(rf"^#+ ({NUMBER})\.? ", PAGES[page].read_text("utf-8"), re.M)
    return frozenset(headings)


@cache
def rules() -> frozenset[str]:
    """The rules of at-dialects 3.1."""
    section = PAGES["at-dialects"].read_text("utf-8").partition("### 3.1 ")[2].partition("\n###")[0]
    return frozenset(re.findall(r"^(\d+)\. ", section, re.M))


@cache
def swept(version: str) -> frozenset[str]:
    """The commands that the sweep of a version has sections for; none without a sweep."""
    path = CAPTURES / f"esp-at-{VERSIONS.get(version)}-sweep.txt.gz"
    text = gzip.decompress(path.read_bytes()).decode() if path.exists() else ""
    return frozenset(re.findall(r"^## \d+ (?:AT\+)?([A-Z_]+)\b", text, re.M))


def missing(text: str) -> Iterator[str]:
    """What the citations of a text name and what is not there."""
    text = running_text(text)
    for outside in OUTSIDE.finditer(text):
        yield f"{outside[0]}: outside the repository"
    numbered = [*NUMBERED.findall(text), *(("V1.0", numbers) for numbers in CHAPTER.findall(text))]
    for name, numbers in numbered:
        page = name if name in PAGES else name.lower()
        for number in re.findall(NUMBER, numbers):
            if number not in sections(page):
                yield f"{name} {number}: no such section"
    for rule in RULE.findall(text):
        if rule not in rules():
            yield f"at-dialects 3.1 rule {rule}: no such rule"
    for numbers in TRANSCRIPT.findall(text):
        for number in re.findall(NUMBER, numbers):
            if not any(TRANSCRIPTS.glob(f"{int(number):02}-*.txt")):
                yield f"transcript {number}: no such file"
    yield from _missing_captures(text)


def _missing_captures(text: str) -> Iterator[str]:
    for name in CAPTURE.findall(text):
        captured = any((folder / f"esp-at-{name}.txt.gz").exists() for folder in (CAPTURES, WALKS))
        named = captured or any(TRANSCRIPTS.glob(f"*-{name}.txt"))
        if not named:
            yield f"{name}: no such capture"
    for versions, name in OBSERVED.findall(text):
        known = [VERSIONS.get(version) for version in re.findall(NUMBER, versions)]
        if None in known:
            yield f"observed {versions}: a version that was not captured"
        elif name and not any(
            (folder / f"esp-at-{each}-{name}.txt.gz").exists()
            for each in known
            for folder in (CAPTURES, WALKS)
        ):
            yield f"observed {versions}, {name}: no such capture"
    for commands, versions in SWEEP.findall(text):
        wanted = re.findall(NUMBER, versions) or ["1.0", "2.0"]
        there = frozenset[str]().union(*(swept(version) for version in wanted))
        for command in re.findall(r"[A-Z_]+", commands):
            if command not in there:
                yield f"sweep of {command}{versions}: no such section"


def citations(text: str) -> int:
    """How many citations a text has."""
    text = running_text(text)
    return sum(len(form.findall(text)) for form in (NUMBERED, CHAPTER, TRANSCRIPT, SWEEP, OBSERVED, CAPTURE))
