"""Whether anything grows: 100,000 connects of one process, one after the other, over one attached module.

Each opens a link, sends a line, reads the answer to its end and closes. Every 16th does not block, every 32nd
is a datagram socket, every 50th is refused by its peer, and every 64th is left to the collector in a cycle of
references. The module is a process of its own: what it remembers is not counted. Figures are taken after
the first 1,000, when caches are warm, and at the end; both after a collection. Behind them come floods: five
peers that pour, four of them read fast and one hardly, and datagrams that nobody reads; figures are taken
after the first few and after the last.
"""

from __future__ import annotations

import gc
import os
import select
import socket as host
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import trio

import esp32sock
from bench._report import Criterion, Report
from esp32sock import socket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench._report import Figure
    from esp32sock.net.local_interface import LocalInterface

CONNECTS = 100_000
QUICK_CONNECTS = 1_500
WARM = 1_000
MOST_GROWTH_KIB = 2048
FLOODS, WARM_FLOODS = 60, 10
"""The first ones grow what the allocator holds, up to the most that was in use at one time."""
QUICK_FLOODS, QUICK_WARM_FLOODS = 5, 3
FLOOD_BYTES = 1 << 19
"""Of each link that is read fast."""
POURED = bytes(4 * FLOOD_BYTES)
"""One for all links: the peers live in this process, and what they hold is no part of the figures."""
FLOOD = b"flood\n"
DATAGRAM = bytes(1000)
DATAGRAMS = 400
LINE = b"the same line again\n"
TIMEOUT_S = 60
BAUD = 921600
"""Not what limits: the line is unpaced."""


@dataclass(frozen=True)
class Figures:
    """What this process holds."""

    resident_kib: int
    descriptors: int
    tasks: int
    threads: int
    objects: int


def run(*, quick: bool = False) -> Report:
    connects = QUICK_CONNECTS if quick else CONNECTS
    report = Report("soak")
    with (
        peers() as ports,
        module() as port,
        esp32sock.attach(port, direct="none", baudrate=BAUD) as attached,
    ):
        interface = cast("LocalInterface", attached)  # attach says no more than Interface
        started = time.perf_counter()
        for number in range(connects):
            one(number, *ports)
            if number + 1 in (WARM, connects // 2, connects):
                report.rows.append(row(f"{number + 1} connects", started, interface))
        compare(report, f"after {WARM} connects", report.rows[0], report.rows[-1])
        floods, warm = (QUICK_FLOODS, QUICK_WARM_FLOODS) if quick else (FLOODS, WARM_FLOODS)
        for number in range(floods):
            flood(interface, ports[0])
            if number + 1 in (warm, floods):
                report.rows.append(row(f"{number + 1} floods", started, interface))
        compare(report, f"after {warm} floods", report.rows[-2], report.rows[-1])
        dropped = interface.stats()["datagrams_dropped"]
        report.criteria.append(Criterion("datagrams dropped and counted", dropped, floods))
    return report


def row(behind: str, started: float, interface: LocalInterface) -> dict[str, Figure]:
    found = figures(interface)
    return {"behind": behind, "s": round(time.perf_counter() - started, 1), **vars(found)}


def compare(report: Report, since: str, warm: dict[str, Figure], last: dict[str, Figure]) -> None:
    for name, bound in (("resident_kib", MOST_GROWTH_KIB), ("descriptors", 0), ("tasks", 0), ("threads", 0)):
        growth = float(last[name] or 0) - float(warm[name] or 0)
        report.criteria.append(Criterion(f"growth of {name} {since}", growth, bound, at_most=True))


def flood(interface: LocalInterface, port: int) -> None:
    """Datagrams that nobody reads, until some were dropped; then five links that pour, one hardly read."""
    dropped = interface.stats()["datagrams_dropped"]
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        until = time.monotonic() + TIMEOUT_S
        while interface.stats()["datagrams_dropped"] == dropped and time.monotonic() < until:
            sock.sendto(FLOOD, ("127.0.0.1", port))
            time.sleep(0.5)
    socks = [socket.create_connection(("127.0.0.1", port), TIMEOUT_S) for _ in range(5)]
    for sock in socks:
        sock.sendall(FLOOD)
    slow, *fast = socks
    slow.recv(100)
    for sock in fast:
        with sock, sock.makefile("rb") as file:
            file.read(FLOOD_BYTES)
    slow.close()


def one(number: int, port: int, closed_port: int) -> None:
    """One connect, of the kind that is this number's turn."""
    if number % 50 == 49:
        with socket.socket() as sock, suppress(ConnectionRefusedError):
            sock.settimeout(TIMEOUT_S)
            sock.connect(("127.0.0.1", closed_port))
    elif number % 32 == 31:
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.settimeout(TIMEOUT_S)
            sock.sendto(LINE, ("127.0.0.1", port))
            sock.recvfrom(100)
    elif number % 16 == 15:
        with socket.socket() as sock:
            sock.setblocking(False)
            with suppress(BlockingIOError):
                sock.connect(("127.0.0.1", port))
            select.select([], [sock], [], TIMEOUT_S)
            sock.setblocking(True)
            exchange(sock)
    else:
        sock = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        exchange(sock)
        if number % 64 == 0:
            cycle: list[object] = [sock]
            cycle.append(cycle)
        else:
            sock.close()


def exchange(sock: host.socket) -> None:
    sock.sendall(LINE)
    while sock.recv(100):
        pass


def figures(interface: LocalInterface) -> Figures:
    """What is held once every link is closed."""
    gc.collect()
    while interface.status().links:
        time.sleep(0.05)
    time.sleep(0.5)
    gc.collect()
    return Figures(
        resident_kib=resident_kib(),
        descriptors=len(os.listdir("/proc/self/fd")),
        tasks=tasks(interface),
        threads=threading.active_count(),
        objects=len(gc.get_objects()),
    )


def resident_kib() -> int:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def tasks(interface: LocalInterface) -> int:
    """The trio tasks of the engine."""

    async def count() -> int:
        root = trio.lowlevel.current_root_task()
        waiting = [] if root is None else [root]
        found = 0
        while waiting:
            task = waiting.pop()
            found += 1
            waiting += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
        return found

    return interface._portal.call(count).result()


@contextmanager
def peers() -> Iterator[tuple[int, int]]:
    """A port that answers over TCP and UDP, and one that refuses."""
    with host.create_server(("127.0.0.1", 0), backlog=64) as listener, host.socket() as closed:
        port = listener.getsockname()[1]
        closed.bind(("127.0.0.1", 0))
        with host.socket(type=host.SOCK_DGRAM) as datagrams:
            datagrams.bind(("127.0.0.1", port))
            for serve, sock in ((answer_streams, listener), (answer_datagrams, datagrams)):
                start(serve, sock)
            yield port, closed.getsockname()[1]
            listener.shutdown(host.SHUT_RDWR)
            with suppress(OSError):
                datagrams.shutdown(host.SHUT_RDWR)


def start(serve: Callable[[host.socket], None], sock: host.socket) -> None:
    threading.Thread(target=serve, args=(sock,), daemon=True).start()


def answer_streams(listener: host.socket) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            asked = b""
            with suppress(OSError):
                asked = connection.recv(100)
            if asked == FLOOD:
                start(pour, connection)
                continue
            with connection, suppress(OSError):
                connection.sendall(asked)


def pour(connection: host.socket) -> None:
    with connection, suppress(OSError):
        connection.sendall(POURED)


def answer_datagrams(sock: host.socket) -> None:
    with suppress(OSError):
        while True:
            data, peer = sock.recvfrom(100)
            for answer in [DATAGRAM] * DATAGRAMS if data == FLOOD else [data]:
                sock.sendto(answer, peer)


@contextmanager
def module() -> Iterator[str]:
    """The path of a simulated module in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        link = str(Path(folder) / "module")
        command = [sys.executable, "-m", "esp32sock.simulator", "--pty", link, "--baud", str(BAUD)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                process.stdout.readline()
                yield link
            finally:
                process.terminate()
