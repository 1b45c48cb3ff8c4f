"""A broker in a process of its own, over a simulated module in another; and small peers on loopback."""

from __future__ import annotations

import os
import signal
import socket as stdlib
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.e2e.support import HOST, SimulatedProcess, simulated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_S = 30.0
"""How long a test waits for what takes milliseconds: the machine may be loaded."""

__all__ = ["HOST", "PATIENCE_S", "Served", "peer", "served", "until"]


@dataclass
class Served:
    """A running broker."""

    path: str
    module: SimulatedProcess
    process: subprocess.Popen[str]
    words: list[str]

    @property
    def url(self) -> str:
        return f"unix:{self.path}"

    def kill(self) -> None:
        """As a crash does: nothing is said, and the kernel closes everything."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def start_again(self) -> None:
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = _start(self.words)


def _start(words: list[str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "serving" in line, line
    return process


@contextmanager
def served(folder: Path, *options: str, profile: str = "2.4") -> Iterator[Served]:
    """`esp32sock serve` over a simulated module on a pty."""
    with simulated(folder, "--profile", profile) as module:
        path = str(folder / "broker.sock")
        words = [
            sys.executable,
            "-m",
            "esp32sock",
            "serve",
            "--port",
            module.port,
            "--socket",
            path,
            *options,
        ]
        running = Served(path, module, _start(words), words)
        try:
            yield running
        finally:
            with suppress(ProcessLookupError):
                running.process.terminate()
            status = running.process.wait(PATIENCE_S)
            assert running.process.stdout is not None
            running.process.stdout.close()
            assert status in (0, -signal.SIGKILL)
            assert status or not os.path.exists(path)


@contextmanager
def peer(serve: Callable[[stdlib.socket], None]) -> Iterator[tuple[str, int]]:
    """A server on loopback, a thread for each connection; where a client of the module finds it."""
    with stdlib.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            while True:
                try:
                    accepted, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=handle, args=(accepted,), daemon=True).start()

        def handle(accepted: stdlib.socket) -> None:
            with accepted, suppress(OSError):
                serve(accepted)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield HOST, listener.getsockname()[1]
        listener.shutdown(stdlib.SHUT_RDWR)
    thread.join(PATIENCE_S)


def until(holds: Callable[[], object]) -> None:
    """Wait until something is so; AssertionError if it is not in PATIENCE_S."""
    give_up = time.monotonic() + PATIENCE_S
    poll = threading.Event()
    while not holds():
        assert time.monotonic() < give_up, "waited in vain"
        poll.wait(0.02)
