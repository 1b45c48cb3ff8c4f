"""What the words share: progress that moves, colours, pipes, interrupts, and what starting costs."""

from __future__ import annotations

import json
import re
import socket
import socketserver
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

import jsonschema
import pytest

from esp32sock.cli import WORDS
from tests.cli.terminal import ROOT, WORLD, assert_screen, environment, on_terminal, piped
from tests.e2e.support import HOST, http_server, simulated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cli.conftest import Done

FAST = f"{WORLD}&paced=1&baud=921600"
BIG = bytes(i * 7 & 255 for i in range(200_000))
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7])(?:;\d+)*m")


class Big(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(BIG)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(b"same" if body == BIG else b"other")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
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


# ---- progress


def amounts(written: str) -> list[float]:
    """How far a bar was, each time it was drawn."""
    return [float(text) for text in re.findall(r"(\d+\.\d)/200\.0 kB", written)]


def test_get_shows_moving_progress(tmp_path: Path) -> None:
    page = tmp_path / "page"
    with http_server(Big) as port:
        url = f"http://{HOST}:{port}/big.bin"
        seen = on_terminal("get", url, "-o", str(page), "--port", FAST, "--baud", "921600")
    assert seen.status == 0, seen.written
    assert page.read_bytes() == BIG
    drawn = amounts(seen.written)
    assert drawn == sorted(drawn)
    assert len(set(drawn)) > 5
    assert COLOUR.search(seen.written)
    assert_screen("get", seen)


def test_put_shows_moving_progress(tmp_path: Path) -> None:
    page = tmp_path / "big.bin"
    page.write_bytes(BIG)
    with http_server(Big) as port:
        url = f"http://{HOST}:{port}/upload"
        seen = on_terminal("put", str(page), url, "--port", FAST, "--baud", "921600")
    assert seen.status == 0, seen.written
    assert len(set(amounts(seen.written))) > 5
    assert_screen("put", seen)


def test_update_shows_its_four_stages() -> None:
    seen = on_terminal("update", "--port", WORLD, keys=[("[y/N]", "y\r")])
    assert seen.status == 0, seen.written
    places = [seen.written.find(f"stage {stage} of 4") for stage in range(1, 5)]
    assert -1 not in places
    assert places == sorted(places)
    assert_screen("update", seen)


def test_no_color_is_respected(tmp_path: Path) -> None:
    with http_server(Big) as port:
        url = f"http://{HOST}:{port}/big.bin"
        seen = on_terminal("get", url, "-o", str(tmp_path / "page"), "--port", WORLD, NO_COLOR="1")
    assert seen.status == 0, seen.written
    assert not COLOUR.search(seen.written)


def test_no_terminal_no_drawing(in_a_pipe: Callable[..., Done], tmp_path: Path) -> None:
    scan = in_a_pipe("wifi", "scan", "--port", WORLD)
    assert [line.split("\t")[0] for line in scan.stdout.splitlines()] == ["attic", "next door"]
    with http_server(Big) as port:
        got = in_a_pipe("get", f"http://{HOST}:{port}/", "-o", str(tmp_path / "page"), "--port", WORLD)
    update = in_a_pipe("update", "--yes", "--port", WORLD)
    assert update.stderr.count("stage ") == 4
    for done in (scan, got, update):
        assert done.returncode == 0
        assert "\x1b" not in done.stdout + done.stderr


# ---- listen and passthrough


def say(port: int, text: bytes) -> None:
    """Be a client of the module's server, whichever of this machine's addresses it has."""
    for number in range(1, 100):
        try:
            with socket.create_connection((f"127.64.0.{number}", port), 5) as client:
                client.sendall(text)
                return
        except OSError:
            continue
    raise AssertionError("nobody listens")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_listen() -> None:
    port = free_port()
    client = ("listening", lambda: say(port, b"hello\n\x1b[2J\n"))
    seen = on_terminal("listen", str(port), "--clients", "1", "--port", WORLD, keys=[client])
    assert seen.status == 0, seen.written
    assert "\x1b[2J" not in seen.written
    text = seen.screen.replace(str(port), "PORT")
    assert re.fullmatch(
        r"10\.0\.2\.15:PORT listening\n(\S+) connected\n\1 said hello..\[2J\n\1 closed", text, re.DOTALL
    ), text


def test_listen_for_programs() -> None:
    port = free_port()
    words = ["listen", str(port), "--clients", "1", "--json", "--port", WORLD]
    process = subprocess.Popen(
        [sys.executable, "tests/cli/quick.py", *words],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment({}),
    )
    assert process.stdout is not None
    with process.stdout as lines:
        happenings = [json.loads(lines.readline())]
        say(port, b"hello")
        happenings += [json.loads(line) for line in lines]
    assert process.wait(20) == 0
    schema = json.loads((ROOT / "docs" / "schemas" / "happening.json").read_text("utf-8"))
    for happening in happenings:
        jsonschema.validate(happening, schema)
    assert [one["event"] for one in happenings] == ["listening", "connected", "said", "closed"]
    assert happenings[2]["text"] == "hello"


def test_passthrough_at_a_terminal() -> None:
    with echo_server() as port:
        seen = on_terminal(
            *("passthrough", HOST, str(port), "--wait", "0.2", "--port", WORLD),
            keys=[("Ctrl-D leaves", "hello\r"), ("hello\nhello", "+++\r"), ("+++\n+++", "\x04")],
        )
    assert seen.status == 0, seen.written
    assert seen.screen.splitlines()[-1] == "left"


def test_passthrough_in_a_pipe(tmp_path: Path) -> None:
    with echo_server() as port, simulated(tmp_path) as esp32:
        for text in ("+++", "a line\n+++", "x" * 5000):
            done = piped(*("passthrough", HOST, str(port), "--wait", "0.3", "--port", esp32.port), given=text)
            assert done.stdout == text, done.stderr
            assert done.stderr == ""
        after = piped("at", "cipmode?", "cipmux?", "cipstatus", "--port", esp32.port)
    assert after.stdout.split() == ["+CIPMODE:0", "OK", "+CIPMUX:0", "OK", "STATUS:4", "OK"]


# ---- the console


def test_the_console_remembers_lines_but_no_passwords(tmp_path: Path) -> None:
    state = str(tmp_path)
    on_terminal(
        *("at", "--port", WORLD),
        keys=[("AT>", "gmr\r"), ("OK\nAT>", 'CWJAP="attic","correct horse"\r'), ("GOT IP\nOK\nAT>", "\x04")],
        XDG_STATE_HOME=state,
    )
    assert (tmp_path / "esp32sock" / "history").read_text() == "gmr\n"
    again = on_terminal(
        *("at", "--port", WORLD),
        keys=[("AT>", "\x1b[A\r"), ("OK\nAT>", "quit\r")],
        XDG_STATE_HOME=state,
    )
    assert again.status == 0


def test_the_console_survives_an_interrupt(tmp_path: Path) -> None:
    seen = on_terminal(
        *("at", "--port", WORLD),
        keys=[("AT>", "\x03"), ("AT>\nAT>", "cipmux?\r"), ("+CIPMUX:0\nOK\nAT>", "quit\r")],
        XDG_STATE_HOME=str(tmp_path),
    )
    assert seen.status == 0, seen.written


def test_an_address_out_of_nowhere_stands_above_the_prompt(tmp_path: Path) -> None:
    seen = on_terminal(
        *("at", "--port", WORLD),
        keys=[("AT>", "cwstartsmart\r"), ("connected wifi\nAT>", "quit\r")],
        XDG_STATE_HOME=str(tmp_path),
    )
    assert "password:***" in seen.screen
    assert "correct horse" not in seen.written
    assert seen.screen.splitlines()[-1] == "AT> quit"


# ---- interrupts and pipes that close


def test_an_interrupt_leaves_a_module_that_answers(tmp_path: Path) -> None:
    with simulated(tmp_path) as esp32:
        seen = on_terminal("ping", HOST, "-c", "100", "--port", esp32.port, keys=[(" ms", "\x03")])
        after = piped("at", "gmr", "--port", esp32.port)
    assert seen.status == 130
    assert "Traceback" not in seen.written
    assert after.returncode == 0, after.stderr


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "tests/cli/quick.py", "ping", HOST, "-c", "40", "-i", "0.05", "--port", WORLD],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment({}),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(40) == 0
    assert errors == b""


# ---- starting


IMPORTED = """
import sys
from esp32sock.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print("HEAVY", sorted({"trio", "rich", "serial", "ssl", "asyncio", "readline"} & set(sys.modules)))
"""


@pytest.mark.parametrize("words", [["--help"], ["--version"], []])
def test_help_costs_nothing(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *words], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert "HEAVY []" in done.stdout


def test_help_names_every_word_and_the_exit_statuses() -> None:
    done = piped("--help", NO_COLOR="1")
    for word in WORDS:
        assert re.search(rf"^    {word}\s", done.stdout, re.M), word
    assert "69 there is no module" in done.stdout


@pytest.mark.parametrize("word", WORDS)
def test_every_word_explains_itself(in_a_pipe: Callable[..., Done], word: str) -> None:
    done = in_a_pipe(word, "--help")
    assert done.returncode == 0
    assert len(done.stdout.split("\n\n")) > 2
