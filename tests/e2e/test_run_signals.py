"""A server under `esp32sock run` that a signal ends leaves no listener and no link on the module."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import trio

from esp32sock.at.commands import servers, tcpip
from esp32sock.engine.management import open_management_session
from tests.e2e.support import SimulatedProcess, simulated

if TYPE_CHECKING:
    from collections.abc import Iterator

END_S = 50.0
"""How long the program may take to end: milliseconds, on a machine that is not loaded."""


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedProcess]:
    with simulated(tmp_path_factory.mktemp("signals"), "--profile", "2.4") as process:
        yield process


def ended_by(number: int, module: SimulatedProcess, *code: str) -> int:
    """The status of a server that listens when the signal comes."""
    words = code or ("-m", "http.server", "8000")
    command = [sys.executable, "-u", "-m", "esp32sock", "run", "-p", module.port, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert "Serving" in program.stdout.readline()
        program.send_signal(number)
        program.communicate(timeout=END_S)
        return program.returncode


def left_on(module: SimulatedProcess) -> tuple[object, ...]:
    """The server and the links of the module."""

    async def look() -> tuple[object, ...]:
        async with open_management_session(module.port, 115200) as session:
            server = await session.execute(servers.GetServer())
            return server, *await session.execute(tcpip.Links())

    return trio.run(look)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_server_on_the_module_too(module: SimulatedProcess, number: int) -> None:
    assert ended_by(number, module) == -number
    assert left_on(module) == (None,)


def test_a_handler_of_the_program_is_its_own(module: SimulatedProcess) -> None:
    code = (
        "import signal, socket, sys\n"
        "signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(7))\n"
        "listener = socket.create_server(('0.0.0.0', 8000))\n"
        "print('Serving', flush=True)\n"
        "listener.accept()\n"
    )
    assert ended_by(signal.SIGTERM, module, "-c", code) == 7
    assert left_on(module) == (None,)


def test_its_broker_cleans_up_behind_a_killed_program(module: SimulatedProcess) -> None:
    assert ended_by(signal.SIGKILL, module) == -signal.SIGKILL  # and stderr ended, which the broker has too
    assert left_on(module) == (None,)
