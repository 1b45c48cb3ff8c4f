"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trustme

from esp32sock.simulator import BackgroundModule, Settings
from esp32sock.simulator.network.host import HostNetwork
from tests.e2e.support import SimulatedProcess, simulated

if TYPE_CHECKING:
    from collections.abc import Iterator

PROFILES = ("doc-v1", "2.1", "2.4")


@pytest.fixture(scope="module", params=PROFILES)
def esp32(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SimulatedProcess]:
    """A simulated module on a pty, one for all tests of a file; programs use it one after another."""
    folder = tmp_path_factory.mktemp("esp32")
    with simulated(folder, "--profile", request.param) as process:
        yield process


class Background:
    """A simulated module in this process, on a pty, so that this machine can reach its server."""

    def __init__(self, profile: str) -> None:
        self._network = HostNetwork()
        self._simulated = BackgroundModule(Settings(profile=profile), self._network)
        self.port = self._simulated.path
        self.address = self._network.address
        self.stop = self._simulated.stop

    def reached(self, port: int) -> tuple[str, int]:
        """Where on this machine a port of the module's server is."""
        return self.address, self._network.served[port]

    def links(self) -> list[bool]:
        """The links so far, oldest first: whether each was accepted."""
        return [record.accepted for record in self._simulated.module.journal.links]

    def links_opened(self) -> int:
        return len(self.links())

    def open_links(self) -> int:
        """Those that are open now."""
        return sum(record.closed_at_s is None for record in self._simulated.module.journal.links)


@pytest.fixture(params=PROFILES)
def background(request: pytest.FixtureRequest) -> Iterator[Background]:
    """A simulated module in a thread of this process."""
    module = Background(request.param)
    try:
        yield module
    finally:
        module.stop()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """The one certificate authority that test programs are told to trust."""
    return trustme.CA()


@pytest.fixture(scope="session")
def authority_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)
