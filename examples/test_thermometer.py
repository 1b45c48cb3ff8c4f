"""Tests of a client without hardware: each test has its own simulated module.

pytest test_thermometer.py
"""

import threading

from esp32sock import socket


def report(celsius: float, host: str, port: int) -> bool:
    """The client under test: sends a measurement; whether the server accepted it."""
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(f"{celsius:.1f}\n".encode())
        return connection.recv(16) == b"taken\n"


def test_the_measurement_arrives(esp32) -> None:
    received = []

    def serve() -> None:
        peer, _ = server.accept()
        with peer, peer.makefile("rb") as lines:
            received.append(lines.readline())
            peer.sendall(b"taken\n")

    with socket.create_server(("127.0.0.1", 0)) as server:  # loopback: on this machine
        thread = threading.Thread(target=serve)
        thread.start()
        assert report(21.54, "10.0.2.2", server.getsockname()[1])  # the module's name for this machine
        thread.join()
    assert received == [b"21.5\n"]
