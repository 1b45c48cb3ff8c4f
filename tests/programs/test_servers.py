"""Servers of others, unmodified, whose workers and reloaders are processes: each answers through the module.

`make test-programs` runs this; it needs the packages of the extra `programs`, and takes some minutes.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import esp32sock
from esp32sock.socket import create_connection
from tests.broker.harness import PATIENCE_S, Served, served, until

if TYPE_CHECKING:
    from collections.abc import Iterator

SITE = Path(__file__).with_name("site")
ANSWERS_S = 90.0

PROGRAMS: dict[str, tuple[str, list[str], int]] = {
    "gunicorn": ("gunicorn", ["-m", "gunicorn", "-w", "4", "-b", "0.0.0.0:8000", "wsgi_app:wsgi"], 2),
    "gunicorn with threads": (
        "gunicorn",
        ["-m", "gunicorn", "-w", "2", "-k", "gthread", "-b", "0.0.0.0:8000", "wsgi_app:wsgi"],
        2,
    ),
    "uvicorn with workers": (
        "uvicorn",
        ["-m", "uvicorn", "--workers", "2", "--loop", "asyncio", "--host", "0.0.0.0", "wsgi_app:asgi"],
        2,
    ),
    "uvicorn with its reloader": (
        "uvicorn",
        ["-m", "uvicorn", "--reload", "--loop", "asyncio", "--host", "0.0.0.0", "wsgi_app:asgi"],
        1,
    ),
    "flask": ("flask", ["flask_app.py"], 1),
    "django": ("django", ["manage.py", "runserver", "0.0.0.0:8000"], 1),
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("programs")) as running:
        yield running


def answer(address: tuple[str, int]) -> str:
    """What the server says to one request; "" while it does not answer."""
    try:
        with create_connection(address, timeout=PATIENCE_S) as sock:
            sock.sendall(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
            return sock.makefile(encoding="latin-1").read()
    except OSError:
        return ""


@pytest.mark.timeout(ANSWERS_S + 4 * PATIENCE_S)
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_server_answers_through_the_module(broker: Served, name: str) -> None:
    package, words, processes = PROGRAMS[name]
    pytest.importorskip(package)
    with esp32sock.open_interface(broker.url, direct=()) as interface, interface.use():
        station = interface.status().station_ip
        assert station is not None
        server = subprocess.Popen(
            [sys.executable, "-m", "esp32sock", "run", "--port", broker.url, *words],
            cwd=SITE,
            start_new_session=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        try:
            answered: set[str] = set()
            give_up = time.monotonic() + ANSWERS_S
            pause = threading.Event()
            while len(answered) < processes and time.monotonic() < give_up:
                answered |= set(re.findall(r"process (\d+)\.", answer((station, 8000))))
                pause.wait(0.2)
            assert len(answered) >= processes
            assert server.poll() is None
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait(PATIENCE_S)
        until(lambda: not interface.status().links)
