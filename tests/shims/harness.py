"""What the tests of patched programs share: certificates, an HTTP server of the host, children."""

from __future__ import annotations

import functools
import http.server
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trustme

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PAGE = b"0123456789abcdef" * 4096


@functools.cache
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """(server's, client's) for `localhost` and 127.0.0.1."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


class Handler(http.server.BaseHTTPRequestHandler):
    """GET gives the page, POST gives back what it got."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(PAGE)

    def do_POST(self) -> None:
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def http_server() -> Iterator[str]:
    """The URL of a server; its sockets are the host's if it is started before the patch."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def run_child(code: str) -> None:
    """Run a program in a process of its own, with the fake interface on its path."""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=50, cwd=ROOT)
