"""Ctrl-C at any time: the exit status says so, nothing is left behind, the module answers the next run."""

from __future__ import annotations

import gc
import itertools
import re
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from esp32sock.attach import _close_all
from esp32sock.cli.exit_status import INTERRUPTED
from esp32sock.engine.transports import DescriptorPort
from tests.cli.servers import Big, Small, echo_server, free_port
from tests.cli.terminal import CTRL_C, assert_screen, on_terminal
from tests.e2e.support import HOST, http_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Done

    Run = Callable[..., Done]

SCENARIO = pytest.mark.esp32(scenario="tests/cli/scenario.toml")
PROBE_WRITES = 7
"""What finding a module takes."""


class Interrupts:
    """Ctrl-C right behind one write to the module."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._left = 0
        self._send = DescriptorPort.send_nowait
        self._person = threading.main_thread().ident
        monkeypatch.setattr(DescriptorPort, "send_nowait", lambda port, data: self._sent(port, data))

    def _sent(self, port: DescriptorPort, data: bytes | memoryview) -> int:
        count = self._send(port, data)
        self._left -= 1
        if self._left == 0:
            assert self._person is not None
            signal.pthread_kill(self._person, signal.SIGINT)
        return count

    def __call__(
        self, job: Callable[[], Done], first: int = 1, ends: tuple[int, ...] = (INTERRUPTED,)
    ) -> Done:
        """Do it again and again, with the interrupt each time a write later, until it is through before."""
        for number in itertools.count(first):
            self._left = number
            done = job()
            if self._left > 0:
                self._left = 0
                return done
            assert done.returncode in ends, (number, done)
            assert not re.search("Traceback|esp32sock: ", done.stderr), number
        raise AssertionError


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Interrupts:
    return Interrupts(monkeypatch)


@SCENARIO
def test_while_the_module_is_looked_for(in_a_pipe: Run, esp32_pty: str, interrupted: Interrupts) -> None:
    done = interrupted(lambda: in_a_pipe("info", "--port", esp32_pty))
    assert done.returncode == 0, done.stderr


@SCENARIO
@pytest.mark.parametrize(
    "words",
    [
        ["wifi", "scan"],
        ["wifi", "join", "attic"],
        ["wifi", "leave"],
        ["wifi", "static", "10.0.2.77", "10.0.2.2", "255.255.255.0"],
        ["wifi", "mac", "18:fe:35:98:d3:7b"],
        ["ap", "start", "cellar"],
        ["ap", "stop"],
        ["smartconfig"],
        ["wps"],
        ["uart", "set", "--flow", "none", "--store"],
        ["sleep", "10ms", "--yes"],
        ["sleep", "--mode", "light"],
        ["time"],
        ["resolve", "host.test"],
        ["ping", HOST, "-c", "2", "-i", "0"],
        ["links"],
        ["at", "cipmux?", "cwmode?"],
        ["restore", "--yes"],
    ],
    ids=" ".join,
)
def test_amid_a_word(in_a_pipe: Run, esp32_pty: str, interrupted: Interrupts, words: list[str]) -> None:
    done = interrupted(
        lambda: in_a_pipe(*words, "--port", esp32_pty, ESP32SOCK_PASSWORD="correct horse"), PROBE_WRITES + 1
    )
    assert done.returncode == 0, done.stderr


@SCENARIO
def test_a_rate_is_changed_wholly_or_not_at_all(
    in_a_pipe: Run, esp32_pty: str, interrupted: Interrupts
) -> None:
    """And it is said which: the next run uses that rate, and goes for the other one."""
    rates = ["115200", "230400"]

    def change() -> Done:
        done = in_a_pipe("uart", "baud", rates[1], "--port", esp32_pty, "--baud", rates[0])
        if f"verified: use --baud {rates[1]} from now on, until the module restarts\n" in done.stderr:
            rates.reverse()
        return done

    done = interrupted(change, PROBE_WRITES + 1)
    assert done.returncode == 0, done.stderr


@SCENARIO
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_words_with_sockets(in_a_pipe: Run, esp32_pty: str, interrupted: Interrupts, tmp_path: Path) -> None:
    page = tmp_path / "page"
    with http_server(
        Small
    ) as port:  # what urllib connects while it is interrupted it leaves to the collector
        words = ("get", f"http://{HOST}:{port}/", "-o", str(page), "--port", esp32_pty)

        def fetch() -> Done:
            done = in_a_pipe(*words)
            # As the interpreter does when it ends: an interrupted detach goes on then.
            _close_all()
            for thread in threading.enumerate():
                if thread.name == "esp32sock":
                    thread.join()
            return done

        # Python drops an interrupt that comes within a finalizer; then the page must have come.
        done = interrupted(fetch, ends=(INTERRUPTED, 0))
    gc.collect()
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == [page]


@SCENARIO
def test_passthrough(in_a_pipe: Run, esp32_pty: str, interrupted: Interrupts) -> None:
    with echo_server() as port:
        words = ("passthrough", HOST, str(port), "--wait", "0.05", "--port", esp32_pty)
        done = interrupted(lambda: in_a_pipe(*words), PROBE_WRITES + 1)
    after = in_a_pipe("at", "cipmode?", "cipmux?", "cipstatus", "--port", esp32_pty)
    assert done.returncode == 0, done.stderr
    assert after.stdout.split() == ["+CIPMODE:0", "OK", "+CIPMUX:0", "OK", "STATUS:4", "OK"], after.stderr


# ---- on a terminal, which is looked at by `on_terminal` itself


@SCENARIO
@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["wifi", "join", "attic"], [("password of attic:", CTRL_C)]),
        (["restore"], [("[y/N]", CTRL_C)]),
        (["smartconfig", "--kind", "airkiss"], [("waiting for a phone", CTRL_C)]),
        (["ping", HOST, "-c", "100"], [(" ms", CTRL_C)]),
        (["listen", "0"], [("listening", CTRL_C)]),
    ],
    ids=lambda value: value[0] if isinstance(value[0], str) else "",
)
def test_amid_what_people_see(
    in_a_pipe: Run, esp32_pty: str, words: list[str], keys: list[tuple[str, str]]
) -> None:
    words = [str(free_port()) if word == "0" else word for word in words]
    seen = on_terminal(*words, "--port", esp32_pty, keys=keys)
    after = in_a_pipe("info", "--port", esp32_pty)
    assert (seen.status, after.returncode) == (INTERRUPTED, 0), seen.written + after.stderr
    assert not re.search("Traceback|Exception|esp32sock: ", seen.written)


@SCENARIO
def test_amid_an_update(in_a_pipe: Run, esp32_pty: str) -> None:
    """It cannot be called off, which is said; then the module is busy, restarts, and answers."""
    seen = on_terminal("update", "--port", esp32_pty, keys=[("[y/N]", "y\r"), ("stage 2 of 4", CTRL_C)])
    assert seen.status == INTERRUPTED, seen.written
    assert_screen("update-interrupted", seen)
    first = in_a_pipe("info", "--port", esp32_pty)
    assert first.returncode == 0 or "restart" in first.stderr
    assert in_a_pipe("info", "--port", esp32_pty).returncode == 0


@pytest.mark.esp32(paced=True)
def test_amid_a_bar(in_a_pipe: Run, esp32_pty: str, tmp_path: Path) -> None:
    with http_server(Big) as port:
        words = ("get", f"http://{HOST}:{port}/big.bin", "-o", str(tmp_path / "page"))
        seen = on_terminal(*words, "--port", esp32_pty, keys=[("/200.0 kB", CTRL_C)])
    after = in_a_pipe("links", "--port", esp32_pty)
    assert (seen.status, after.stdout) == (INTERRUPTED, "no links\n"), seen.written
    assert not re.search("Traceback|Exception", seen.written)
    assert list(tmp_path.iterdir()) == []


def test_amid_passthrough(in_a_pipe: Run, esp32_pty: str) -> None:
    with echo_server() as port:
        words = ("passthrough", HOST, str(port), "--port", esp32_pty)
        seen = on_terminal(*words, keys=[("Ctrl-D ends", "hello\r"), ("hello\nhello", CTRL_C)])
    after = in_a_pipe("at", "cipmode?", "cipstatus", "--port", esp32_pty)
    assert seen.status == INTERRUPTED
    assert not re.search("Traceback|Exception", seen.written)
    assert after.stdout.split() == ["+CIPMODE:0", "OK", "STATUS:4", "OK"], after.stderr


def test_amid_a_program(in_a_pipe: Run, esp32_pty: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import socket\n"
        "with socket.create_server(('', 0)) as server:\n"
        "    print('here', flush=True)\n"
        "    server.accept()\n"
    )
    seen = on_terminal("run", "--port", esp32_pty, str(program), keys=[("here", CTRL_C)])
    after = in_a_pipe("info", "--port", esp32_pty)
    assert (seen.status, after.returncode) == (INTERRUPTED, 0), seen.written
    assert "Exception ignored" not in seen.written


def test_amid_the_demo() -> None:
    seen = on_terminal("demo", keys=[("with_urllib.py", CTRL_C)])
    assert seen.status == INTERRUPTED, seen.written
    assert "Traceback" not in seen.written
