"""`esp32sock demo`: run unmodified programs over a simulated module and show its serial traffic."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from esp32sock._build import BUILD
from esp32sock.engine.options import DEFAULT_BAUD

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

BITS_A_BYTE = 10
SIMULATOR_START_S = 20.0
PROGRAM_S = 80.0
EXCERPT_LINES = 16
TRACED = re.compile(r" *[\d.]+ (\S+) +\d+ (.*)")
"""A line of `simulate --trace`: time, direction, number of bytes, text."""
LINE_WIDTH = 100

HOST = "10.0.2.2"
"""The address of this machine's 127.0.0.1 in the simulated network."""

PROGRAMS = ("with_urllib.py", "with_requests.py", "with_threads.py")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Run unmodified programs over a simulated module and show the traffic of its serial line."
    )
    parser.add_argument(
        "--baud", type=int, default=DEFAULT_BAUD, help="baud rate of that line (default: %(default)s)"
    )
    parser.set_defaults(run=run)


@dataclass(frozen=True, slots=True)
class Row:
    """One transfer of a program."""

    what: str
    bytes: int
    seconds: float
    right: bool


class _Server(BaseHTTPRequestHandler):
    """Serves bytes with their checksum, and answers an upload with its checksum."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        count = int(self.path.rpartition("/")[2]) if self.path.startswith("/bytes/") else 2000
        self._answer(bytes(i * 7 & 255 for i in range(count)))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(hashlib.sha256(body).hexdigest().encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-SHA256", hashlib.sha256(body).hexdigest())
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Print nothing: the table has the results."""


def run(arguments: argparse.Namespace) -> int:
    """0 when all data arrived unchanged."""
    print(
        f"esp32sock demo: {BUILD} build; a simulated ESP32 (firmware 2.4) on a pty at {arguments.baud} baud"
    )
    with tempfile.TemporaryDirectory(prefix="esp32sock-demo-") as folder:
        trace = Path(folder, "trace")
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        link = str(Path(folder, "esp32"))
        try:
            with _simulator(link, trace, arguments.baud):
                base = f"http://{HOST}:{server.server_port}"
                rows, failures = _run_programs(link, arguments.baud, base)
        finally:
            server.shutdown()
            server.server_close()
        _show(rows, failures, trace.read_text(errors="replace"), arguments.baud / BITS_A_BYTE)
    wrong = failures or len(rows) != 6 or not all(row.right for row in rows)
    print("failed: see above" if wrong else "all data arrived unchanged")
    return 1 if wrong else 0


@contextmanager
def _running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A process that is ended and waited for in any case; `subprocess.run` does not wait after Ctrl-C."""
    process: subprocess.Popen[Any] | None = None
    try:
        with _ctrl_c_deferred():
            process = subprocess.Popen(command, **options)
        yield process
    finally:
        if process is not None:
            process.terminate()
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


@contextmanager
def _ctrl_c_deferred() -> Iterator[None]:
    """Defer Ctrl-C to the end of the block, so that no process starts without an owner that ends it."""
    came: list[object] = []
    before = signal.signal(signal.SIGINT, lambda *_: came.append(None))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            raise KeyboardInterrupt


@contextmanager
def _simulator(link: str, trace: Path, baud: int) -> Iterator[None]:
    command = [sys.executable, "-m", "esp32sock", "simulate", "--paced", "--trace", "--baud", str(baud)]
    with trace.open("wb") as output, _running([*command, "--pty", link], stdout=output) as process:
        give_up = time.monotonic() + SIMULATOR_START_S
        while not os.path.lexists(link):
            if process.poll() is not None or time.monotonic() > give_up:
                raise SystemExit("the simulated module did not start")
            time.sleep(0.05)
        yield


def _run_programs(link: str, baud: int, base: str) -> tuple[list[Row], list[str]]:
    rows: list[Row] = []
    failures: list[str] = []
    folder = Path(__file__).parent / "programs"
    for program in PROGRAMS:
        command = [sys.executable, "-m", "esp32sock", "run", "--port", link, "--baud", str(baud)]
        print(f"  $ esp32sock run --port {Path(link).name} {program} {base}", flush=True)
        command += [str(folder / program), base]
        with _running(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            output, complaints = process.communicate(timeout=PROGRAM_S)
        rows += _rows(output)
        if process.returncode:
            failures.append(f"{program} ended with {process.returncode}: {complaints.strip()[-2000:]}")
    return rows, failures


def _rows(output: str) -> Iterator[Row]:
    for line in output.splitlines():
        fields = line.split("\t")
        if len(fields) == 5:
            what, count, seconds, sha256, wanted = fields
            yield Row(what, int(count), float(seconds), sha256 == wanted)


def _show(rows: list[Row], failures: list[str], trace: str, line_bytes_per_s: float) -> None:
    table = Table(title=f"Over the module (line rate {line_bytes_per_s:.0f} bytes/s each way)")
    for heading in ("transfer", "bytes", "seconds", "of line rate", ""):
        table.add_column(heading, justify="left" if heading in ("transfer", "") else "right")
    for row in rows:
        mark = "" if row.right else "WRONG"
        share = row.bytes / row.seconds / line_bytes_per_s
        table.add_row(row.what, f"{row.bytes}", f"{row.seconds:.2f}", f"{share:.0%}", mark)
    console = Console()
    console.print(table)
    print("Traffic of the serial line (excerpt):")
    for line in _excerpt(trace.splitlines()):
        print(f"  {line[:LINE_WIDTH]}{' ...' if len(line) > LINE_WIDTH else ''}")
    for failure in failures:
        print(failure)


def _excerpt(lines: list[str]) -> list[str]:
    """The traffic from the first connection on, with the pieces of one direction joined."""
    start = next((i for i, line in enumerate(lines) if "AT+CIPSTART" in line), 0)
    pieces: list[tuple[str, str]] = []
    for line in lines[start:]:
        match = TRACED.match(line)
        if match is None:
            continue
        direction, text = match.groups()
        if pieces and pieces[-1][0] == direction:
            pieces[-1] = (direction, pieces[-1][1] + text)
        else:
            pieces.append((direction, text))
        if len(pieces) > EXCERPT_LINES:
            break
    return [f"{direction}  {text}" for direction, text in pieces[:EXCERPT_LINES]]
