"""What sockets add to 64 bytes there and back, beside a bare script that knows every answer.

An unpaced pseudo-terminal, so that nothing but the two programs takes time; the module is simulated in this
process. Median time and mean CPU time of one round trip; the two take turns, and the least of each counts.
"""

from __future__ import annotations

from bench._pty import measured
from bench._report import Criterion, Report
from esp32sock.simulator import Settings

COUNT = 400
QUICK_COUNT = 100
RUNS = 5
MOST_ADDED_MS = 0.2
MOST_OF_BARE_CPU = 3.0


def run(*, quick: bool = False) -> Report:
    report = Report("latency")
    settings = Settings(profile="2.0", paced=False, baud=115200)
    runs: dict[str, list[dict[str, float]]] = {"our-echo": [], "bare-echo": []}
    for _ in range(1 if quick else RUNS):
        for what, found in runs.items():
            found.append(measured(what, settings, QUICK_COUNT if quick else COUNT))
    best = {
        what: {key: min(one[key] for one in found) for key in ("cpu_s", "took_s")}
        for what, found in runs.items()
    }
    for what, figures in best.items():
        report.rows.append(
            {
                "program": what,
                "median_ms": round(1000 * figures["took_s"], 3),
                "cpu_us": round(1e6 * figures["cpu_s"], 1),
            }
        )
    ours, bare = best["our-echo"], best["bare-echo"]
    added_ms = round(1000 * (ours["took_s"] - bare["took_s"]), 3)
    report.criteria = [
        Criterion("ms added to a round trip of 64 bytes", added_ms, MOST_ADDED_MS, at_most=True),
        Criterion(
            "CPU of a round trip, beside the script's",
            round(ours["cpu_s"] / bare["cpu_s"], 2),
            MOST_OF_BARE_CPU,
            at_most=True,
        ),
    ]
    return report
