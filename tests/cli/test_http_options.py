"""`get` and `put` with the options of other HTTP clients, and `links --close`."""

from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

import pytest

from tests.cli.terminal import SCENARIO
from tests.e2e.support import HOST, http_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Done

    Run = Callable[..., Done]


class Asked(BaseHTTPRequestHandler):
    """Answers with the headers that it was asked with; `/moved` leads there."""

    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/headers")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = str(self.headers).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["X-Token"] == "a b"
        assert self.headers["Content-Type"] == "text/plain"
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


def test_headers_and_redirects(in_a_pipe: Run) -> None:
    with http_server(Asked) as port:
        url = f"http://{HOST}:{port}/moved"
        got = in_a_pipe("get", "-p", SCENARIO, "-H", "X-Token: a b", "-H", "User-Agent:me", "-L", url)
        left = in_a_pipe("get", "-p", SCENARIO, "--no-location", url)
    assert got.returncode == 0, got.stderr
    assert "X-Token: a b\n" in got.stdout
    assert "User-Agent: me\n" in got.stdout
    assert left.returncode == 1
    assert "302" in left.stderr


def test_put_sends_them_too(in_a_pipe: Run, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("text")
    headers = ("-H", "X-Token: a b", "-H", "content-type: text/plain")
    with http_server(Asked) as port:
        put = in_a_pipe("put", "-p", SCENARIO, *headers, str(file), f"http://{HOST}:{port}/")
    assert put.returncode == 0, put.stderr


@pytest.mark.parametrize("header", ["nothing", "X: a\r\nY: b", "two words: x", ": x"])
def test_what_is_no_header(in_a_pipe: Run, header: str) -> None:
    done = in_a_pipe("get", "-p", SCENARIO, "-H", header, f"http://{HOST}/")
    assert done.returncode == 2
    assert "is not a header" in done.stderr


def test_a_server_that_says_nothing(in_a_pipe: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://{HOST}:{silent.getsockname()[1]}/"
        done = in_a_pipe("get", "-p", SCENARIO, "--timeout", "0.5", url)
        wrong = in_a_pipe("get", "-p", SCENARIO, "--timeout", "0", url)
    assert done.returncode == 1
    assert "timed out" in done.stderr
    assert wrong.returncode == 2


def test_links_are_closed(in_a_pipe: Run, esp32_pty: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        opening = [f'cipstart={link},"TCP","{HOST}",{port}' for link in range(3)]
        assert in_a_pipe("at", "cipmux=1", *opening, "-p", esp32_pty).returncode == 0
        one = in_a_pipe("links", "--close", "1", "-p", esp32_pty)
        wrong = in_a_pipe("links", "--close", "1", "-p", esp32_pty)
        all_ = in_a_pipe("links", "--close", "all", "-p", esp32_pty)
    assert [line.split("\t")[0] for line in one.stdout.splitlines()] == ["0", "2"]
    assert wrong.returncode == 2
    assert "open links: 0, 2" in wrong.stderr
    assert all_.stdout == "no links\n"
