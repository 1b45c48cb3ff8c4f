"""Tests of a client of one's own, without hardware: each has a simulated module to itself.

pytest test_thermometer.py
"""

import threading

from esp32sock import socket


def report(celsius: float, host: str, port: int) -> bool:
    """The client to be tested: sends a measurement, says whether it was taken."""
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
        assert report(21.54, "10.0.2.2", server.getsockname()[1])  # and so the module calls it
        thread.join()
    assert received == [b"21.5\n"]
