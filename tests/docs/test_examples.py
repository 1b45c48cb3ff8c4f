"""Every program of examples/ is run, unmodified, and does what it says through the module."""

from __future__ import annotations

import hashlib
import re
import signal
import sys
import urllib.request
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.docs.blocks import ROOT
from tests.docs.outside import PAGE
from tests.docs.running import Workshop, assert_ran
from tests.e2e.fakes import NOW_UNIX

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = ROOT / "examples"
FETCHED = f"200 {len(PAGE)} {hashlib.sha256(PAGE).hexdigest()}\n"
RUN = ("-m", "esp32sock", "run")

PROGRAMS = {
    "clock.py": ((), rf"10\.0\.2\.2 says {re.escape(str(datetime.fromtimestamp(NOW_UNIX, UTC)))}\n"),
    "explicit.py": (("/dev/ttyUSB0", "example.org", "80"), r"from \('10\.0\.2\.15', .*200 OK.*Example.*"),
    "fetch.py": (("http://example.org/",), FETCHED),
    "fetch_requests.py": (("http://example.org/", "https://example.org/"), FETCHED * 2),
    "https_get.py": ((), rf"200 {len(PAGE)} bytes\n"),
    "publish.py": ((), "published\n"),
    "together.py": ((), "".join(rf"example\.{end}: HTTP/1\.1 200 OK\n" for end in ("org", "com", "net"))),
    "trio_fetch.py": ((), r"\d+ bytes\n"),
}
"""Arguments, and what is printed."""
UNMODIFIED = {"fetch.py", "fetch_requests.py"}
"""Those that know nothing of esp32sock, and so are run by it."""


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_prints_what_it_should(workshop: Workshop, name: str) -> None:
    words, printed = PROGRAMS[name]
    before = RUN if name in UNMODIFIED else ()
    ran = workshop.run(sys.executable, *before, str(EXAMPLES / name), *map(workshop.replaced, words))
    assert_ran(ran, name)
    assert re.fullmatch(printed, ran.output, re.S), ran.output
    assert any("AT+CIPSTART" in line for line in workshop.outside.said)


def serve(workshop: Workshop) -> None:
    """Somebody in the module's network asks for a page; Ctrl-C ends the server."""
    with workshop.started(sys.executable, str(EXAMPLES / "serve.py")) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "http://10.0.2.15:8080/\n"
        host, port = workshop.outside.reached(8080)
        with urllib.request.urlopen(f"http://{host}:{port}/attic", timeout=30) as answer:
            assert answer.read() == b"Hello 10.0.2.2, this is /attic\n"
        process.send_signal(signal.SIGINT)
        output, complaints = process.communicate(timeout=30)
    assert (process.returncode, output) == (0, "bye\n"), complaints
    assert "ResourceWarning" not in complaints


def tests_of_ones_own(workshop: Workshop) -> None:
    """pytest finds the fixtures by itself."""
    ran = workshop.run_tests((EXAMPLES / "test_thermometer.py").read_text("utf-8"))
    assert ran.status == 0, ran.output
    assert "1 passed" in ran.output


OTHERS: dict[str, Callable[[Workshop], None]] = {"serve.py": serve, "test_thermometer.py": tests_of_ones_own}


@pytest.mark.parametrize("name", OTHERS)
def test_a_program_that_is_not_just_run(workshop: Workshop, name: str) -> None:
    OTHERS[name](workshop)


def test_every_program_is_run() -> None:
    assert {path.name for path in EXAMPLES.glob("*")} - {"__pycache__"} == {*PROGRAMS, *OTHERS}
