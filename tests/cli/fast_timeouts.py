"""The command line with shorter waits for a real module and a shorter simulated update.

A simulated module needs no pause around `+++`, and no minutes for an update. Bounds by which a command judges
the module stay as the product has them.
"""

from __future__ import annotations

import sys
from importlib import import_module

from esp32sock.cli import main

SHORT_WAITS = {
    "esp32sock.engine.probe": {
        "ESCAPE_S": 0.03,
        "SILENCE_S": 0.01,
        "PATIENCE_S": (0.5, 0.5),
        "RATE_S": 0.1,
    },
    "esp32sock.engine.passthrough": {"LEAVE_S": 0.05},
    "esp32sock.simulator.firmware.commands.update": {"STEP_S": 0.2, "DOWNLOAD_S": 0.6},
}


def shorten_waits() -> None:
    """For the rest of this process."""
    for name, values in SHORT_WAITS.items():
        vars(import_module(name)).update(values)


if __name__ == "__main__":
    shorten_waits()
    raise SystemExit(main(sys.argv[1:]))
