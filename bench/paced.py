"""What an upload gets in real time, on a pseudo-terminal as slow as a line: of what the line allows.

Firmware 4.1, turn-around 1 ms, chunks of 5760 bytes. The ceiling is that of `goodput`: virtual time, in which
the host answers at once. The simulator shares the machine with the program, and paces its line by sleeping:
what either is late by counts. The best of the runs.
"""

from __future__ import annotations

from functools import partial

from bench._pty import measured
from bench._report import Criterion, Report
from bench._virtual import Line, in_virtual_time
from bench.goodput import COUNT, bare_upload
from esp32sock.simulator import Settings

PROFILE, TURN_AROUND_MS, CHUNK_BYTES = "4.1", 1.0, 5760
SECONDS = 2.0
"""Of transfer at the line's rate."""
RUNS = 3
LEAST_SHARE = {921_600: 0.95, 3_000_000: 0.92}


def run(*, quick: bool = False) -> Report:
    report = Report("paced")
    for baud, least in LEAST_SHARE.items():
        settings = Settings(profile=PROFILE, paced=True, baud=baud, latency_ms=TURN_AROUND_MS)
        count = int(SECONDS * baud / 10)
        rates = [
            count / measured("our-upload", settings, count)["took_s"] for _ in range(1 if quick else RUNS)
        ]
        line = Line(PROFILE, baud, TURN_AROUND_MS)
        ceiling = COUNT / in_virtual_time(partial(bare_upload, line, CHUNK_BYTES))
        share = round(max(rates) / ceiling, 3)
        report.rows.append(
            {
                "baud": baud,
                "kb_per_s": round(max(rates) / 1000, 1),
                "of_line_percent": round(100 * max(rates) / line.bytes_per_s, 1),
                "of_ceiling_percent": round(100 * share, 1),
            }
        )
        report.criteria.append(Criterion(f"of the ceiling, {baud} baud", share, least))
    return report
