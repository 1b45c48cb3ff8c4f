"""A process that has imported the command line already and forks for each run: importing takes longest.

A run is a process with a session and a terminal of its own, as if it had been started from a shell. Requests
come through a socket: one to start, with the terminal's descriptor, and one to wait for the end.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import termios
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esp32sock import cli
from tests.cli.fast_timeouts import shorten_waits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]
REQUEST_BYTES = 1 << 16
NOT_YET = {"at", "__init__"}
"""What looks at the terminal when it is imported: readline does."""


class ForkServer:
    """The side of whoever wants runs."""

    def __init__(self, environment: Mapping[str, str], patience_s: float) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.settimeout(patience_s)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.cli.fork_server", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                cwd=ROOT,
                env=dict(environment),
            )
        atexit.register(self._end)

    def start(self, words: Sequence[str], environment: Mapping[str, str], terminal: int) -> int:
        """Start a run; its process id."""
        request = json.dumps({"words": words, "environment": dict(environment)}).encode()
        socket.send_fds(self._channel, [request], [terminal])
        return int(self._answer())

    def wait(self, pid: int) -> int:
        """The exit status of a run, once it has one; afterwards its id is nobody's."""
        self._channel.send(json.dumps({"wait": pid}).encode())
        return int(self._answer())

    def _answer(self) -> Any:
        return json.loads(self._channel.recv(REQUEST_BYTES))

    def _end(self) -> None:
        self._channel.close()
        self._process.wait()


def serve(channel: socket.socket) -> list[str] | None:
    """In the process that was forked, the words; None in the other one, at the end."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, REQUEST_BYTES, 1)
        if not message:
            return None
        request = json.loads(message)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if answer == 0:
                channel.close()
                settle(descriptors[0], request["environment"])
                return list(request["words"])
            os.close(descriptors[0])
        channel.send(json.dumps(answer).encode())


def settle(terminal: int, environment: Mapping[str, str]) -> None:
    """What the interpreter does when it starts."""
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    for descriptor in (0, 1, 2):
        os.dup2(terminal, descriptor)
    os.close(terminal)
    os.environ.clear()
    os.environ.update(environment)
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    shorten_waits()
    for path in Path(cli.__file__).parent.glob("*.py"):
        if path.stem not in NOT_YET:
            import_module(f"esp32sock.cli.{path.stem}")
    wanted = serve(socket.socket(fileno=int(sys.argv[1])))
    if wanted is not None:
        raise SystemExit(cli.main(wanted))
