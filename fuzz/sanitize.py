"""The compiled framing under ASAN and UBSAN: `python -m fuzz.sanitize [--seconds S]`; needs gcc and Cython.

A build of its own runs in a Python whose objects come from malloc, so that a byte read behind the end of one
is seen. Through it go the seeds of the target, which are the captures, walks and transcripts of
`tests/data`, the corpus that a search has left in build/fuzz, and then mutations of all of them for so long.
What a sanitizer says ends the run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

from fuzz import extension
from fuzz.__main__ import FOLDER
from fuzz.mutation import Mutator

CHILD = "ESP32SOCK_FUZZ_SANITIZED"
SECONDS = 60


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz.sanitize", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of mutations, behind the corpora")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    library = os.environ.get(CHILD)
    if library is not None:
        return run(Path(library), arguments.seconds, arguments.seed)
    built = extension.build((FOLDER / "sanitized").resolve(), extension.SANITIZED)
    words = [sys.executable, "-m", "fuzz.sanitize", *sys.argv[1:]]
    return subprocess.run(words, env=environment(built), check=False).returncode


def environment(library: Path) -> dict[str, str]:
    """What a Python needs to load a library that was built with the sanitizers."""
    runtimes = [runtime(name) for name in ("libasan.so", "libubsan.so")]
    return {
        **os.environ,
        CHILD: str(library),
        "LD_PRELOAD": " ".join(runtimes),
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1",  # what the interpreter keeps to its end is no leak
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    }


def runtime(name: str) -> str:
    """Where gcc has a library of its own."""
    words = ["gcc", f"-print-file-name={name}"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def run(library: Path, seconds: float, seed: int) -> int:
    """Everything through this build; a fault ends the process."""
    extension.use(library)
    target: Any = import_module("fuzz.targets.framing")
    kept = sorted((FOLDER / "framing" / "corpus").glob("*"))
    corpus = [*target.seeds(), *(path.read_bytes() for path in kept)]
    done = sum(map(target.run, corpus))
    mutator = Mutator(Random(seed), target.dictionary(), target.MAX_BYTES)
    executions, until = len(corpus), time.monotonic() + seconds
    while time.monotonic() < until:
        done += target.run(mutator.draw(corpus))
        executions += 1
    print(f"{done:,} bytes, {executions:,} executions, {len(kept)} inputs of a search: nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
