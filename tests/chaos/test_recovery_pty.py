"""The rows of the recovery table that need a real descriptor: a port that goes and comes, a stopped process.

In real time, so that no bound is held here: `test_recovery.py` holds them, in virtual time.
"""

from __future__ import annotations

import os
import select
import signal
import socket as host_socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from serial.tools import list_ports

import esp32sock
from esp32sock import socket
from esp32sock.simulator import BackgroundModule, Observer, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "10.0.2.2"
END_S = 120.0
"""What has not happened by then never does."""
STOPPED_S = float(os.environ.get("ESP32SOCK_STOPPED_S", "6"))
"""`make soak` stops it for longer."""

CLIENT = f"""
import sys
import esp32sock
from esp32sock import socket

with esp32sock.attach(sys.argv[1]):
    with socket.create_connection(({HOST!r}, int(sys.argv[2])), {END_S}) as link:
        link.sendall(b"before")
        received = 0
        while received < 20_000:
            data = link.recv(4096)
            if not data:
                break
            received += len(data)
        link.sendall(b"%d" % received)
"""


@pytest.fixture
def server() -> Iterator[host_socket.socket]:
    with host_socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(END_S)
        yield listening


class Wire(Observer):
    """Everything the host wrote."""

    def __init__(self) -> None:
        self.written = b""

    def host_bytes(self, now_s: float, data: bytes) -> None:
        self.written += data


@contextmanager
def module(link: Path, *observers: Observer) -> Iterator[BackgroundModule]:
    simulated = BackgroundModule(Settings(), link=str(link), observers=observers)
    try:
        yield simulated
    finally:
        simulated.stop()


def answer(server: host_socket.socket) -> None:
    """Take the next connection, read a word and give it back."""
    with server.accept()[0] as link:
        link.settimeout(END_S)
        link.sendall(link.recv(100))


def works(server: host_socket.socket) -> bool:
    """Whether one new connection comes about, and back."""
    helper = threading.Thread(target=answer, args=(server,), daemon=True)
    try:
        with socket.create_connection((HOST, server.getsockname()[1]), 5) as link:
            helper.start()
            link.sendall(b"hello")
            return link.recv(100) == b"hello"
    except OSError:
        return False
    finally:
        if helper.is_alive():
            helper.join(END_S)


def until_works(server: host_socket.socket) -> None:
    for _ in range(100):
        if works(server):
            return
        select.select([], [], [], 0.1)
    pytest.fail("nothing works again")


def test_a_port_that_is_away_for_a_second(server: host_socket.socket, tmp_path: Path) -> None:
    path = tmp_path / "ttyUSB0"
    with module(path) as simulated, esp32sock.attach(str(path)):
        with socket.create_connection((HOST, server.getsockname()[1]), END_S) as link, server.accept()[0]:
            simulated.controls.unplug(1.0)
            with pytest.raises(OSError, match="was lost"):
                link.recv(1)
        until_works(server)


def test_an_adapter_that_comes_back_under_another_name(
    server: host_socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its old name is another adapter's by then, which must be left alone."""
    line, before, after = tmp_path / "line", tmp_path / "ttyUSB0", tmp_path / "ttyUSB1"
    plugged = {before: "A1", tmp_path / "ttyS0": None}

    def ports() -> list[SimpleNamespace]:
        known = {"vid": 0x10C4, "pid": 0xEA60, "location": "1-2:1.0"}
        return [
            SimpleNamespace(device=str(path), serial_number=number, **known)
            for path, number in plugged.items()
        ]

    monkeypatch.setattr(list_ports, "comports", ports)
    wire = Wire()
    with module(line) as simulated, module(tmp_path / "stranger", wire) as stranger:
        before.symlink_to(line)
        with esp32sock.attach(str(before)):
            with socket.create_connection((HOST, server.getsockname()[1]), END_S) as link, server.accept()[0]:
                before.unlink()
                before.symlink_to(stranger.path)
                plugged[before] = "B2"
                simulated.controls.unplug(1.0)
                with pytest.raises(OSError, match="was lost"):
                    link.recv(1)
            after.symlink_to(line)
            plugged[after] = "A1"
            until_works(server)
            assert wire.written == b""


def test_a_process_that_is_stopped(server: host_socket.socket, tmp_path: Path) -> None:
    """What comes meanwhile waits in the kernel: nothing is lost, and nothing is reset."""
    path = tmp_path / "ttyUSB0"
    with module(path):
        arguments = [sys.executable, "-c", CLIENT, str(path), str(server.getsockname()[1])]
        with subprocess.Popen(arguments) as client:
            try:
                with server.accept()[0] as link:
                    link.settimeout(END_S)
                    assert link.recv(100) == b"before"
                    client.send_signal(signal.SIGSTOP)
                    link.sendall(bytes(20_000))
                    select.select([], [], [], STOPPED_S)
                    client.send_signal(signal.SIGCONT)
                    assert link.recv(100) == b"20000"
                assert client.wait(END_S) == 0
            finally:
                client.kill()
