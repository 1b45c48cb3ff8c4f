"""The figures of the benches in virtual time: they repeat to the digit, so a fall is a change of the code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from bench import duplex, fairness, goodput, http, smallwrites

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench._report import Report

FIGURES = Path(goodput.__file__).with_name("figures.json")
FALL_POINTS = 0.5
"""Percent of a ceiling, or of a time, that a figure may be worse than the one on record."""

BENCHES: dict[str, Callable[[], Report]] = {
    "goodput": lambda: goodput.run(quick=True),
    "smallwrites": lambda: smallwrites.run(quick=True),
    "duplex": lambda: duplex.run(quick=True),
    "http": lambda: http.run(quick=True),
    "fairness": lambda: fairness.run(quick=True),
}


def figures(report: Report) -> dict[str, float]:
    """Each criterion's figure by its name."""
    return {criterion.name: criterion.value for criterion in report.criteria}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", BENCHES)
def test_no_figure_falls(name: str) -> None:
    """To record better ones: `python -m tests.bench.test_figures`, and say why in the commit."""
    report = BENCHES[name]()
    assert report.holds, report.as_text()
    recorded = cast("dict[str, float]", json.loads(FIGURES.read_text())[name])
    assert figures(report).keys() == recorded.keys()
    for criterion in report.criteria:
        before = recorded[criterion.name]
        if criterion.at_most:
            assert criterion.value <= before * (1 + FALL_POINTS / 100), criterion.name
        else:
            assert criterion.value >= before - FALL_POINTS / 100, criterion.name


def record() -> None:
    """Write the present figures."""
    found = {name: figures(bench()) for name, bench in BENCHES.items()}
    FIGURES.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    record()
