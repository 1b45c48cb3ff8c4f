"""The recovery table holds, row by row, on five firmwares, in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.recovery import ROWS, run_row

if TYPE_CHECKING:
    from tests.chaos.recovery import Row

CASES = [pytest.param(row, profile, id=f"{row.name}-{profile}") for row in ROWS for profile in row.profiles]


@pytest.mark.parametrize(("row", "profile"), CASES)
def test_recovery(row: Row, profile: str) -> None:
    for order in range(row.orders):
        figures = run_row(row, profile, order)
        if complaints := figures.complaints(row):
            pytest.fail("\n".join([*figures.trace.lines()[-60:], *complaints]), pytrace=False)
