"""Runs one unit in processes of its own until each of its tests has an outcome."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.compat.plan import Unit

ROOT = Path(__file__).parents[2]
UNIT_S = 900.0
"""Beyond the watchdog of each test."""


@dataclass(frozen=True)
class Outcome:
    """How one test ended: ok, failed, skipped, or hung (its process died with it)."""

    test: str
    word: str
    text: str = ""
    links: int = 0
    seconds: float = 0.0


def run_unit(unit: Unit, *, profile: str | None) -> dict[str, Outcome]:
    """Every test of the unit; without a profile, on the host's own sockets."""
    outcomes: dict[str, Outcome] = {}
    while True:
        new = _run_process(unit, profile, [*outcomes])
        outcomes |= new
        if not any(outcome.word == "hung" for outcome in new.values()):
            return outcomes


def _run_process(unit: Unit, profile: str | None, skip: list[str]) -> dict[str, Outcome]:
    how = ["--unpatched"] if profile is None else ["--profile", profile]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results")
        results.touch()
        command = [sys.executable, "-m", "tests.compat.child", str(results), unit.module, unit.name, *how]
        try:
            done = subprocess.run(
                [*command, "--skip", *skip],
                cwd=folder,
                env={**os.environ, "HOME": folder, "TMPDIR": folder, "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=UNIT_S,
                check=False,
            )
            said, died = done.stdout, done.returncode != 0
        except subprocess.TimeoutExpired as error:
            said, died = f"{error.stdout!r}\nthe process did not end", True
        entries = [json.loads(line) for line in results.read_text("utf-8").splitlines()]
    outcomes = {
        entry["end"]: Outcome(entry["end"], entry["outcome"], entry["text"], entry["links"], entry["seconds"])
        for entry in entries
        if "end" in entry
    }
    for entry in entries:
        if "start" in entry and entry["start"] not in outcomes:
            outcomes[entry["start"]] = Outcome(entry["start"], "hung", said)
            died = False
    if died:
        outcomes[f"{unit} (process)"] = Outcome(f"{unit} (process)", "failed", said)
    return outcomes
