"""However a program gets rid of a connection, or does not: no link is left open on the module."""

from __future__ import annotations

import socketserver
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

import esp32sock
from tests.e2e.fakes import serving
from tests.e2e.programs_support import PROGRAMS
from tests.e2e.support import HOST, PROGRAM_S, run_python

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Background

WAIT_S = 30.0

WAYS = {
    "close": ["closed"],
    "collection": ["collected"],
    "duplicates": ["first second third"],
    "detaching": ["detached adopted"],
    "makefile": ["file written"],
    "threads": [f"thread {number}" for number in range(4)],
    "fork": ["child's own", "parent child parent"],
    "fork_of_a_holder": ["parent child alone"],
}
"""How, and what each connection carries in all."""
AT_EXIT = ["at exit", "at exit, too"]


class Readers(socketserver.ThreadingTCPServer):
    """Reads every connection to its end."""

    daemon_threads = True

    def __init__(self) -> None:
        readers = self
        self.heard: list[str] = []
        self.one_more = threading.Condition()

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                text = b""
                try:
                    while data := self.request.recv(65536):
                        text += data
                except ConnectionResetError:
                    text += b" (reset)"
                with readers.one_more:
                    readers.heard.append(text.decode())
                    readers.one_more.notify_all()

        super().__init__(("127.0.0.1", 0), Handler)

    def wait_for(self, count: int) -> list[str]:
        """What this many connections carried, once they have ended."""
        with self.one_more:
            assert self.one_more.wait_for(lambda: len(self.heard) >= count, WAIT_S), self.heard
            return sorted(self.heard)


@contextmanager
def program(background: Background, how: str, port: int) -> Iterator[subprocess.Popen[str]]:
    words = [str(PROGRAMS / "leaving.py"), how, HOST, str(port)]
    process = subprocess.Popen(
        [
            sys.executable,
            "-W",
            "error::ResourceWarning",
            "-m",
            "esp32sock",
            "run",
            "--port",
            background.port,
            *words,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            _, complaints = process.communicate(timeout=PROGRAM_S)
            print(complaints, file=sys.stderr)


@pytest.mark.parametrize("background", ["2.4"], indirect=True)
@pytest.mark.parametrize("how", WAYS)
def test_the_link_is_closed_while_the_program_goes_on(background: Background, how: str) -> None:
    readers = Readers()
    with serving(readers) as port, program(background, how, port) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert readers.wait_for(len(WAYS[how])) == WAYS[how]
        assert background.open_links() == 0  # while the program goes on
        assert process.poll() is None
    assert process.returncode == 0
    assert background.open_links() == 0


@pytest.mark.parametrize("how", ["exit", "exception"])
def test_the_end_of_the_interpreter_delivers_and_closes(background: Background, how: str) -> None:
    readers = Readers()
    with serving(readers) as port:
        with program(background, how, port) as process:
            pass
        assert process.returncode == 0
        assert readers.wait_for(2) == AT_EXIT
        assert background.open_links() == 0


def test_what_a_killed_program_left_is_closed_by_its_broker(background: Background) -> None:
    readers = Readers()
    with serving(readers) as port:
        with program(background, "kill", port) as process:
            pass
        assert process.returncode < 0
        readers.wait_for(2)


ALONE = """
import os, signal, sys
import esp32sock
from esp32sock import socket
esp32sock.attach(sys.argv[1])
opened = [socket.create_connection((sys.argv[2], int(sys.argv[3]))) for _ in range(2)]
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("background", ["2.4"], indirect=True)
def test_what_a_killed_program_without_a_broker_left_is_closed_by_the_next_one(
    background: Background,
) -> None:
    readers = Readers()
    with serving(readers) as port:
        assert run_python("-c", ALONE, background.port, HOST, str(port)).returncode < 0
        assert background.open_links() == 2
        esp32sock.attach(background.port)
        esp32sock.detach()
        assert background.open_links() == 0
        readers.wait_for(2)
