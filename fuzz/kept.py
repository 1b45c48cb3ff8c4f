"""Inputs of earlier searches that reached more than the seeds of a target: `fuzz/corpora/TARGET.gz`."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = Path(__file__).with_name("corpora")
LENGTH_BYTES = 4


def read(name: str) -> list[bytes]:
    """Those of this target; none if no search has left any."""
    path = FOLDER / f"{name}.gz"
    data, found, at = gzip.decompress(path.read_bytes()) if path.exists() else b"", [], 0
    while at < len(data):
        start = at + LENGTH_BYTES
        at = start + int.from_bytes(data[at:start], "big")
        found.append(data[start:at])
    return found


def write(name: str, inputs: Sequence[bytes]) -> None:
    FOLDER.mkdir(exist_ok=True)
    data = b"".join(len(each).to_bytes(LENGTH_BYTES, "big") + each for each in inputs)
    (FOLDER / f"{name}.gz").write_bytes(gzip.compress(data, mtime=0))
