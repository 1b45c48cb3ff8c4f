"""Each citation in code, tests and documents names a section, a fault or a file of this repository."""

from __future__ import annotations

import pytest

from tests.docs import citations
from tests.docs.blocks import ROOT

AT_LEAST = 1000
"""Citations in the tree; far fewer mean that the forms are no longer recognised."""


def test_every_citation_resolves() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {missing}"
        for path in citations.sources()
        for missing in citations.missing(path.read_text("utf-8"))
    ]
    assert not found, "\n" + "\n".join(found)


def test_the_citations_are_recognised() -> None:
    assert sum(citations.citations(path.read_text("utf-8")) for path in citations.sources()) >= AT_LEAST


@pytest.mark.parametrize("page", sorted(citations.PAGES))
def test_every_page_has_numbered_sections(page: str) -> None:
    assert len(citations.sections(page)) >= 8


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("(at-dialects 7.99).", "at-dialects 7.99"),
        ("at-dialects 7.4, 7.99 and 9", "at-dialects 7.99"),
        ("at-dialects\n    13", "at-dialects 13"),
        ("# (known-bugs\n# 99)", "known-bugs 99"),
        ("At-dialects 3.1 rule 8", "rule 8"),
        ("V1.0, 5.2.18, at-dialects 7", "V1.0 5.2.18"),
        ("chapter 10 of the 2017 document", "V1.0 10"),
        ("performance-facts 9", "performance-facts 9"),
        ("compat 6", "compat 6"),
        ("architecture 10", "architecture 10"),
        ("transcripts 8 and 39", "transcript 39"),
        ("sweep of CIPSTARTLE", "sweep of CIPSTARTLE"),
        ("sweep of CWSTARTSMART, 1.0", "sweep of CWSTARTSMART"),
        ("sweeps of CIPSTO and CIPSTA", "sweep of CIPSTA"),
        ("observed 2.2", "observed 2.2"),
        ("observed 2.0, sysmsg)", "observed 2.0, sysmsg"),
        ("v4.1dev-nothing", "v4.1dev-nothing"),
        ("../shared/reference", "outside the repository"),
    ],
)
def test_a_citation_that_leads_nowhere_is_found(text: str, missing: str) -> None:
    found = list(citations.missing(text))
    assert len(found) == 1
    assert missing in found[0]


@pytest.mark.parametrize(
    "text",
    [
        "at-dialects 7.9",
        "at-dialects 5, from 1.2 on",
        "V1.0, 3.2.10; 2 from 2.1 on",
        "known-bugs 12, 15",
        "V1.0 4.2.15 to 4.2.17",
        "at-dialects 3.1 rule 7",
        "sweep of CWJAP, 1.0, 2.0",
        "sweep of CIPCLOSE, CIPMUX=0",
        "observed 4.1, sysmsg)",
        "observed 2.0, 4.1, 4.2",
        "transcript 7",
        "v201712-basic",
    ],
)
def test_a_good_citation_passes(text: str) -> None:
    assert citations.citations(text) == 1
    assert not list(citations.missing(text))
