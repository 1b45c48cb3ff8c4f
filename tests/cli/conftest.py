"""The command line in this process: as fast as it gets, for everything that needs no terminal."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, TextIO

import pytest

from esp32sock.cli import main
from tests.cli.fast_timeouts import SHORT_WAITS
from tests.cli.terminal import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Done:
    """How a run ended."""

    returncode: int
    stdout: str
    stderr: str


@contextmanager
def as_input(text: str) -> Iterator[TextIO]:
    """Descriptor 0 has this to read, and then its end."""
    before = os.dup(0)
    try:
        with tempfile.TemporaryFile() as file:
            file.write(text.encode())
            file.seek(0)
            os.dup2(file.fileno(), 0)
            with os.fdopen(0, encoding="utf-8", closefd=False) as stdin:
                yield stdin
    finally:
        os.dup2(before, 0)
        os.close(before)


@pytest.fixture
def in_a_pipe(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run `esp32sock WORDS` with `given` as its input; further keywords are environment variables."""
    for name in [name for name in os.environ if name.startswith("ESP32SOCK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ESP32SOCK_CONFIG", os.devnull)
    for module, values in SHORT_WAITS.items():
        for name, value in values.items():
            monkeypatch.setattr(import_module(module), name, value)
    monkeypatch.chdir(ROOT)

    def run(*words: str, given: str = "", **environment: str) -> Done:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with as_input(given) as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            try:
                status = main(words)
            except SystemExit as left:  # argparse
                status = int(left.code or 0)
        seen = capfd.readouterr()
        return Done(status, seen.out, seen.err)

    return run
