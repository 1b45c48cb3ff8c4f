"""A seed names a run: random sessions with every fault on say the same twice, and none hangs or crashes."""

import subprocess
import sys
from pathlib import Path

import pytest

SEEDS = 400
"""`make soak` runs 2,000."""
REPEATED = 100
CHAOS = Path(__file__).with_name("chaos.py")


@pytest.mark.timeout(240)
def test_every_seed_says_the_same_twice():
    first = said(0, SEEDS)
    assert said(0, REPEATED) == first[:REPEATED]
    assert len({line.split()[1] for line in first}) == SEEDS


def said(start: int, stop: int) -> list[str]:
    """A line for each seed, from a process of its own."""
    command = [sys.executable, str(CHAOS), str(start), str(stop)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, lines[-1:]
    return lines
