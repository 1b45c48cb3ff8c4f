"""What the border of a process costs: verbs, a connection and bytes, through a broker and in this process.

Two simulated modules of one kind run in processes of their own; one is attached here, the other one is served
by `esp32sock serve`. Every figure is measured of both in turn, round by round, so that the load of the
machine falls on both; the medians are compared. The simulated line is paced only where bytes are measured.
"""

from __future__ import annotations

import os
import socket as host
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import esp32sock
from bench._report import Criterion, Report
from esp32sock import socket
from esp32sock.at.commands import basic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from esp32sock import Interface

PROFILE, BAUD = "4.1", 921600
PEER = "10.0.2.2"
MOST_MORE_US = 200.0
MOST_OF_DATA = 1.03
"""What is not a cost: the two ways of one run differ so much by chance."""
ROUNDS, QUICK_ROUNDS = 2000, 200
BLOCKS = 10
CONNECTS, TRIPS, DOWNLOADS, COUNT = 100, 200, 10, 100_000


@contextmanager
def _process(*words: str, ready: str) -> Iterator[None]:
    command = [sys.executable, "-m", "esp32sock", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert ready in process.stdout.readline()
            yield
        finally:
            process.terminate()


@contextmanager
def _both(*pacing: str) -> Iterator[tuple[Interface, Interface]]:
    """The module in this process, and the one behind a broker."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        ports = [os.path.join(folder, name) for name in ("here", "served")]
        for port in ports:
            words = ("simulate", "--profile", PROFILE, "--baud", str(BAUD), "--pty", port, *pacing)
            stack.enter_context(_process(*words, ready="at"))
        path = os.path.join(folder, "socket")
        words = ("serve", "--port", ports[1], "--baudrate", str(BAUD), "--socket", path)
        stack.enter_context(_process(*words, ready="serving"))
        here = stack.enter_context(esp32sock.open_interface(ports[0], baudrate=BAUD))
        yield here, stack.enter_context(esp32sock.open_interface(f"unix:{path}"))


@contextmanager
def _peer(serve: Callable[[host.socket], None]) -> Iterator[int]:
    listener = host.create_server(("127.0.0.1", 0))

    def one(link: host.socket) -> None:
        with link, suppress(OSError):
            serve(link)

    def run() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=run, daemon=True).start()
    with closing(listener):
        yield listener.getsockname()[1]


def _echo(link: host.socket) -> None:
    while data := link.recv(65536):
        link.sendall(data)


def _source(link: host.socket) -> None:
    link.sendall(bytes(COUNT))
    link.recv(1)


def _seconds(job: Callable[[], object]) -> float:
    began = time.perf_counter()
    job()
    return time.perf_counter() - began


def _in_turn(jobs: tuple[Callable[[], object], ...], rounds: int) -> list[float]:
    """The median seconds of each job, in the block of rounds where both together took least.

    The two take turns, and in who begins. Of a machine that others use, the quietest block says most.
    """
    blocks = []
    for _ in range(BLOCKS):
        taken: list[list[float]] = [[] for _ in jobs]
        for number in range(rounds // BLOCKS):
            for at in sorted(range(len(jobs)), reverse=number % 2 == 1):
                taken[at].append(_seconds(jobs[at]))
        blocks.append([median(each) for each in taken])
    return min(blocks, key=sum)


def _verbs(interface: Interface) -> dict[str, Callable[[], object]]:
    return {
        "status": interface.status,
        "stats": interface.stats,
        "AT": lambda: interface.execute(basic.Test()),
        "look-up": lambda: interface.resolve("localhost"),
    }


def _connection(interface: Interface, port: int) -> host.socket:
    with interface.use():
        return socket.create_connection((PEER, port), 60)


def _connect(interface: Interface, port: int) -> None:
    _connection(interface, port).close()


def _measure_verbs(report: Report, rounds: int) -> None:
    with _both() as both:
        verbs = [_verbs(interface) for interface in both]
        for name in verbs[0]:
            _add(report, name, *_in_turn((verbs[0][name], verbs[1][name]), rounds))
        with _peer(_echo) as port:
            jobs = [lambda each=each: _connect(each, port) for each in both]  # type: ignore[misc]
            _add(report, "connect and close", *_in_turn((jobs[0], jobs[1]), min(rounds, CONNECTS)))


def _add(report: Report, name: str, here_s: float, served_s: float) -> None:
    more_us = round(1e6 * (served_s - here_s), 1)
    row = {"what": name, "here us": round(1e6 * here_s, 1), "broker us": round(1e6 * served_s, 1)}
    report.rows.append({**row, "more us": more_us})
    report.criteria.append(Criterion(f"{name}: more through the broker, us", more_us, MOST_MORE_US, True))


def _measure_data(report: Report, rounds: int) -> None:
    with _both("--paced") as both, _peer(_echo) as echo, _peer(_source) as source:
        with ExitStack() as stack:
            links = [stack.enter_context(_connection(each, echo)) for each in both]
            for link in links:
                link.setsockopt(host.IPPROTO_TCP, host.TCP_NODELAY, 1)
            trips = [lambda link=link: _trip(link) for link in links]  # type: ignore[misc]
            _compare(report, "64 bytes there and back", *_in_turn((trips[0], trips[1]), min(rounds, TRIPS)))
        downs = [lambda each=each: _download(each, source) for each in both]  # type: ignore[misc]
        _compare(report, f"{COUNT} bytes down", *_in_turn((downs[0], downs[1]), DOWNLOADS))


def _compare(report: Report, name: str, here_s: float, served_s: float) -> None:
    report.rows.append(
        {
            "what": name,
            "here us": round(1e6 * here_s, 1),
            "broker us": round(1e6 * served_s, 1),
            "more us": round(1e6 * (served_s - here_s), 1),
        }
    )
    share = round(served_s / here_s, 4)
    report.criteria.append(Criterion(f"{name}: times as long through the broker", share, MOST_OF_DATA, True))


def _trip(link: host.socket) -> None:
    link.sendall(bytes(64))
    received = 0
    while received < 64:
        received += len(link.recv(64))


def _download(interface: Interface, port: int) -> None:
    with _connection(interface, port) as link:
        received = 0
        while received < COUNT:
            received += len(link.recv(65536))


def run(*, quick: bool = False) -> Report:
    report = Report("broker")
    rounds = QUICK_ROUNDS if quick else ROUNDS
    _measure_verbs(report, rounds)
    _measure_data(report, rounds)
    return report
