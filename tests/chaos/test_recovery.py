"""The recovery table holds, row by row, on five firmwares, in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.recovery import ROWS, run_row
from tests.chaos.recovery_page import PAGE, page, table

if TYPE_CHECKING:
    from tests.chaos.recovery import Row

CASES = [pytest.param(row, profile, id=f"{row.name}-{profile}") for row in ROWS for profile in row.profiles]


def test_the_page_is_current() -> None:
    current = PAGE.read_text("utf-8")
    assert current == page(), "run: python -m tests.chaos.recovery_page"
    assert table() in current


@pytest.mark.parametrize(("row", "profile"), CASES)
def test_recovery(row: Row, profile: str) -> None:
    for order in range(row.orders):
        figures = run_row(row, profile, order)
        if complaints := figures.complaints(row):
            pytest.fail("\n".join([*figures.trace.lines()[-60:], *complaints]), pytrace=False)
