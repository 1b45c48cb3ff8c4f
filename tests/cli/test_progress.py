"""Bars that move, on a terminal; nothing drawn, and no colour, where nobody wants it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.cli.servers import BIG, Big
from tests.cli.terminal import SCENARIO, assert_screen, on_terminal
from tests.e2e.support import HOST, http_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Done
    from tests.cli.terminal import Seen

BAUD = "1500000"
FAST = ("--port", f"{SCENARIO}&paced=1&baud={BAUD}", "--baud", BAUD)
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7])(?:;\d+)*m")


def positions(seen: Seen, pattern: str) -> list[float]:
    """Where a bar stood, screen by screen."""
    found = [re.search(pattern, screen) for screen in seen.shown]
    return [float(match[1]) for match in found if match is not None]


def assert_moves(seen: Seen, pattern: str, end: float) -> None:
    """To the end, by several steps, and never back."""
    stood = positions(seen, pattern)
    assert stood == sorted(stood)
    assert len(set(stood)) >= 5, stood
    assert stood[-1] == end


def test_get_shows_moving_progress(tmp_path: Path) -> None:
    page = tmp_path / "page"
    with http_server(Big) as port:
        url = f"http://{HOST}:{port}/big.bin"
        seen = on_terminal("get", url, "-o", str(page), *FAST)
    assert seen.status == 0, seen.written
    assert page.read_bytes() == BIG
    assert_moves(seen, r"([\d.]+)/200\.0 kB", 200.0)
    assert COLOUR.search(seen.written)
    assert_screen("get", seen)


def test_put_shows_moving_progress(tmp_path: Path) -> None:
    page = tmp_path / "big.bin"
    page.write_bytes(BIG)
    with http_server(Big) as port:
        url = f"http://{HOST}:{port}/upload"
        seen = on_terminal("put", str(page), url, *FAST)
    assert seen.status == 0, seen.written
    assert_moves(seen, r"([\d.]+)/200\.0 kB", 200.0)
    assert_screen("put", seen)


def test_update_shows_its_four_stages() -> None:
    seen = on_terminal("update", "--port", SCENARIO, keys=[("[y/N]", "y\r")])
    assert seen.status == 0, seen.written
    assert_moves(seen, r"(\d+)% \d:\d\d:\d\d", 100.0)
    assert sorted(set(positions(seen, r"stage (\d) of 4"))) == [1, 2, 3, 4]
    assert_screen("update", seen)


def test_no_color_is_respected(tmp_path: Path) -> None:
    with http_server(Big) as port:
        url = f"http://{HOST}:{port}/big.bin"
        seen = on_terminal("get", url, "-o", str(tmp_path / "page"), "--port", SCENARIO, NO_COLOR="1")
    assert seen.status == 0, seen.written
    assert "200.0/200.0 kB" in seen.screen
    assert not COLOUR.search(seen.written)


def test_no_terminal_no_drawing(in_a_pipe: Callable[..., Done], tmp_path: Path) -> None:
    scan = in_a_pipe("wifi", "scan", "--port", SCENARIO)
    assert [line.split("\t")[0] for line in scan.stdout.splitlines()] == ["attic", "next door"]
    page = tmp_path / "page"
    with http_server(Big) as port:
        url = f"http://{HOST}:{port}/"
        got = in_a_pipe("get", url, "-o", str(page), "--port", SCENARIO)
        put = in_a_pipe("put", str(page), url, "--port", SCENARIO)
    update = in_a_pipe("update", "--yes", "--port", SCENARIO)
    assert update.stderr.count("stage ") == 4
    for done in (scan, got, put, update):
        assert done.returncode == 0
        assert "\x1b" not in done.stdout + done.stderr
        assert "\r" not in done.stdout + done.stderr
