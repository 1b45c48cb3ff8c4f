"""The log of esp32sock on stderr, for processes that are programs of ours."""

from __future__ import annotations

import logging
import sys

LINE = "%(asctime)s.%(msecs)03d %(levelname)-7s %(message)s"


def log_to_stderr(level: int) -> None:
    """Show it from this level; for WARNING and above, as Python does by itself."""
    if level >= logging.WARNING:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(LINE, datefmt="%H:%M:%S"))
    log = logging.getLogger("esp32sock")
    log.addHandler(handler)
    log.setLevel(level)
    log.propagate = False  # or a program that sets logging up for itself shows each line twice
