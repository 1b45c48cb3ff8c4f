"""A tester of another client: docs/tutorial-tests.md, and the simulator as a terminal and as a TCP port."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import serial

if TYPE_CHECKING:
    from tests.first_hour.conftest import Desk

TESTS = """
import pytest
import serial


def test_my_driver(esp32_pty):
    with serial.Serial(esp32_pty, 115200, timeout=20) as port:
        port.write(b"AT+GMR\\r\\n")
        assert b"2.4.0" in port.read_until(b"OK\\r\\n")


@pytest.mark.esp32(profile="2.0", faults="busy:0.2", seed=3)
def test_old(esp32, esp32_module):
    assert esp32.status().firmware.startswith("AT version:2.0")


@pytest.mark.esp32(profil="2.0")
def test_misspelt(esp32):
    pass


def test_fails(esp32):
    assert False
"""


def test_the_fixtures(desk: Desk) -> None:
    (desk.folder / "test_mine.py").write_text(TESTS)
    done = desk.run("-m", "pytest", "-p", "no:cacheprovider", "test_mine.py")
    assert "2 passed" in done.stdout, done.stdout
    assert "1 failed" in done.stdout
    assert "1 error" in done.stdout
    assert "profil" in done.stdout
    assert "simulated ESP32" in done.stdout  # the dialogue under the failed test


def test_a_terminal(desk: Desk) -> None:
    path = str(desk.folder / "tty")
    with desk.going_on("simulate", "--pty", path, "--profile", "2.0"), serial.Serial(path, 115200) as port:
        port.timeout = 60
        port.write(b"AT+GMR\r\n")
        assert b"2.0.0" in port.read_until(b"OK\r\n")


def test_a_tcp_port(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    with desk.going_on("simulate", "--tcp", f"127.0.0.1:{address[1]}"):
        done = desk.esp32sock("info", "-p", f"socket://127.0.0.1:{address[1]}")
    assert done.returncode == 0, done.stderr
    assert "2.4.0" in done.stdout


def test_what_makes_no_sense(desk: Desk) -> None:
    wrong = desk.esp32sock("simulate", "--profile", "9.9")
    assert wrong.returncode == 2
    assert "2.4" in wrong.stderr
    assert desk.esp32sock("simulate", "--faults", "nonsense:1").returncode == 2
