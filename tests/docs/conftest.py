"""Fixtures of the tests of the manual."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs.outside import outside
from tests.docs.running import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    """A folder with a simulated module and the outside world, for one example."""
    with outside(tmp_path) as world:
        yield Workshop(world, tmp_path)
