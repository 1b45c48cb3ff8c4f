"""All statements of the document, and how many of their checks hold."""

from __future__ import annotations

from dataclasses import dataclass, field

from . import chapter_2_3, chapter_4, chapter_5, chapter_6_8
from .checking import holds

STATEMENTS = [
    statement
    for chapter in (chapter_2_3, chapter_4, chapter_5, chapter_6_8)
    for statement in chapter.STATEMENTS
]

CONTRADICTIONS = {
    "2": "a test form shows ranges, and in 4.2.1 the mode; the range is followed, as firmware does",
    "3.2.7": "the list of values stands one parameter too early; 3.2.8 and 3.2.9 have it right",
    "4.2.3": "0 is said to order by strength, and the example says that 1 does; the example is followed",
    "4.2.6": "the query's response has no OK, which every other has",
    "5.2.7": "the response has bare addresses, and 7.2 has labels and quotes; 7.2 is followed",
    "5.2.13": "`<enable>` is explained and stands in no command",
    "7.3.2": "OK alone to a UDP CIPSTART, and CONNECT before it in 7.2.1 and 7.2.2, which are followed",
}
"""Where the document says two things, and which one holds here."""


@dataclass
class Counts:
    """Checks made and passed; what failed, in words."""

    made: int = 0
    passed: int = 0
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        unseen = sum(not statement.checks for statement in STATEMENTS)
        return (
            f"{self.passed} of {self.made} checks pass; {len(STATEMENTS)} statements, {unseen} of which no "
            f"line shows; the document contradicts itself in {len(CONTRADICTIONS)} places"
        )


def run(section: str = "") -> Counts:
    """Run the checks of one section, or of all."""
    counts = Counts()
    for statement in STATEMENTS:
        if section and statement.section != section:
            continue
        for check in statement.checks:
            good, said = holds(check)
            counts.made += 1
            counts.passed += good
            if not good:
                counts.failures.append(
                    f"{statement.section} {statement.text}: {check.line} behind {check.before} "
                    f"says {said}, and {check.answer} is wanted"
                )
    return counts
