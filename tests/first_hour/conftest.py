"""What a new user has: a port with a module behind it, a web server of the host, an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.e2e.support import http_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Run = Callable[..., subprocess.CompletedProcess[str]]

PATIENCE_S = 100.0
SCENARIO = """
[[access_point]]
ssid = "attic"
password = "correct horse"

[network.names]
"host.test" = "10.0.2.2"
"""


@dataclass(frozen=True)
class Desk:
    """The user's folder and its environment."""

    folder: Path
    variables: dict[str, str]

    def start(self, *words: str) -> subprocess.Popen[str]:
        """`python WORDS`, which goes on."""
        return subprocess.Popen(
            [sys.executable, *words],
            cwd=self.folder,
            env=self.variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """`python WORDS` to its end."""
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env=self.variables,
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def esp32sock(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return self.run("-m", "esp32sock", *words, given=given)

    @contextmanager
    def going_on(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """`esp32sock WORDS` from its first line of output until the end of the block."""
        started = self.start("-m", "esp32sock", *words)
        assert started.stdout is not None
        try:
            assert started.stdout.readline()
            yield started
        finally:
            started.terminate()
            started.communicate(timeout=PATIENCE_S)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ESP32SOCK_")}
    return Desk(tmp_path, {**kept, "ESP32SOCK_CONFIG": os.devnull, "PYTHONUNBUFFERED": "1"})


@pytest.fixture
def board(desk: Desk) -> Iterator[str]:
    """The port of a module as it is shipped: no network is stored."""
    (desk.folder / "air.toml").write_text(SCENARIO)
    port = str(desk.folder / "ttyUSB0")
    with desk.going_on("simulate", "--pty", port, "--scenario", "air.toml", "--no-joined"):
        desk.variables["ESP32SOCK_PORT"] = port
        yield port


@pytest.fixture
def url() -> Iterator[str]:
    with http_server() as port:
        yield f"http://10.0.2.2:{port}/"
