"""What a connected link takes of its program: Python's heap, and descriptors.

Four links beside a first one, each of which has carried 64 bytes there and back; the heap is what tracemalloc
counts, the socket of the application included. Firmware 4.1 on a pseudo-terminal.
"""

from __future__ import annotations

from bench._pty import measured
from bench._report import Criterion, Report
from esp32sock.simulator import Settings

MOST_HEAP_KB = 12.0
MOST_DESCRIPTORS = 2.0


def run() -> Report:
    report = Report("memory")
    for profile in ("2.0", "4.1"):
        found = measured("memory-echo", Settings(profile=profile, baud=115200), 1)
        heap_kb = round(found["heap_bytes"] / 1000, 1)
        report.rows.append({"firmware": profile, "heap_kb": heap_kb, "descriptors": found["descriptors"]})
        report.criteria += [
            Criterion(f"kB of heap a link, {profile}", heap_kb, MOST_HEAP_KB, at_most=True),
            Criterion(f"descriptors a link, {profile}", found["descriptors"], MOST_DESCRIPTORS, at_most=True),
        ]
    return report
