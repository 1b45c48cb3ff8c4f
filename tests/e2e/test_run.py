"""`esp32sock run`: programs that know nothing of the module, with the simulator as the witness."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from tests.e2e.support import EXAMPLES, HOST, PAGE, http_server, run_esp32sock, run_python, simulated

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.support import SimulatedProcess

WANTED = f"200 {len(PAGE)} {hashlib.sha256(PAGE).hexdigest()}"


@pytest.fixture(scope="module")
def esp32(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedProcess]:
    with simulated(tmp_path_factory.mktemp("run")) as process:
        yield process


def witnessed(
    esp32: SimulatedProcess, *words: str, direct: str = "none"
) -> tuple[subprocess.CompletedProcess[str], dict[str, int]]:
    """How `esp32sock run` on a simulated module went, and what that module saw."""
    before = len(esp32.opened())
    done = run_esp32sock("run", "--port", esp32.port, "--direct", direct, *words)
    opened, closed = esp32.opened()[before:], esp32.closed()[before:]
    seen = {
        "links": len(opened),
        "open": len(opened) - len(closed),
        "sent": sum(entry["bytes_sent"] for entry in closed),
        "received": sum(entry["bytes_received"] for entry in closed),
    }
    return done, seen


def test_urllib_unchanged(esp32: SimulatedProcess) -> None:
    with http_server() as port:
        done, seen = witnessed(esp32, str(EXAMPLES / "fetch.py"), f"http://{HOST}:{port}/")
    assert WANTED in done.stdout, done.stderr
    assert seen["links"] == 1
    assert seen["open"] == 0
    assert seen["received"] > len(PAGE)
    assert 50 < seen["sent"] < 1000


def test_a_server_on_localhost_is_reached_through_the_module_when_nothing_is_direct(
    esp32: SimulatedProcess,
) -> None:
    with http_server() as port:
        done, seen = witnessed(esp32, str(EXAMPLES / "fetch.py"), f"http://localhost:{port}/")
    assert WANTED in done.stdout, done.stderr
    assert seen["links"] == 1


def test_requests_unchanged_keeps_its_connection(esp32: SimulatedProcess) -> None:
    with http_server() as port:
        url = f"http://{HOST}:{port}/"
        done, seen = witnessed(esp32, str(EXAMPLES / "fetch_requests.py"), url, url, url)
    assert done.stdout.count(WANTED) == 3, done.stderr
    assert seen["links"] == 1
    assert seen["received"] > 3 * len(PAGE)


def test_httpie_as_a_module(esp32: SimulatedProcess) -> None:
    with http_server() as port:
        url = f"http://{HOST}:{port}/"
        done, seen = witnessed(esp32, "-m", "httpie", "--ignore-stdin", "--body", "--pretty=none", url)
    assert done.stdout.encode() == PAGE, done.stderr
    assert seen["links"] == 1
    assert seen["received"] > len(PAGE)


def test_pip_downloads_from_a_local_index(esp32: SimulatedProcess, tmp_path: Path) -> None:
    """pip brings its own copy of requests and urllib3, which nobody here touched."""
    archive = b"PK\x05\x06" + bytes(18)  # an empty zip: a wheel to download, not to install
    name = "simple_thing-1.0-py3-none-any.whl"

    from http.server import BaseHTTPRequestHandler

    class Index(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_page = self.path.endswith("/")
            body = f'<a href="/{name}">{name}</a>'.encode() if is_page else archive
            self.send_response(200)
            self.send_header("Content-Type", "text/html" if is_page else "application/zip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with http_server(Index) as port:
        done, seen = witnessed(
            esp32, "-m", "pip", "--isolated", "download",
            "--no-deps", "--no-cache-dir", "--disable-pip-version-check", "--dest", str(tmp_path),
            "--index-url", f"http://{HOST}:{port}/simple", "--trusted-host", HOST, "simple-thing",
        )  # fmt: skip
    assert seen["links"] >= 1, done.stderr
    assert seen["received"] > 200
    # pip takes the file apart, finds no metadata in it and says so: it has read every byte of it.
    assert name in done.stdout + done.stderr


def test_loopback_stays_on_the_host_unless_told_otherwise(esp32: SimulatedProcess) -> None:
    with http_server() as port:
        url = f"http://127.0.0.1:{port}/"
        done, seen = witnessed(esp32, str(EXAMPLES / "fetch.py"), url, direct="127.0.0.0/8")
    assert WANTED in done.stdout, done.stderr
    assert seen["links"] == 0


def test_the_port_may_come_from_the_environment() -> None:
    with http_server() as port:
        done = run_esp32sock(
            "run", str(EXAMPLES / "fetch.py"), f"http://{HOST}:{port}/", ESP32SOCK_PORT="sim://2.1"
        )
    assert WANTED in done.stdout, done.stderr


def test_a_program_that_only_changed_its_import(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\n"
        "from esp32sock import socket\n"
        "with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20) as s:\n"
        "    s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')\n"
        "    print(len(s.makefile('rb').read()))\n"
    )
    with http_server() as port, simulated(tmp_path) as esp32:
        done = run_python(str(program), HOST, str(port), ESP32SOCK_PORT=esp32.port)
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) > len(PAGE)
        assert len(esp32.opened()) == len(esp32.closed()) == 1
        assert esp32.closed()[0]["bytes_received"] == int(done.stdout)


@pytest.mark.parametrize("profile", ["2.0", "2.1", "2.4", "doc-v1"])
def test_every_profile_through_a_pty(profile: str, tmp_path: Path) -> None:
    with http_server() as port, simulated(tmp_path, "--profile", profile) as esp32:
        url = f"http://{HOST}:{port}/"
        done = run_esp32sock("run", "--port", esp32.port, str(EXAMPLES / "fetch.py"), url)
        assert WANTED in done.stdout, done.stderr
        assert len(esp32.opened()) == 1


def test_the_exit_status_and_arguments_of_the_program_are_its_own(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import sys\nprint(__name__, sys.argv[1:])\nsys.exit(7)\n")
    done = run_esp32sock("run", "--port", "sim://", str(program), "--port", "x", "-m")
    assert done.stdout == "__main__ ['--port', 'x', '-m']\n"
    assert done.returncode == 7


LEFT_BEHIND = """
import atexit, socket, sys, threading

def ask(who):
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20) as sock:
        sock.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
        print(who, sock.getsockname()[0], sock.recv(8))

def later():
    main.join()
    ask("thread")

atexit.register(ask, "at exit")
main = threading.main_thread()
threading.Thread(target=later).start()
"""


def test_what_a_program_leaves_behind_goes_over_the_module_too(tmp_path: Path) -> None:
    """Threads that go on, and functions for the end of the interpreter."""
    program = tmp_path / "program.py"
    program.write_text(LEFT_BEHIND)
    with http_server() as port, simulated(tmp_path) as esp32:
        done = run_esp32sock("run", "--port", esp32.port, str(program), HOST, str(port))
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [f"{who} 10.0.2.15 b'HTTP/1.1'" for who in ("thread", "at exit")]
        assert len(esp32.opened()) == len(esp32.closed()) == 2


def test_a_program_knows_where_it_lies(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import os\nos.chdir('/')\nprint(open(__file__).readline())\n")
    done = run_esp32sock("run", "--port", "sim://", os.path.relpath(program))
    assert (done.returncode, done.stdout) == (0, "import os\n\n"), done.stderr


def test_functions_of_a_program_can_be_pickled_when_its_last_line_has_run(tmp_path: Path) -> None:
    """A module `__main__` that is the program's, until the interpreter ends."""
    program = tmp_path / "program.py"
    program.write_text(
        "import atexit, pickle\ndef found(): pass\n"
        "atexit.register(lambda: print(pickle.loads(pickle.dumps(found)) is found))\n"
    )
    done = run_esp32sock("run", "--port", "sim://", str(program))
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
