"""How long `attach` takes on a module that nobody has used, and on one that a program has left.

A paced pseudo-terminal at 115200 baud, turn-around 1 ms, real time; the package is imported before. The best
of the runs.
"""

from __future__ import annotations

from bench._pty import measured
from bench._report import Criterion, Report
from esp32sock.simulator import Settings

RUNS = 3
MOST_S = 0.35


def run(*, quick: bool = False) -> Report:
    report = Report("attach")
    for profile in ("2.0", "4.1"):
        settings = Settings(profile=profile, paced=True, baud=115200, latency_ms=1.0)
        found = [measured("attach-echo", settings, 1) for _ in range(1 if quick else RUNS)]
        first_s, again_s = (round(min(one[key] for one in found), 3) for key in ("first_s", "again_s"))
        report.rows.append({"firmware": profile, "first_s": first_s, "again_s": again_s})
        report.criteria += [
            Criterion(f"seconds, {profile}", first_s, MOST_S, at_most=True),
            Criterion(f"seconds once more, {profile}", again_s, MOST_S, at_most=True),
        ]
    return report
