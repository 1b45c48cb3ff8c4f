"""How many bytes a simulated module carries through a pseudo-terminal, unpaced: down by `+IPD`, up by
CIPSEND.

The module is `esp32sock simulate`'s process, on one core; the host is a minimal reader and writer of this
process, without our client, and the peer a thread of it with a TCP socket. So the figures are those of the
module: it must never be the limit of another bench. The best of several runs counts: the machine is shared.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tty
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench._report import Criterion, Report

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS = 3
DOWN_BYTES = 48 << 20
UP_BYTES = 16 << 20
CHUNK_BYTES = 8192
"""The most that one CIPSEND of 2.4 takes (at-dialects 9)."""

LEAST_DOWN, LEAST_UP = 20.0, 5.0
"""MB/s, of payload."""

WAIT_S = 30.0


class Host:
    """The host's end of the terminal: reads what there is, waits for what it needs."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self.fd)

    def read(self) -> bytes:
        if not select.select([self.fd], [], [], WAIT_S)[0]:
            raise TimeoutError("the module says nothing")
        return os.read(self.fd, 65536)

    def until(self, end: bytes) -> bytes:
        said = b""
        while not said.endswith(end):
            said += self.read()
        return said

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.fd, view) :]

    def command(self, line: str) -> bytes:
        self.write(f"{line}\r\n".encode())
        return self.until(b"\r\nOK\r\n")

    def close(self) -> None:
        os.close(self.fd)


@contextmanager
def module(cpu: int) -> Iterator[tuple[Host, subprocess.Popen[str]]]:
    """A simulated module in a process of its own, on one core."""
    with tempfile.TemporaryDirectory() as folder:
        link = str(Path(folder) / "module")
        command = [sys.executable, "-m", "esp32sock.simulator", "--pty", link]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                os.sched_setaffinity(process.pid, {cpu})
                assert process.stdout is not None
                process.stdout.readline()
                host = Host(link)
                host.command("ATE0")
                try:
                    yield host, process
                finally:
                    host.close()
            finally:
                process.terminate()


def cpu_s(process: subprocess.Popen[str]) -> float:
    """The processor time that a process has used: fields 14 and 15 of its stat line (proc(5))."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def down(host: Host, port: int) -> float:
    """Seconds that DOWN_BYTES of payload take."""
    start = time.perf_counter()
    host.write(f'AT+CIPSTART="TCP","10.0.2.2",{port}\r\n'.encode())
    seen, tail = 0, b""
    while seen < DOWN_BYTES or b"CLOSED\r\n" not in tail:
        data = host.read()
        seen += len(data)
        tail = tail[-16:] + data if len(data) < 64 else data
    return time.perf_counter() - start


def up(host: Host, port: int) -> float:
    """Seconds that UP_BYTES of payload take."""
    host.command(f'AT+CIPSTART="TCP","10.0.2.2",{port}')
    payload = bytes(range(256)) * (CHUNK_BYTES // 256)
    command = b"AT+CIPSEND=%d\r\n" % CHUNK_BYTES
    start = time.perf_counter()
    for _ in range(UP_BYTES // CHUNK_BYTES):
        host.write(command)
        host.until(b">")
        host.write(payload)
        host.until(b"SEND OK\r\n")
    elapsed_s = time.perf_counter() - start
    host.write(b"AT+CIPCLOSE\r\n")
    host.until(b"\r\nOK\r\n")
    return elapsed_s


def pour(listener: socket.socket) -> None:
    """The peer of the download: all bytes, then FIN."""
    block = bytes(65536)
    with listener.accept()[0] as peer:
        for _ in range(DOWN_BYTES // len(block)):
            peer.sendall(block)


def swallow(listener: socket.socket) -> None:
    """The peer of the upload."""
    space = bytearray(1 << 18)
    with listener.accept()[0] as peer:
        while peer.recv_into(space):
            pass


def run() -> Report:
    report = Report("simulator")
    cpu = max(os.sched_getaffinity(0))
    with module(cpu) as (host, process), socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        for name, transfer, peer, count, least in (
            ("down", down, pour, DOWN_BYTES, LEAST_DOWN),
            ("up", up, swallow, UP_BYTES, LEAST_UP),
        ):
            best, used = float("inf"), 0.0
            for _ in range(RUNS):
                thread = threading.Thread(target=peer, args=(listener,))
                thread.start()
                before = cpu_s(process)
                elapsed_s = transfer(host, port)
                thread.join()
                if elapsed_s < best:
                    best, used = elapsed_s, cpu_s(process) - before
            rate = round(count / best / 1e6, 1)
            report.rows.append(
                {
                    "direction": name,
                    "payload_bytes": count,
                    "mb_per_s": rate,
                    "module_cpu_s": round(used, 2),
                    "module_cpu_ns_per_byte": round(used / count * 1e9, 1),
                }
            )
            report.criteria.append(Criterion(f"MB/s {name}", rate, least))
    return report
