"""Which other process has a serial port open, from what Linux shows of processes."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def port_holder(port: str) -> str | None:
    """The name and id of a process that has this device open; None where that cannot be seen.

    The processes of other users show their files to root only.
    """
    device = os.path.realpath(port)
    own = os.getpid()
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        if int(process.name) != own and _has_open(process, device):
            with suppress(OSError):  # it has ended meanwhile
                name = (process / "comm").read_text("utf-8", "replace").strip()
                return f"{name} (process {process.name})"
    return None


def _has_open(process: Path, device: str) -> bool:
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                if os.readlink(descriptor) == device:
                    return True
    return False
