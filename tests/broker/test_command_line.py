"""Every word of the command line beside a running service: `--port unix:PATH`, and `auto`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from serial.tools import list_ports

import esp32sock
from esp32sock.socket import socket
from tests.broker.harness import peer
from tests.cli.conftest import in_a_pipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.broker.harness import Served
    from tests.cli.conftest import Done

__all__ = ["in_a_pipe"]


def test_looking_at_a_running_service(broker: Served, in_a_pipe: Callable[..., Done]) -> None:
    with (
        esp32sock.open_interface(broker.url, direct=()) as interface,
        interface.use(),
        peer(lambda sock: sock.recv(1) and None) as address,
        socket() as sock,
    ):
        sock.connect(address)
        shown = json.loads(in_a_pipe("links", "--json", "--port", broker.url).stdout)
        assert [tuple(link["remote"]) for link in shown["links"]] == [address]
        status = in_a_pipe("wifi", "status", "--json", "--port", broker.url)
        assert '"ssid"' in status.stdout, status.stderr
        said = in_a_pipe("at", "AT+CIPMUX?", "--port", broker.url)
        assert (said.returncode, "+CIPMUX:1" in said.stdout) == (0, True)
        doctor = in_a_pipe("doctor", "--port", broker.url)
        assert "through a broker" in doctor.stdout
        assert "firmware" in doctor.stdout
        sock.sendall(b"x")  # the connection is as it was
        assert sock.recv(1) == b""


def test_auto_finds_the_users_broker(broker: Served, in_a_pipe: Callable[..., Done]) -> None:
    done = in_a_pipe("info", "--port", "auto", ESP32SOCK_SOCKET=broker.path)
    assert done.returncode == 0, done.stderr
    done = in_a_pipe("info", ESP32SOCK_SOCKET=broker.path, ESP32SOCK_PORT="auto")
    assert done.returncode == 0, done.stderr


def test_auto_without_a_broker_is_the_port(
    in_a_pipe: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_ports, "comports", list)
    done = in_a_pipe("info", "--port", "auto", ESP32SOCK_SOCKET="/nowhere", ESP32SOCK_PORT="sim://")
    assert done.returncode == 0, done.stderr
    done = in_a_pipe("info", "--port", "auto", ESP32SOCK_SOCKET="/nowhere", ESP32SOCK_PORT="")
    assert done.returncode == 69
    assert "no port here looks like an ESP32" in done.stderr


@pytest.mark.parametrize("words", [["uart", "baud", "9600"], ["passthrough", "10.0.2.2", "9"]])
def test_what_needs_the_line_itself_says_so(
    broker: Served, in_a_pipe: Callable[..., Done], words: list[str]
) -> None:
    done = in_a_pipe(*words, "--port", broker.url)
    assert done.returncode in (1, 2)
    assert "end the broker" in done.stderr


def test_what_would_end_links_is_refused(broker: Served, in_a_pipe: Callable[..., Done]) -> None:
    with (
        esp32sock.open_interface(broker.url, direct=()) as interface,
        interface.use(),
        peer(lambda sock: sock.recv(1) and None) as address,
        socket() as sock,
    ):
        sock.connect(address)
        done = in_a_pipe("at", "AT+RST", "--port", broker.url)
        assert done.returncode == 1
        assert "would end what is open" in done.stdout + done.stderr


def test_downloads_beside_a_service(broker: Served, in_a_pipe: Callable[..., Done]) -> None:
    def page(sock: object) -> None:
        sock.recv(1000)  # type: ignore[attr-defined]
        sock.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")  # type: ignore[attr-defined]

    with peer(page) as (host, port):
        done = in_a_pipe("get", f"http://{host}:{port}/", "-o", "-", "--port", broker.url)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "hello"
    assert "5 bytes" in done.stderr


def test_a_broker_that_is_not_there(in_a_pipe: Callable[..., Done]) -> None:
    done = in_a_pipe("links", "--port", "unix:/nowhere/socket")
    assert done.returncode == 69
    assert "esp32sock serve" in done.stderr
