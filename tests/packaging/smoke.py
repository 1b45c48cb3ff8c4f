"""Does an installed esp32sock do its job? For a venv that has nothing else, away from the repository.

    python smoke.py compiled fetch.py

Imports the package, checks which build runs, and lets the unmodified program `fetch.py` get a page of a local
server through the simulator. Not a test of the suite: .ci/run copies this file next to an installed wheel.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import esp32sock
from esp32sock._build import BUILD

BODY = bytes(range(256)) * 40


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_: object) -> None:
        pass


def main(expected_build: str, program: str) -> int:
    place = Path(esp32sock.__file__).resolve()
    assert place.is_relative_to(Path(sys.prefix).resolve()), f"imported from {place}, not from the venv"
    assert expected_build == BUILD, BUILD
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://10.0.2.2:{server.server_port}/"  # this machine, as only the simulated module knows it
        run = [sys.executable, "-m", "esp32sock", "run", "--port", "sim://", "--direct", "none", program, url]
        done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
        server.shutdown()
    print(done.stdout, done.stderr, sep="", end="")
    assert done.returncode == 0, f"exit status {done.returncode}"
    assert hashlib.sha256(BODY).hexdigest() in done.stdout, "the page did not arrive as it was sent"
    print(f"smoke: {BUILD} build, {len(BODY)} bytes fetched over the simulator")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
