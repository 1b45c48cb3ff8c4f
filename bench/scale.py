"""What a received byte costs with one, four and sixteen modules in one process, five links each.

Pseudo-terminals without a pace, active receive (2.0). CPU time of the program alone, which reads all links in
one thread. Content is checked. The modules are simulated in this process, so the time that passes says
nothing.
"""

from __future__ import annotations

from bench._pty import measured
from bench._report import Criterion, Report
from esp32sock.simulator import Settings

MODULES = (1, 4, 16)
COUNT = 100_000
"""Bytes of a link."""
LINKS = 5
RUNS = 3
MOST_TIMES = 1.5
MOST_THREADS = 2
"""That of the program, and one engine thread."""


def run(*, quick: bool = False) -> Report:
    report = Report("scale")
    settings = Settings(profile="2.0", paced=False, baud=115200)
    counts = MODULES[:2] if quick else MODULES
    cheapest = dict.fromkeys(counts, float("inf"))
    found: dict[str, float] = {}
    for modules in counts:
        for _ in range(1 if quick else RUNS):
            found = measured("scale-waiting", settings, COUNT, modules)
            ns = 1e9 * found["cpu_s"] / (COUNT * LINKS * modules)
            cheapest[modules] = min(cheapest[modules], ns)
        report.rows.append(
            {
                "modules": modules,
                "ns_a_byte": round(cheapest[modules], 1),
                "threads": int(found["threads"]),
                "descriptors": int(found["descriptors"]),
            }
        )
    for modules in counts[1:]:
        ratio = round(cheapest[modules] / cheapest[1], 2)
        name = f"CPU of a byte, {modules} modules beside one"
        report.criteria.append(Criterion(name, ratio, MOST_TIMES, at_most=True))
    report.criteria.append(
        Criterion(f"threads with {counts[-1]} modules", found["threads"], MOST_THREADS, at_most=True)
    )
    return report
