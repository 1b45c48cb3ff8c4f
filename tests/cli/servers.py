"""Whom the command line's tests talk to, on loopback."""

from __future__ import annotations

import socket
import socketserver
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BIG = bytes(i * 7 & 255 for i in range(200_000))


class Big(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    page = BIG

    def handle(self) -> None:
        with suppress(ConnectionError):  # a client that was interrupted
            super().handle()

    def do_GET(self) -> None:
        self._answer(self.page)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(b"", 200 if body == BIG else 400)

    def _answer(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def echo_server() -> Iterator[int]:
    class Echo(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while data := self.request.recv(65536):
                self.request.sendall(data)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


class Small(Big):
    """The same with less."""

    page = BIG[:5000]


class Client:
    """One of the module's server, whichever of this machine's addresses that has."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def connect(self) -> None:
        for number in range(1, 100):
            try:
                self._socket = socket.create_connection((f"127.64.0.{number}", self._port), 5)
            except OSError:
                continue
            return
        raise AssertionError("nobody listens")

    def say(self, text: bytes) -> None:
        assert self._socket is not None
        with self._socket as sock:
            sock.sendall(text)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
