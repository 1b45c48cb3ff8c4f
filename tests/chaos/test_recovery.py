"""The recovery table holds, row by row, on five firmwares, in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.plan import PROFILES
from tests.chaos.recovery import ROWS, run_row

if TYPE_CHECKING:
    from tests.chaos.recovery import Row

OPEN: dict[str, tuple[str, tuple[str, ...]]] = {
    "ready-missed": ("missed restart", ("1.0",)),
    "silent-60": ("outage", PROFILES),
    "silent-600": ("outage", PROFILES),
    "lost-closed": ("links of two minds", ("1.0", "2.0")),
    "rate-after-restart": ("rate not stored", PROFILES),
}
"""What does not hold yet: by row, the mechanism and the profiles."""


def _marks(row: Row, profile: str) -> list[pytest.MarkDecorator]:
    reason, profiles = OPEN.get(row.name, ("", ()))
    return [pytest.mark.xfail(reason=reason, strict=True)] if profile in profiles else []


CASES = [
    pytest.param(row, profile, id=f"{row.name}-{profile}", marks=_marks(row, profile))
    for row in ROWS
    for profile in row.profiles
]


@pytest.mark.parametrize(("row", "profile"), CASES)
def test_recovery(row: Row, profile: str) -> None:
    for order in range(row.orders):
        figures = run_row(row, profile, order)
        if complaints := figures.complaints(row):
            pytest.fail("\n".join([*figures.trace.lines()[-60:], *complaints]), pytrace=False)
