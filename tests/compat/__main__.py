"""CPython's own network tests over a simulated module: `python -m tests.compat [TEXT ...]`.

Runs every class of the plan whose name has one of the texts, one process a class, and compares with what is
expected. The exit status is 0 if nothing unexpected happened.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from tests.compat.expected import EXPECTED, MOST
from tests.compat.plan import QUICK, Unit, has_ipv6, units
from tests.compat.running import Outcome, run_unit

if TYPE_CHECKING:
    from collections.abc import Sequence

LINK_USING_PASSES = 300
"""At least so many of the whole plan's passes open a link, or the run proves nothing."""


class Report:
    """What came out, and what is wrong with it."""

    def __init__(self) -> None:
        self.outcomes: dict[Unit, list[Outcome]] = {}
        self.complaints: list[str] = []

    def add(self, unit: Unit, outcomes: list[Outcome], skipped_unpatched: set[str]) -> None:
        self.outcomes[unit] = outcomes
        for outcome in outcomes:
            expected = EXPECTED.get(outcome.test)
            if outcome.word in ("failed", "hung"):
                if expected is None or not expected.is_shown_by(outcome):
                    self.complaints.append(f"{outcome.word}: {outcome.test}\n{outcome.text}")
            elif outcome.word == "ok" and expected is not None:
                self.complaints.append(f"passed, though {expected.reason}: {outcome.test}")
            elif outcome.word == "skipped" and outcome.test not in skipped_unpatched:
                self.complaints.append(f"skipped only over the module: {outcome.test}: {outcome.text}")

    def count(self, word: str, unit: Unit | None = None) -> int:
        found = (
            self.outcomes[unit] if unit else [each for all_of in self.outcomes.values() for each in all_of]
        )
        return sum(outcome.word == word for outcome in found)

    def link_using(self, unit: Unit | None = None) -> int:
        found = (
            self.outcomes[unit] if unit else [each for all_of in self.outcomes.values() for each in all_of]
        )
        return sum(outcome.word == "ok" and outcome.links > 0 for outcome in found)

    def line(self, unit: Unit | None = None) -> str:
        expected = self.count("failed", unit) + self.count("hung", unit)
        return (
            f"{self.count('ok', unit):4} passed, {self.link_using(unit):4} of them over links, "
            f"{self.count('skipped', unit):3} skipped, {expected:2} failed"
        )


def run_all(chosen: Sequence[Unit], profile: str, jobs: int) -> Report:
    """Run these units and say how each of them went."""
    report = Report()

    def one(unit: Unit) -> tuple[Unit, list[Outcome], set[str]]:
        outcomes = list(run_unit(unit, profile=profile).values())
        skipped: set[str] = set()
        if not has_ipv6(profile):  # what asks for it is skipped
            skipped = {outcome.test for outcome in outcomes if outcome.word == "skipped"}
        elif any(outcome.word == "skipped" for outcome in outcomes):
            unpatched = run_unit(unit, profile=None).values()
            skipped = {outcome.test for outcome in unpatched if outcome.word == "skipped"}
        return unit, outcomes, skipped

    with ThreadPoolExecutor(jobs) as pool:
        for unit, outcomes, skipped in pool.map(one, chosen):
            report.add(unit, outcomes, skipped)
            print(f"{report.line(unit)}  {unit}", flush=True)
    return report


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.compat", description=__doc__)
    parser.add_argument("texts", nargs="*", metavar="TEXT")
    parser.add_argument("--quick", action="store_true", help="only the classes that `make test` runs")
    parser.add_argument("--profile", default="2.4")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write every outcome to this file")
    arguments = parser.parse_args()
    chosen = [unit for unit in units(arguments.texts) if not arguments.quick or str(unit) in QUICK]
    report = run_all(chosen, arguments.profile, arguments.jobs)
    whole = not arguments.texts and not arguments.quick
    if whole and report.link_using() < LINK_USING_PASSES:
        report.complaints.append(f"only {report.link_using()} passes used a link")
    if len(EXPECTED) > MOST:
        report.complaints.append(f"{len(EXPECTED)} expected failures are more than {MOST}")
    if arguments.json:
        everything = [
            {
                "test": each.test,
                "outcome": each.word,
                "links": each.links,
                "seconds": each.seconds,
                "text": each.text,
            }
            for outcomes in report.outcomes.values()
            for each in outcomes
        ]
        arguments.json.write_text(json.dumps(everything, indent=1))
    print(f"{report.line()}  in all; {len(EXPECTED)} failures are expected")
    for unit_outcomes in report.outcomes.values():
        for outcome in unit_outcomes:
            expected = EXPECTED.get(outcome.test)
            if outcome.word == "skipped":
                print(f"skipped {outcome.test}: {outcome.text}")
            elif expected is not None:
                print(f"{outcome.word} {outcome.test}: {expected.category.value}: {expected.reason}")
    for complaint in report.complaints:
        print(f"\n{complaint}")
    return 1 if report.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
