"""A client that nobody here wrote: Adafruit's ESP_ATcontrol joins, connects, sends and receives.

It drives a module on the simulator's own terminal, with stub pins. Two habits of its own shape the test: it
throws away what arrives together with SEND OK, so the peer answers a little later; and its `remote_AP`
raises TypeError on every module that is joined (version 0.11.7), so it is not asked.
"""

from __future__ import annotations

import hashlib
import socket
import sys
import threading
import types
from typing import TYPE_CHECKING, Any

import pytest
import serial

from esp32sock.simulator import BackgroundModule, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 5


class Pin:
    """A pin that goes nowhere."""

    direction: Any = None
    value: Any = None


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The driver, with the three modules of CircuitPython that it imports."""
    digitalio = types.ModuleType("digitalio")
    digitalio.DigitalInOut = Pin  # type: ignore[attr-defined]
    digitalio.Direction = types.SimpleNamespace(OUTPUT=1)  # type: ignore[attr-defined]
    micropython = types.ModuleType("micropython")
    micropython.const = lambda value: value  # type: ignore[attr-defined]
    busio = types.ModuleType("busio")
    busio.UART = serial.Serial  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "busio", busio)
    monkeypatch.setitem(sys.modules, "digitalio", digitalio)
    monkeypatch.setitem(sys.modules, "micropython", micropython)
    from adafruit_espatcontrol import adafruit_espatcontrol

    return adafruit_espatcontrol


@pytest.fixture
def peer() -> Iterator[int]:
    """Answers each request of `n` bytes with the same bytes reversed, once all of them are there."""
    listener = socket.create_server(("127.0.0.1", 0))
    answered = threading.Event()

    def serve() -> None:
        try:
            connection, _ = listener.accept()
        except OSError:  # nobody came
            return
        with connection:
            while head := connection.recv(4, socket.MSG_WAITALL):
                body = connection.recv(int(head), socket.MSG_WAITALL)
                answered.wait(0.3)  # what comes with SEND OK, this client throws away
                connection.sendall(body[::-1])

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    listener.close()


@pytest.mark.parametrize("profile", ["1.2", "2.1"])
def test_joins_connects_sends_and_receives_intact(profile: str, library: Any, peer: int) -> None:
    settings = Settings(profile=profile, joined=False)
    access_point = settings.access_points[0]
    simulated = BackgroundModule(settings)
    try:
        with serial.Serial(simulated.path, 115200, timeout=1) as line:
            control = library.ESP_ATcontrol(line, 115200, reset_pin=Pin(), rts_pin=Pin())
            control.connect({"ssid": access_point.ssid, "password": access_point.password or ""})
            assert control.is_connected
            assert control.local_ip == "10.0.2.15"
            assert control.socket_connect("TCP", "10.0.2.2", peer)
            for number in range(ROUNDS):
                body = hashlib.sha256(b"%d" % number).digest() * 20
                control.socket_send(b"%4d" % len(body) + body)
                received = bytearray()
                while len(received) < len(body):
                    piece = control.socket_receive(timeout=5)
                    assert piece, f"round {number}: {len(received)} of {len(body)} bytes"
                    received += piece
                assert bytes(received) == body[::-1]
            control.socket_disconnect()
        assert simulated.module.journal.links_opened == 1
        assert simulated.module.journal.bytes_sent == ROUNDS * 644
    finally:
        simulated.stop()
