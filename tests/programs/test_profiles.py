"""What every profile must be able to do, for those that `tests/e2e/test_profiles.py` leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import authority
from tests.e2e.test_profiles import MOST_DIFFERENT, TABLE, check

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("authority", "check")


@pytest.mark.parametrize("profile", [name for name in TABLE if name not in MOST_DIFFERENT])
def test_what_every_firmware_can(profile: str, check: Callable[[str], None]) -> None:
    check(profile)
