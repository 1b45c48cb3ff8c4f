"""How often a module with nothing to do wakes its program: five open links in passive receive, and none.

A wake-up is a voluntary context switch of the program's process, as the kernel counts them. Firmware 4.1 on
a pseudo-terminal, simulated in this process.
"""

from __future__ import annotations

from bench._pty import measured
from bench._report import Criterion, Report
from esp32sock.simulator import Settings

SECONDS = 20
QUICK_SECONDS = 10
MOST_WITH_LINKS = 1.0
MOST_WITHOUT = 0.1
"""The heartbeat's clock goes on: one wake-up in 30 s, and here may be one."""


def run(*, quick: bool = False) -> Report:
    seconds = QUICK_SECONDS if quick else SECONDS
    found = measured("idle-echo", Settings(profile="4.1", baud=115200), seconds)
    report = Report("idle")
    report.rows = [
        {"links": 5, "wake_ups_a_second": found["with_links"]},
        {"links": 0, "wake_ups_a_second": found["without"]},
    ]
    report.criteria = [
        Criterion("wake-ups a second, five idle links", found["with_links"], MOST_WITH_LINKS, at_most=True),
        Criterion("wake-ups a second, no link", found["without"], MOST_WITHOUT, at_most=True),
    ]
    return report
