"""A program that uses a module and prints what that cost: the child of `bench cost`.

Arguments: the terminal, its rate, and the ports of an echo, a sink and a source behind the module. Only what
every version of esp32sock has is used.
"""

from __future__ import annotations

import json
import socket as host_socket
import sys
import time
from statistics import median
from typing import TYPE_CHECKING

import esp32sock
from esp32sock import socket

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "10.0.2.2"
CONNECTS, ROUND_TRIPS, COUNT = 10, 60, 100_000


def main() -> None:
    path, baud, echo, sink, source = sys.argv[1], *map(int, sys.argv[2:])
    figures: dict[str, float] = {}
    began = time.perf_counter()
    with esp32sock.attach(path, baud=baud):
        figures["attach s"] = time.perf_counter() - began
        used = time.process_time()

        def connect(port: int) -> host_socket.socket:
            link: host_socket.socket = socket.create_connection((HOST, port), 60)
            return link

        figures["connect ms"] = 1000 * median(_connect(connect, echo) for _ in range(CONNECTS))
        with connect(echo) as link:
            link.setsockopt(host_socket.IPPROTO_TCP, host_socket.TCP_NODELAY, 1)
            figures["64 bytes ms"] = 1000 * median(_round_trip(link) for _ in range(ROUND_TRIPS))
        began = time.perf_counter()
        with connect(sink) as link:
            link.sendall(bytes(COUNT))
            assert link.recv(1) == b"."
            figures["up kB/s"] = COUNT / 1000 / (time.perf_counter() - began)
        began, received = time.perf_counter(), 0
        with connect(source) as link:
            while received < COUNT:
                received += len(link.recv(65536))
            figures["down kB/s"] = COUNT / 1000 / (time.perf_counter() - began)
        figures["CPU s"] = time.process_time() - used
        figures["attach CPU s"] = used
    print(json.dumps(figures))


def _connect(connect: Callable[[int], host_socket.socket], port: int) -> float:
    began = time.perf_counter()
    link = connect(port)
    took = time.perf_counter() - began
    link.close()
    return took


def _round_trip(link: host_socket.socket) -> float:
    began = time.perf_counter()
    link.sendall(bytes(64))
    received = 0
    while received < 64:
        received += len(link.recv(64))
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
