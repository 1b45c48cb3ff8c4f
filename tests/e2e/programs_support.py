"""What the tests of whole programs stand on: a program run over the module, and what the module saw of it."""

from __future__ import annotations

import ssl
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.support import HOST, PROGRAM_S, run_esp32sock

if TYPE_CHECKING:
    from collections.abc import Iterator

    import trustme

    from tests.e2e.conftest import Background
    from tests.e2e.support import SimulatedProcess

PROGRAMS = Path(__file__).with_name("programs")


@dataclass(frozen=True)
class Ran:
    """What a program printed, and how many links it opened."""

    output: str
    links: int


def run_program(esp32: SimulatedProcess | Background, name: str, *words: object, **environment: str) -> Ran:
    """A program of `programs/`, unmodified, by `esp32sock run`; it must end well and leave no link open."""
    opened, open_before = esp32.links_opened(), esp32.open_links()
    arguments = [str(PROGRAMS / f"{name}.py"), *map(str, words)]
    done = run_esp32sock("run", "--port", esp32.port, *arguments, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ResourceWarning" not in done.stderr, done.stderr
    assert open_before == esp32.open_links() == 0
    return Ran(done.stdout, esp32.links_opened() - opened)


@contextmanager
def server_program(background: Background, name: str, *words: object) -> Iterator[list[int]]:
    """A server of `programs/`, unmodified, by `esp32sock run`: the ports that it says it listens on.

    It ends when its input does, and must end well and leave no link open.
    """
    command = [sys.executable, "-W", "error::ResourceWarning", "-m", "esp32sock", "run"]
    program = [str(PROGRAMS / f"{name}.py"), *map(str, words)]
    process = subprocess.Popen(
        [*command, "--port", background.port, *program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        said = process.stdout.readline().split()
        try:
            assert said[:1] == ["listening"]
            yield [int(port) for port in said[1:]]
        finally:
            _, complaints = process.communicate(timeout=PROGRAM_S)
            print(complaints, file=sys.stderr)
    assert process.returncode == 0, complaints
    assert "ResourceWarning" not in complaints, complaints
    assert background.open_links() == 0


def server_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """TLS of a server with a certificate for these names, by default the host's as the module sees it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or (HOST, "localhost"))).configure_cert(context)
    return context
