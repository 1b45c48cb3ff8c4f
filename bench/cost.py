"""What sockets cost a program: attach, connect, a round trip of 64 bytes, goodput, CPU; of two trees in turn.

This tree simulates the module, in this process, on a paced terminal at 921600 baud; the program runs in a
process of its own, so that its CPU time is the client's alone. ESP32SOCK_BENCH_AGAINST names the root of
another tree, built, whose figures stand beside. Runs take turns, the best of each figure counts: the machine
is shared.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bench._cost_program import COUNT
from bench._report import Report
from esp32sock.simulator import BackgroundModule, Observer, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench._report import Figure

BAUD = 921600
RUNS = 3
PROFILES = ("2.0", "4.1")
PROGRAM = Path(__file__).with_name("_cost_program.py")
AGAINST = "ESP32SOCK_BENCH_AGAINST"


def _echo(link: socket.socket) -> None:
    while data := link.recv(4096):
        link.sendall(data)


def _sink(link: socket.socket) -> None:
    left = COUNT
    while left and (data := link.recv(65536)):
        left -= len(data)
    link.sendall(b".")
    link.recv(1)


def _source(link: socket.socket) -> None:
    link.sendall(bytes(COUNT))
    link.recv(1)


def _serve(peer: Callable[[socket.socket], None]) -> socket.socket:
    listening = socket.create_server(("127.0.0.1", 0))

    def one(link: socket.socket) -> None:
        with link, suppress(OSError):
            peer(link)

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=one, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return listening


class Wire(Observer):
    """How many bytes went both ways, which the load of the machine does not change."""

    def __init__(self) -> None:
        self.bytes = 0

    def host_bytes(self, now_s: float, data: bytes) -> None:
        self.bytes += len(data)

    def module_bytes(self, now_s: float, data: bytes) -> None:
        self.bytes += len(data)


def _assemble(tree: Path, package: Path) -> None:
    """The package as it is installed, of links to the parts of a tree."""
    package.mkdir()
    parts = {part.name: part for part in (tree / "esp32sock").iterdir()}
    for name, part in (parts | {name: tree / name for name in ("_speedups", "shims")}).items():
        (package / name).symlink_to(part)


def measure(tree: Path, profile: str) -> dict[str, float]:
    """The figures of one run of the program, on the esp32sock of this tree."""
    servers = [_serve(peer) for peer in (_echo, _sink, _source)]
    wire = Wire()
    module = BackgroundModule(Settings(profile=profile, paced=True, baud=BAUD), observers=(wire,))
    try:
        ports = [str(server.getsockname()[1]) for server in servers]
        command = [sys.executable, str(PROGRAM), module.path, str(BAUD), *ports]
        with TemporaryDirectory() as package:
            _assemble(tree, Path(package) / "esp32sock")
            environment = os.environ | {"PYTHONPATH": package}
            done = subprocess.run(command, env=environment, cwd=package, check=True, stdout=subprocess.PIPE)
        figures: dict[str, float] = json.loads(done.stdout)
        return figures | {"line kB": wire.bytes / 1000}
    finally:
        module.stop()
        for server in servers:
            server.close()


def run(*, quick: bool = False) -> Report:
    trees = {"this": Path(__file__).parents[1]}
    if AGAINST in os.environ:
        trees["other"] = Path(os.environ[AGAINST])
    report = Report("cost")
    for profile in PROFILES[: 1 if quick else None]:
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in trees}
        for _ in range(1 if quick else RUNS):
            for name, tree in trees.items():
                runs[name].append(measure(tree, profile))
        for name, figures in runs.items():
            row: dict[str, Figure] = {"firmware": profile, "tree": name}
            for key in figures[0]:
                best = max if key.endswith("kB/s") else min
                row[key] = round(best(each[key] for each in figures), 2)
            report.rows.append(row)
    return report
