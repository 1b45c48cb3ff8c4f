"""Servers, unmodified, on the module; their clients are on this machine."""

from __future__ import annotations

import hashlib
import http.client
import io
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from tests.e2e.programs_support import server_program

if TYPE_CHECKING:
    from tests.e2e.conftest import Background

DATA = bytes(range(256)) * 100


@pytest.mark.parametrize("name", ["serve_http", "serve_aiohttp"])
def test_a_web_server(background: Background, name: str) -> None:
    with server_program(background, name) as ports:
        connection = http.client.HTTPConnection(*background.reached(ports[0]), timeout=30)
        for _ in range(2):
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"page " * 2000
        connection.request("POST", "/", io.BytesIO(DATA), {"Content-Length": str(len(DATA))})
        assert connection.getresponse().read().decode() == hashlib.sha256(DATA).hexdigest()
        connection.close()
    assert background.links() == [True]


@pytest.mark.parametrize("name", ["serve_socketserver", "serve_asyncio", "serve_trio"])
def test_an_echo_server_and_three_clients_at_a_time(background: Background, name: str) -> None:
    with server_program(background, name) as ports:
        echoed: list[bool] = []

        def talk(connection: socket.socket) -> None:
            sender = threading.Thread(target=connection.sendall, args=(DATA,))
            sender.start()
            with connection.makefile("rb") as stream:
                echoed.append(stream.read(len(DATA)) == DATA)
            sender.join()

        where = background.reached(ports[0])
        connections = [socket.create_connection(where, timeout=30) for _ in range(3)]
        threads = [threading.Thread(target=talk, args=(connection,)) for connection in connections]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for connection in connections:
            connection.close()
        if len(ports) > 1:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(30)
                client.sendto(b"a datagram", (background.address, ports[1]))
                assert client.recvfrom(100)[0] == b"a datagram"
    assert echoed == [True] * 3
    assert background.links().count(True) == 3
