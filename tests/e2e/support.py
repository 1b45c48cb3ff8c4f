"""What the end-to-end tests stand on: servers on loopback, a simulated module in a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "10.0.2.2"
"""What the simulated module calls this machine's 127.0.0.1."""
EXAMPLES = Path(__file__).parents[2] / "examples"
PAGE = b"".join(b"line %d of the page\n" % number for number in range(500))
PROGRAM_S = 50.0


class _Pages(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(PAGE)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(hashlib.sha256(body).hexdigest().encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def http_server(handler: type[BaseHTTPRequestHandler] = _Pages) -> Iterator[int]:
    """A web server on loopback; its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class SimulatedProcess:
    """A simulated module in another process, and what it says it did."""

    port: str
    journal_file: Path

    def journal(self) -> list[dict[str, Any]]:
        """Its entries so far: one for each link opened and each link closed."""
        return [json.loads(line) for line in self.journal_file.read_text().splitlines()]

    def opened(self) -> list[dict[str, Any]]:
        return [entry for entry in self.journal() if entry["event"] == "open"]

    def closed(self) -> list[dict[str, Any]]:
        return [entry for entry in self.journal() if entry["event"] == "close"]

    def links_opened(self) -> int:
        return len(self.opened())

    def open_links(self) -> int:
        """Those that are open now."""
        return len(self.opened()) - len(self.closed())


@contextmanager
def simulated(folder: Path, *options: str) -> Iterator[SimulatedProcess]:
    """`esp32sock simulate` on a pty, with a journal."""
    link, journal = folder / "esp32", folder / "journal"
    journal.touch()
    command = [sys.executable, "-m", "esp32sock", "simulate", "--pty", str(link), "--journal", str(journal)]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert "at" in process.stdout.readline()  # it says where it is once it is there
        yield SimulatedProcess(str(link), journal)
    finally:
        process.terminate()
        process.stdout.close()
        assert process.wait(10) == 0


def run_esp32sock(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`esp32sock WORDS` in a process of its own."""
    return run_python("-m", "esp32sock", *words, **environment)


def run_python(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """This interpreter, with warnings as errors and the caller's network variables taken away."""
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", *words],
        capture_output=True,
        text=True,
        timeout=PROGRAM_S,
        check=False,
        env={**clean, **environment},
    )
