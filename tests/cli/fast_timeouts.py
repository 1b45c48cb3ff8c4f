"""The command line in a hurry: the simulator needs no second behind `+++`, and no minutes for an update."""

from __future__ import annotations

import sys
from importlib import import_module

from esp32sock.cli import main

HURRY = {
    "esp32sock.engine.startup": {"PLUS_S": 0.03, "SILENCE_S": 0.01, "TRIES": 2, "OTHER_RATE_S": 0.1},
    "esp32sock.engine.passthrough": {"LEAVE_S": 0.05},
    "esp32sock.simulator.firmware.commands.update": {"STEP_S": 0.2, "DOWNLOAD_S": 0.6},
}


def hurry() -> None:
    """For the rest of this process."""
    for name, values in HURRY.items():
        vars(import_module(name)).update(values)


if __name__ == "__main__":
    hurry()
    raise SystemExit(main(sys.argv[1:]))
