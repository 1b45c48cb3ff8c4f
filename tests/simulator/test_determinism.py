"""A seed names a run: random sessions with every fault on say the same twice, and none hangs or crashes."""

import subprocess
import sys
from pathlib import Path

import pytest

SEEDS = 1000
CHAOS = Path(__file__).with_name("chaos.py")


@pytest.mark.timeout(240)
def test_every_seed_says_the_same_twice():
    command = [sys.executable, str(CHAOS), "0", str(SEEDS)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    first, second = (run.communicate()[0].splitlines() for run in runs)
    assert [run.returncode for run in runs] == [0, 0], (first[-1:], second[-1:])
    assert first == second
    assert len({line.split()[1] for line in first}) == SEEDS
