"""What the tests of the broker share: a simulated module and `esp32sock serve` beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.broker.harness import Served, served

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A broker in a process of its own, one for all tests of a file that leave it alive."""
    with served(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A broker for one test, which may kill it."""
    with served(tmp_path_factory.mktemp("broker")) as running:
        yield running
