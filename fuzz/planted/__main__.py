"""Does fuzzing find anything? `python -m fuzz.planted [NAME...]` plants each fault and searches.

Each patch goes into a scratch copy of the tree, and its target starts there without a corpus. The time until
the fault is found is printed; the exit status is 1 if one is not found within --seconds. A patch begins with
the name of its target and a sentence about the fault. Where it goes is found by its lines, not by their
numbers.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent
COPIED = ("esp32sock", "_speedups", "shims", "fuzz", "tests")
SECONDS = 600


@dataclass(frozen=True)
class Planted:
    """One fault."""

    name: str
    target: str
    fault: str
    file: str
    changes: tuple[tuple[str, str], ...]
    """What stands there, and what takes its place."""

    def plant(self, root: Path) -> None:
        """Change the file below this folder. ValueError if it does not stand there, or more than once."""
        path = root / self.file
        text = path.read_text("utf-8")
        for old, new in self.changes:
            if text.count(old) != 1:
                raise ValueError(f"{self.name}: its lines stand {text.count(old)} times in {self.file}")
            text = text.replace(old, new)
        path.write_text(text, "utf-8")


def read(path: Path) -> Planted:
    """A patch of this folder."""
    head, _, body = path.read_text("utf-8").partition("\n--- a/")
    fields = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
    file, *hunks = body.split("\n@@")
    changes = []
    for hunk in hunks:
        lines = hunk.splitlines(keepends=True)[1:]
        old = "".join(line[1:] for line in lines if line[0] != "+")
        new = "".join(line[1:] for line in lines if line[0] != "-")
        changes.append((old, new))
    return Planted(path.stem, fields["target"], fields["fault"], file.splitlines()[0], tuple(changes))


def all_planted() -> list[Planted]:
    return [read(path) for path in sorted(FOLDER.glob("*.patch"))]


def search(planted: Planted, seconds: int, engine: str | None) -> float | None:
    """Seconds until the fault is found; None if it is not."""
    with tempfile.TemporaryDirectory(prefix="esp32sock-planted-") as folder:
        root = Path(folder)
        for name in COPIED:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, root / name, symlinks=True, ignore=ignored)
        planted.plant(root)
        words = [sys.executable, "-m", "fuzz", planted.target, "--seconds", str(seconds), "--seed", "1"]
        words += [] if engine is None else ["--engine", engine]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        started = time.monotonic()
        ended = subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True, check=False)
        if ended.returncode == 1 and "found: " in ended.stdout:
            return time.monotonic() - started
        if ended.returncode:
            raise RuntimeError(
                f"{planted.name}: the search ended with {ended.returncode}\n{ended.stderr[-2000:]}"
            )
        return None


def main() -> int:
    known = {planted.name: planted for planted in all_planted()}
    parser = argparse.ArgumentParser(
        prog="python -m fuzz.planted", description="Plant each fault, and find it."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(known)}")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for each at most")
    parser.add_argument("--engine", help="as for python -m fuzz")
    arguments = parser.parse_args()
    missed = 0
    for name in arguments.names or known:
        found_s = search(known[name], arguments.seconds, arguments.engine)
        missed += found_s is None
        shown = f"not within {arguments.seconds} s" if found_s is None else f"found in {found_s:.0f} s"
        print(f"{name} ({known[name].target}): {shown}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
