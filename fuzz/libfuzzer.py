"""A search by atheris: a worker runs libFuzzer, and this process reads what it prints.

libFuzzer ends its process as it likes and keeps its counts to itself, so the worker writes down the units and
this side the coverage.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from fuzz.state import State

INPUT_S = 60
"""An input that takes longer is a hang."""
MEMORY_MB = 4096

_PROGRESS = re.compile(r"#(\d+)\s+\w+\s+cov: (\d+)")


def search(name: str, state: State, *, units: float, seconds: float, seed: int) -> Path | None:
    """Search until so many units are through in all, or for so long; the input of a finding, or None.

    RuntimeError when the worker ends without one and not well.
    """
    folder, target = state.folder, import_module(f"fuzz.targets.{name}")
    write_seeds(target, folder / "seeds")
    (folder / "words.dict").write_bytes(b"".join(map(dictionary_line, target.dictionary())))
    known = set((folder / "findings").iterdir())
    most = int(units) if units < float("inf") else 1 << 62
    words = [
        *(sys.executable, "-m", "fuzz.worker", name, str(folder), str(most)),
        *(f"-max_len={target.MAX_BYTES}", f"-timeout={INPUT_S}", f"-rss_limit_mb={MEMORY_MB}"),
        *(f"-max_total_time={seconds}", f"-seed={seed}", f"-dict={folder}/words.dict", "-reload=0"),
        *(f"-artifact_prefix={folder}/findings/", str(folder / "corpus"), str(folder / "seeds")),
    ]
    status = watch(words, state)
    found = next((path for path in (folder / "findings").iterdir() if path not in known), None)
    if status and found is None:
        raise RuntimeError(f"the worker ended with {status}; see {folder}/log.txt")
    return found


def watch(words: list[str], state: State) -> int:
    """Run the worker to its end; what it says goes into a log, and what of that is coverage is counted."""
    before, grown = state.counts.executions, state.counts
    with (
        (state.folder / "log.txt").open("a", encoding="utf-8") as log,
        subprocess.Popen(words, stderr=subprocess.PIPE, text=True, errors="replace") as worker,
    ):
        assert worker.stderr is not None
        for line in worker.stderr:
            log.write(line)
            if (match := _PROGRESS.match(line)) and int(match[2]) > grown.covered:
                grown.covered, grown.grew_at = int(match[2]), before + int(match[1])
        status = worker.wait()
    state.reload()
    state.counts.covered, state.counts.grew_at = grown.covered, grown.grew_at
    state.counts.executions = max(state.counts.executions, grown.grew_at)  # it saves only now and then
    state.save()
    return status


def write_seeds(target: Any, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for data in target.seeds():
        path = folder / hashlib.sha1(data, usedforsecurity=False).hexdigest()
        if not path.exists():
            path.write_bytes(data)


def dictionary_line(word: bytes) -> bytes:
    return b'"%s"\n' % b"".join(b"\\x%02x" % byte for byte in word)
