"""What share of the line small writes get: writes of 16, 64 and 1460 bytes, without a pause between them.

In virtual time, 921600 baud, 1 ms turn-around, firmware 4.1. The ceiling is the bare host's figure with
chunks of 5760 bytes, as in the bench `goodput`. Content is checked.
"""

from __future__ import annotations

from functools import partial

from bench._report import Criterion, Report
from bench._virtual import Line, in_virtual_time
from bench.goodput import COUNT, bare_upload, upload

LINE = Line("4.1", 921600, 1.0)
LEAST_SHARE = {16: 0.80, 64: 0.92, 1460: 0.97}
"""By the size of a write."""


def run(*, quick: bool = False) -> Report:
    report = Report("smallwrites")
    ceiling_s = in_virtual_time(partial(bare_upload, LINE, chunk=5760))
    for size, least in list(LEAST_SHARE.items())[1 if quick else 0 :]:
        took_s = in_virtual_time(partial(upload, LINE, write_bytes=size))
        share = ceiling_s / took_s
        report.rows.append(
            {
                "write_bytes": size,
                "kb_per_s": round(COUNT / took_s / 1000, 2),
                "of_ceiling_percent": round(100 * share, 2),
            }
        )
        report.criteria.append(
            Criterion(f"share of the ceiling, writes of {size} bytes", round(share, 4), least)
        )
    return report
