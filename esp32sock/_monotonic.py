"""The clock of waits: tests that freeze time do not stop it.

freezegun and time-machine replace the functions of `time`; they leave CLOCK_MONOTONIC of `time.clock_gettime`
as it is (freezegun 1.5, time-machine 3.6).
"""

from __future__ import annotations

import time
from functools import partial

monotonic = partial(time.clock_gettime, time.CLOCK_MONOTONIC)
"""Seconds since an unspecified moment, whatever `time.monotonic` returns. No function of Python's own:
the engine asks 25 times a round trip."""
