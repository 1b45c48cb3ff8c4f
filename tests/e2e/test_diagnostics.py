"""A diagnostic dump at a signal: complete, while everything waits, and without harm to what waits."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from esp32sock import diagnostics
from esp32sock.attach import open_interface

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_S = 60
END = "---- end of the diagnostic dump\n"

IN_C = """
import ctypes, sys
from esp32sock import diagnostics
diagnostics.install(sys.argv[1] if len(sys.argv) > 1 else None)
print("ready", flush=True)
buffer = ctypes.create_string_buffer(10)
libc = ctypes.CDLL(None, use_errno=True)
print(libc.read(0, buffer, 10), ctypes.get_errno(), buffer.value.decode())
"""
IN_CHILD = """
import os, signal
from esp32sock import diagnostics
diagnostics.install()
read_end, write_end = os.pipe()
child = os.fork()
if child == 0:
    os.write(write_end, b"x")
    while True:
        signal.pause()
os.read(read_end, 1)
os.kill(child, signal.SIGUSR1)
print(os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGUSR1, diagnostics._installed is not None)
"""


@contextmanager
def program(text: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", text, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        watchdog = threading.Timer(PATIENCE_S, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


def dump_of(process: subprocess.Popen[str]) -> str:
    """What the process writes to stderr up to the end of a dump."""
    assert process.stderr is not None
    lines: list[str] = []
    while not lines or lines[-1] != END:
        line = process.stderr.readline()
        assert line, "".join(lines)
        lines.append(line)
    return "".join(lines)


def test_a_call_in_c_is_not_interrupted_and_the_dump_comes_meanwhile() -> None:
    with program(IN_C) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for _ in range(3):
            process.send_signal(signal.SIGUSR1)
            dump = dump_of(process)
            assert "no module is open" in dump
            assert 'File "<string>", line' in dump
        process.stdin.write("answer")
        process.stdin.close()
        assert process.stdout.read() == "6 0 answer\n"
        assert process.wait() == 0


def test_a_file_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    with program(IN_C, str(path)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGUSR1)
        while not path.exists() or END not in path.read_text():
            os.sched_yield()
        process.stdin.close()
        assert process.wait() == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_forked_child_has_the_default_back() -> None:
    with program(IN_CHILD) as process:
        assert process.stdout is not None
        assert process.stdout.read() == "True True\n"


def test_the_state_of_an_engine() -> None:
    before = diagnostics.report()
    with open_interface("sim://", ssid="Espressif", password="correct horse") as interface:
        text = diagnostics.report()
        firmware = interface.status().firmware
    assert firmware
    assert "engine: Options(url='sim://'" in text
    assert "port sim:// at 115200 baud" in text
    assert "module READY, command IDLE" in text
    assert "10.0.2.15" in text
    assert "correct" not in text
    assert "READY" not in before


def test_installed_and_given_back() -> None:
    before = signal.getsignal(signal.SIGUSR2)
    diagnostics.install(signum=signal.SIGUSR2)
    diagnostics.install(signum=signal.SIGUSR2)
    diagnostics.uninstall()
    diagnostics.uninstall()
    assert signal.getsignal(signal.SIGUSR2) == before
    assert diagnostics._installed is None


def test_a_signal_that_cannot_be_handled() -> None:
    with pytest.raises((OSError, ValueError, RuntimeError)):
        diagnostics.install(signum=signal.SIGKILL)
    assert diagnostics._installed is None


def test_the_command_line_has_it() -> None:
    words = ["run", "-p", "sim://", "-c", "import time; print('ready', flush=True); time.sleep(1000)"]
    with program("import sys; from esp32sock.cli import main; sys.exit(main())", *words) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGUSR1)
        dump, dump_of_broker = dump_of(process), dump_of(process)
    assert "Thread 0x" in dump
    assert "engine: Options(url='sim://'" in dump_of_broker
    assert "Thread 0x" in dump_of_broker
