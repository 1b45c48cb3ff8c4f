"""Five links at once, each moving a megabyte both ways through an unpaced pty, twenty times in a row."""

from __future__ import annotations

import gc
import hashlib
import os
import random
import socket as host_socket
import threading
from typing import TYPE_CHECKING

import pytest

import esp32sock
from esp32sock import socket
from tests.e2e.support import HOST, simulated

if TYPE_CHECKING:
    from pathlib import Path

LINKS = 5
MEGABYTE = 1 << 20
TIMES = 20
BAUD = 921600
"""Not what limits: the line is unpaced. It says how much a link may carry while others wait."""


def serve_echo(listener: host_socket.socket) -> None:
    """Echo on every connection until the listener is closed."""

    def echo(connection: host_socket.socket) -> None:
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data)

    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=echo, args=(connection,), daemon=True).start()


def move_both_ways(port: int, seed: int, failures: list[str]) -> None:
    """Send and receive at the same time; what comes back must be what went out."""
    data = random.Random(seed).randbytes(MEGABYTE)
    received = hashlib.sha256()
    with socket.create_connection((HOST, port), timeout=60) as connection:
        sender = threading.Thread(target=connection.sendall, args=(data,))
        sender.start()
        left = MEGABYTE
        while left:
            piece = connection.recv(65536)
            if not piece:
                failures.append(f"link {seed}: ended {left} bytes early")
                break
            received.update(piece)
            left -= len(piece)
        sender.join()
    if received.digest() != hashlib.sha256(data).digest():
        failures.append(f"link {seed}: differs")


@pytest.mark.timeout(400)
def test_five_threads_of_a_megabyte_twenty_times(tmp_path: Path) -> None:
    listener = host_socket.create_server(("127.0.0.1", 0))
    server = threading.Thread(target=serve_echo, args=(listener,))
    server.start()
    port = listener.getsockname()[1]
    try:
        with simulated(tmp_path, "--baud", str(BAUD)) as esp32:
            interface = esp32sock.attach(esp32.port, baudrate=BAUD)
            try:
                gc.collect()
                descriptors = len(os.listdir("/proc/self/fd"))
                for round_number in range(TIMES):
                    failures: list[str] = []
                    threads = [
                        threading.Thread(target=move_both_ways, args=(port, number, failures))
                        for number in range(LINKS)
                    ]
                    for thread in threads:
                        thread.start()
                    for thread in threads:
                        thread.join()
                    assert failures == [], f"in round {round_number}"
            finally:
                esp32sock.detach()
            stats = interface.stats()
            assert stats["links_opened"] == TIMES * LINKS
            assert stats["bytes_sent"] == stats["bytes_received"] == TIMES * LINKS * MEGABYTE
            assert stats["links_open"] == stats["unread_bytes"] == 0
            assert len(esp32.opened()) == len(esp32.closed()) == TIMES * LINKS
            gc.collect()
            assert len(os.listdir("/proc/self/fd")) <= descriptors  # the port is closed by now
            assert not [thread for thread in threading.enumerate() if thread.name == "esp32sock"]
    finally:
        host_socket.create_connection(listener.getsockname()).close()
        listener.shutdown(host_socket.SHUT_RDWR)
        listener.close()
        server.join()
