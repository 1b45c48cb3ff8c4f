"""Tests that freeze time: attaching and using a module goes on, whichever came first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CASE = Path(__file__).parents[1] / "cases" / "reported-19-freezegun-before-attach.py"


@pytest.mark.parametrize("library", ["freezegun", "time_machine"])
@pytest.mark.parametrize("when", ["before", "during"])
def test_the_engine_keeps_the_real_clock(library: str, when: str) -> None:
    done = subprocess.run(
        [sys.executable, str(CASE), library, when], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    frozen, after, end = done.stdout.splitlines()[-3:]
    assert end == "done"
    for line in (frozen, after):
        assert "b're:hi'" in line
        assert "TimeoutError('timed out')" in line
