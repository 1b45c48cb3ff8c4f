"""What a program and all its children ask of the host's network: seen by strace, or by a preloaded library.

strace sees every call of the kernel. The library of `host_calls.c`, made by the C compiler when it is wanted,
sees those that go through the C library; `HOST_CALLS_BY` in the environment chooses one of both.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

STRACE = ("strace", "-f", "-yy", "--seccomp-bpf", "-e", "trace=connect,sendto,sendmsg,sendmmsg")
SOURCE = Path(__file__).with_suffix(".c")

# `connect(5<TCP:[12]>, {sa_family=AF_INET, sin_port=htons(80), ...`: what -yy says of the descriptor counts,
# for an address that is given to an AF_UNIX socket goes nowhere.
_CALL = re.compile(
    r"(connect|sendto|sendmsg|sendmmsg)\(\d+<(?!UNIX|NETLINK)[^>]*>.*sa_family=AF_(?!UNIX|NETLINK)"
)
_PORT = re.compile(r"sin6?_port=htons\((\d+)\)")


@dataclass(frozen=True)
class Watch:
    """How a program is watched, and where what was seen is written."""

    by: str
    file: Path
    prefix: tuple[str, ...] = ()
    """Words before those of the program."""
    environment: dict[str, str] = field(default_factory=dict)

    def ports(self) -> list[int | None]:
        """The port of each call that reaches the host's network, in order; None for one without."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        if self.by == "preload":
            return [int(line.split()[1]) or None for line in lines]
        calls = [line for line in lines if _CALL.search(line)]
        return [int(found[1]) if (found := _PORT.search(call)) else None for call in calls]


def watch(folder: Path, by: str | None = None) -> Watch | None:
    """The best there is on this machine, or the one asked for; None if there is neither."""
    by = by or os.environ.get("HOST_CALLS_BY")
    if by in (None, "strace") and shutil.which("strace"):
        file = folder / "strace"
        return Watch("strace", file, (*STRACE, "-o", str(file)))
    compiler = shutil.which(os.environ.get("CC") or "cc")
    if by in (None, "preload") and compiler is not None:
        library = folder / "host_calls.so"
        words = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-o", str(library), str(SOURCE), "-ldl"]
        if subprocess.run(words, check=False).returncode == 0:
            file = folder / "calls"
            return Watch("preload", file, environment={"LD_PRELOAD": str(library), "HOST_CALLS": str(file)})
    return None
