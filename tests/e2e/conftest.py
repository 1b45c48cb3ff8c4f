"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trustme

from tests.e2e.support import SimulatedProcess, simulated

if TYPE_CHECKING:
    from collections.abc import Iterator

PROFILES = ("doc-v1", "2.1", "2.4")


@pytest.fixture(scope="module", params=PROFILES)
def esp32(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedProcess]:
    """A simulated module on a pty, one for all tests of a file; programs use it one after another."""
    folder = tmp_path_factory.mktemp("esp32")
    with simulated(folder, "--profile", request.param) as process:
        yield process


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """The one certificate authority that test programs are told to trust."""
    return trustme.CA()


@pytest.fixture(scope="session")
def authority_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)
