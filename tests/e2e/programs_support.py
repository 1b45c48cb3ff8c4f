"""What the tests of whole programs stand on: a program run over the module, and what the module saw of it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.support import HOST, run_esp32sock

if TYPE_CHECKING:
    import trustme

    from tests.e2e.support import SimulatedProcess

PROGRAMS = Path(__file__).with_name("programs")


@dataclass(frozen=True)
class Ran:
    """What a program printed, and how many links it opened."""

    output: str
    links: int


def run_program(esp32: SimulatedProcess, name: str, *words: object, **environment: str) -> Ran:
    """A program of `programs/`, unmodified, by `esp32sock run`; it must end well and leave no link open."""
    opened, closed = len(esp32.opened()), len(esp32.closed())
    arguments = [str(PROGRAMS / f"{name}.py"), *map(str, words)]
    done = run_esp32sock("run", "--port", esp32.port, *arguments, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ResourceWarning" not in done.stderr, done.stderr
    links = len(esp32.opened()) - opened
    assert len(esp32.closed()) - closed == links, esp32.journal()[-10:]
    return Ran(done.stdout, links)


def server_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """TLS of a server whose certificate is for these names; without any, for the host as the module sees it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or (HOST, "localhost"))).configure_cert(context)
    return context
