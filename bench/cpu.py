"""What share of a core a download costs, beside a bare thread that only polls, reads and hands over.

The module is simulated in this process, on a paced pseudo-terminal; each program has a process of its own,
whose CPU time counts for the transfer alone. Active receive (2.0): the line never pauses. Content is checked;
the two take turns, and the least of each counts.
"""

from __future__ import annotations

from bench._pty import measured
from bench._report import Criterion, Report
from esp32sock.simulator import Settings

SECONDS = 2.0
"""Of transfer at the line's rate."""
BAUDS = (115200, 921600, 3000000)
QUICK_BAUDS = (921600,)
RUNS = 3
MOST_OF_BARE = 1.3


def run(*, quick: bool = False) -> Report:
    report = Report("cpu")
    for baud in QUICK_BAUDS if quick else BAUDS:
        settings = Settings(profile="2.0", paced=True, baud=baud)
        count = int(SECONDS * baud / 10)
        runs: dict[str, list[dict[str, float]]] = {"our-download": [], "bare-download": []}
        for _ in range(1 if quick else RUNS):
            for what, found in runs.items():
                found.append(measured(what, settings, count))
        cpu_s = {what: min(one["cpu_s"] for one in found) for what, found in runs.items()}
        for what, found in runs.items():
            took_s = min(one["took_s"] for one in found)
            report.rows.append(
                {
                    "baud": baud,
                    "program": what,
                    "core_percent": round(100 * cpu_s[what] / took_s, 2),
                    "ns_a_byte": round(1e9 * cpu_s[what] / count),
                    "line_percent": round(100 * count / took_s / (baud / 10), 1),
                }
            )
        ratio = round(cpu_s["our-download"] / cpu_s["bare-download"], 2)
        name = f"CPU of a download at {baud}, beside a bare thread"
        report.criteria.append(Criterion(name, ratio, MOST_OF_BARE, at_most=True))
    return report
