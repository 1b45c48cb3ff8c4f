"""A simulated module on a pseudo-terminal of this process, and a program on it whose costs are its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench._virtual import content
from esp32sock.simulator import BackgroundModule, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAM = Path(__file__).with_name("_pty_program.py")


def echo(link: socket.socket) -> None:
    while data := link.recv(4096):
        link.sendall(data)


def source(link: socket.socket, count: int) -> None:
    link.sendall(content(count))
    link.recv(1)


def waiting(link: socket.socket, count: int) -> None:
    """Sends once it has heard one byte."""
    if link.recv(1):
        source(link, count)


def sink(link: socket.socket, count: int) -> None:
    """Says `.` for what it expects, `!` for anything else."""
    received = bytearray()
    while len(received) < count and (data := link.recv(65536)):
        received += data
    link.sendall(b"." if received == content(count) else b"!")
    link.recv(1)


def burst(link: socket.socket, count: int) -> None:
    """Answers one byte with blocks that come close together, a moment later."""
    link.recv(1)
    time.sleep(0.3)
    for start in range(0, count, 200):
        link.sendall(content(count)[start : start + 200])
    link.recv(1)


@contextmanager
def serving(peer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server of this machine; the port."""
    listening = socket.create_server(("127.0.0.1", 0))

    def one(link: socket.socket) -> None:
        with link, suppress(OSError):
            peer(link)

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=one, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    with listening:
        yield listening.getsockname()[1]


def measured(what: str, settings: Settings, count: int, modules: int = 1) -> dict[str, float]:
    """What `_pty_program.py` measures on modules with these settings, in a process of its own."""
    peers = {
        "download": partial(source, count=count),
        "upload": partial(sink, count=count),
        "echo": echo,
        "burst": partial(burst, count=count),
        "waiting": partial(waiting, count=count),
    }
    with ExitStack() as stack:
        port = stack.enter_context(serving(peers[what.partition("-")[2]]))
        paths = []
        for _ in range(modules):
            module = BackgroundModule(settings)
            stack.callback(module.stop)
            paths.append(module.path)
        command = [
            sys.executable,
            str(PROGRAM),
            what,
            ",".join(paths),
            str(settings.baud),
            str(port),
            str(count),
        ]
        environment = os.environ | {"PYTHONPATH": str(PROGRAM.parents[1])}
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, timeout=300)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures
