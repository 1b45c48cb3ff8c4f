"""Which other process has a serial port open, from what Linux shows of processes."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

MASTERS = {"/dev/ptmx", "/dev/pts/ptmx"}
"""The other side of every pseudo-terminal."""


def port_holder(port: str) -> str | None:
    """The name and id of a process that has this device open; None where that cannot be seen.

    The processes of other users show their files to root only.
    """
    device = os.path.realpath(port)
    own = os.getpid()
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        if int(process.name) != own and _uses(process, device):
            with suppress(OSError):  # it has ended meanwhile
                name = (process / "comm").read_text("utf-8", "replace").strip()
                return f"{name} (process {process.name})"
    return None


def _uses(process: Path, device: str) -> bool:
    """Whether it has the device open; what made a pseudo-terminal is its other side, not its user."""
    files = set()
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                files.add(os.readlink(descriptor))
    return device in files and not files & MASTERS
