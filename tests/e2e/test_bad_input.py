"""Whatever is wrong, the error names cause and remedy, in time, and nothing odd reaches the module."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import socket as host_socket
import time
import tty
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import serial

import esp32sock
from esp32sock import socket
from esp32sock.simulator import BackgroundModule, Observer, Settings
from tests.e2e.support import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator

STATED_S = 10.0
"""Within this every one of these errors is there."""


class Wire(Observer):
    """Everything the host wrote."""

    def __init__(self) -> None:
        self.written = b""

    def host_bytes(self, now_s: float, data: bytes) -> None:
        self.written += data


@contextmanager
def attached(**settings: object) -> Iterator[tuple[BackgroundModule, Wire]]:
    wire = Wire()
    simulated = BackgroundModule(Settings(**settings), observers=(wire,))  # type: ignore[arg-type]
    try:
        esp32sock.attach(simulated.path, direct=())
        try:
            yield simulated, wire
        finally:
            esp32sock.detach()
    finally:
        simulated.stop()


@contextmanager
def within_the_stated_time(stated_s: float = STATED_S) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < stated_s


@contextmanager
def bare_pty() -> Iterator[str]:
    """A serial line with nobody at its other end."""
    controller, terminal = pty.openpty()
    tty.setraw(terminal)
    try:
        yield os.ttyname(terminal)
    finally:
        os.close(controller)
        os.close(terminal)


def refusal(url: str, stated_s: float = STATED_S, **options: object) -> OSError:
    """The error that attaching ends in."""
    with within_the_stated_time(stated_s), pytest.raises(OSError, match="attaching") as caught:
        esp32sock.attach(url, **options)
    return caught.value


def test_a_port_that_is_not_there() -> None:
    error = refusal("/dev/tty-not-there")
    assert error.errno == errno.ENOENT
    assert "esp32sock ports" in str(error)


def test_a_port_that_another_program_has() -> None:
    with bare_pty() as path:
        holder = os.open(path, os.O_RDWR | os.O_NOCTTY)
        try:
            fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            error = refusal(path)
        finally:
            os.close(holder)
    assert error.errno == errno.EBUSY
    assert "another program" in str(error)


def test_a_port_without_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> serial.Serial:
        raise serial.SerialException(errno.EACCES, "could not open port: Permission denied")

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    error = refusal("/dev/ttyUSB0")
    assert error.errno == errno.EACCES
    assert "dialout" in str(error)


def test_a_scheme_that_does_not_exist() -> None:
    assert "foo" in str(refusal("foo://bar"))


def test_a_simulated_profile_that_does_not_exist_names_those_that_do() -> None:
    assert "2.4" in str(refusal("sim://9.9"))


def test_nothing_answers() -> None:
    with bare_pty() as path:
        error = refusal(path)
    assert error.errno == errno.ENODEV
    assert "nothing answers" in str(error)


def test_a_line_that_only_echoes() -> None:
    assert "not an ESP-AT module" in str(refusal("loop://"))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"bauds": 9600}, "no option bauds"),
        ({"baudrate": 12}, "outside"),
        ({"password": "x"}, "needs an ssid"),
        ({"direct": "10.0.0.0/99"}, "direct route"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, object], complaint: str) -> None:
    with pytest.raises((TypeError, ValueError), match=complaint):
        esp32sock.attach("sim://", **options)


def test_no_port_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ESP32SOCK_PORT", raising=False)
    with pytest.raises(ValueError, match="ESP32SOCK_PORT"):
        esp32sock.attach()
    with pytest.raises(OSError, match="no module is attached") as caught:
        socket.create_connection(("10.0.2.2", 80))
    assert caught.value.errno == errno.ENETDOWN


def test_an_access_point_that_is_not_there() -> None:
    error = refusal("sim://?joined=0", ssid="nowhere", password="not to be shown")
    assert "no access point of that name" in str(error)
    assert "not to be shown" not in str(error)


def test_no_wifi() -> None:
    with (
        attached(joined=False) as (simulated, _),
        within_the_stated_time(),
        pytest.raises(OSError, match="no Wi-Fi") as caught,
    ):
        socket.create_connection((HOST, 80))
    assert caught.value.errno == errno.ENETUNREACH
    assert simulated.module.journal.links_opened == 0


def test_unknown_host_and_refused_port_are_said_as_soon_as_the_module_knows() -> None:
    with host_socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    with attached(), within_the_stated_time():
        with pytest.raises(socket.gaierror) as unknown:
            socket.create_connection(("no-such-host.invalid", 80))
        assert unknown.value.errno == socket.EAI_NONAME
        with pytest.raises(ConnectionRefusedError, match="refused"):
            socket.create_connection((HOST, free))


@pytest.mark.parametrize(
    "name",
    [
        'evil"\r\nAT+RST\r\n',
        "evil\r\nAT+CIPCLOSE=5",
        'a","b',
        "x" * 300,
        ("y" * 50 + ".") * 6,
        "",
        ".",
        "a..b",
        "nul\0byte",
        "back\\slash",
    ],
)
def test_a_hostile_host_name_reaches_nobody(name: str) -> None:
    with attached() as (simulated, wire), within_the_stated_time():
        before = len(wire.written)
        with pytest.raises((OSError, UnicodeError, ValueError)):
            socket.create_connection((name, 80), timeout=5)
        written = wire.written[before:]
        for line in written.split(b"\r\n"):
            assert line in (b"", b'AT+CIPSTART=4,"TCP","127.0.0.1",80', b"AT+CIPSTATUS") or not line, written
        assert simulated.module.journal.boots <= 1


def test_a_sixth_connection() -> None:
    with host_socket.create_server(("127.0.0.1", 0)) as server:
        address = (HOST, server.getsockname()[1])
        with attached(), within_the_stated_time():
            five = [socket.create_connection(address) for _ in range(5)]
            try:
                with pytest.raises(OSError, match="all 5 links") as caught:
                    socket.create_connection(address, timeout=2)
                assert caught.value.errno == errno.EMFILE
            finally:
                for connection in five:
                    connection.close()


def test_nothing_is_ever_written_ahead_of_a_prompt() -> None:
    """On the wire: each payload follows its own CIPSEND, after the module had printed the prompt."""

    class Order(Observer):
        def __init__(self) -> None:
            self.said: list[tuple[str, bytes]] = []

        def host_bytes(self, now_s: float, data: bytes) -> None:
            self.said.append(("host", data))

        def module_bytes(self, now_s: float, data: bytes) -> None:
            self.said.append(("module", data))

    order = Order()
    simulated = BackgroundModule(Settings(), observers=(order,))
    with host_socket.create_server(("127.0.0.1", 0)) as server:
        try:
            esp32sock.attach(simulated.path, direct=())
            with socket.create_connection((HOST, server.getsockname()[1])) as connection:
                peer, _ = server.accept()
                with peer:
                    sent = b""
                    for number in range(20):
                        sent += b"payload %d " % number
                        connection.sendall(b"payload %d " % number)
                    received = b""
                    while len(received) < len(sent):
                        received += peer.recv(1000)
                    assert received == sent
        finally:
            esp32sock.detach()
            simulated.stop()
    open_prompt = False
    payloads = 0
    for who, data in order.said:
        if who == "module":
            open_prompt = open_prompt or data.endswith(b">")
        elif b"payload" in data:
            assert open_prompt
            open_prompt = False
            payloads += 1
    assert payloads
