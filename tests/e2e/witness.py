"""Runs the command line and afterwards prints what the simulated modules of this process saw, as JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

from esp32sock.cli import main
from esp32sock.simulator.runtime import background

modules: list[Any] = []


class Remembering(background.BackgroundModule):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        modules.append(self.module)


import esp32sock.simulator.protocol_sim  # noqa: E402

esp32sock.simulator.protocol_sim.BackgroundModule = Remembering  # type: ignore[misc]
try:
    status = main(sys.argv[1:])
except SystemExit as leaving:
    status = leaving.code if isinstance(leaving.code, int) else 0
for module in modules:
    journal = module.journal
    seen = {
        "links": journal.links_opened,
        "open": sum(record.closed_at_s is None for record in journal.links),
        "sent": journal.bytes_sent,
        "received": journal.bytes_received,
    }
    print("WITNESS " + json.dumps(seen), file=sys.stderr)
sys.exit(status)
