"""Each of eight guards, taken away, lets a seed fail that holds with it."""

from __future__ import annotations

import pytest

from tests.chaos.guards import GUARDS, Guard, first_failure

MOST_SEEDS = 100
"""From the likely one on, of the kinds of faults that the guard is for."""


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_without_a_guard_a_seed_fails(guard: Guard) -> None:
    assert first_failure(guard, range(guard.likely, guard.likely + MOST_SEEDS), only=True) is not None
