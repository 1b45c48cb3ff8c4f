"""A copy of the tree in which a mutant is tried: the working tree itself is never changed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.mutants.mutations import Mutant

TEST_S = 120
"""The limit of one test. The machine is shared, and a mutant that hangs is caught by it."""


class Workshop:
    """A copy of what git tracks, and of what was compiled, at `root`."""

    def __init__(self, root: Path, tree: Path) -> None:
        self.root = root
        shutil.rmtree(root, ignore_errors=True)
        for name in _tracked(tree):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(tree / name, root / name, follow_symlinks=False)
        for compiled in tree.glob("_speedups/*.so"):
            shutil.copy2(compiled, root / "_speedups")

    def test(
        self, *words: str, limit_s: float | None = None, switches: Mapping[str, str] | None = None
    ) -> tuple[int | None, str]:
        """Run pytest here; its exit status, None after `limit_s`, and the end of what it printed."""
        fixed = {"PYTHONPATH": str(self.root), "CI": "true", "PYTHONDONTWRITEBYTECODE": "1"}
        pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider", f"--timeout={TEST_S}"]
        # No bytecode is written: a mutant of the same size and second would run as what was there before.
        with subprocess.Popen(
            [sys.executable, *pytest, *words],
            cwd=self.root,
            env=os.environ | fixed | dict(switches or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=limit_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                output, _ = process.communicate()
                return None, output[-2000:]
        return process.returncode, output[-2000:]

    def try_mutant(self, mutant: Mutant, tests: list[str], limit_s: float) -> str:
        """`killed`, `survived` or `hung`: whether one of these tests fails with the mutant."""
        file = self.root / mutant.path
        whole = file.read_bytes()
        chosen = self.root / "chosen-tests.txt"
        chosen.write_text("\n".join(tests))
        file.write_bytes(mutant.apply(whole))
        try:
            status, output = self.test("-x", f"@{chosen}", limit_s=limit_s)
        finally:
            file.write_bytes(whole)
        if status is None:
            return "hung"
        if status == 0:
            return "survived"
        if status in (
            1,
            2,
            4,
        ):  # 2 and 4: the file of a test cannot even be imported
            return "killed"
        raise RuntimeError(f"pytest ended with {status} at {mutant.name}:\n{output}")


def _tracked(tree: Path) -> Iterator[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=tree, check=True, stdout=subprocess.PIPE, text=True
    )
    yield from (name for name in listed.stdout.split("\0") if name and os.path.lexists(tree / name))
