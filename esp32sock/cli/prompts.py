"""Questions to the person at the terminal."""

from __future__ import annotations

import os
import sys
import termios
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

from esp32sock.cli.common import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

LINE_BYTES = 4096
"""A terminal hands on one line at most, and none is longer."""


def add_yes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask")


async def confirmed(arguments: argparse.Namespace, question: str) -> None:
    """Ask before something that cannot be undone; UsageError if nobody can be asked and --yes is missing."""
    if arguments.yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Say --yes.")
    if (await answered(f"{question} [y/N] ")).strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was done")


async def secret(question: str) -> str:
    """What is typed, and not shown."""
    with _unseen():
        answer = await answered(question)
    print(file=sys.stderr)
    return answer


async def answered(question: str) -> str:
    """What is typed, without the end of its line; UsageError at the end of input; interrupts at once.

    trio waits, for an interrupt that comes just before a read is not noticed until the read ends.
    """
    print(question, end="", file=sys.stderr, flush=True)
    await trio.lowlevel.wait_readable(sys.stdin)
    typed = os.read(sys.stdin.fileno(), LINE_BYTES)
    if not typed:  # Ctrl-D, which the terminal does not show
        print(file=sys.stderr)
        raise UsageError("nothing was said, and nothing was done")
    return typed.decode(sys.stdin.encoding, "surrogateescape").removesuffix("\n")


@contextmanager
def _unseen() -> Iterator[None]:
    """The terminal shows nothing of what is typed; what was typed too early is thrown away."""
    before = termios.tcgetattr(sys.stdin)
    unseen = before.copy()
    unseen[3] &= ~termios.ECHO
    termios.tcsetattr(sys.stdin, termios.TCSAFLUSH, unseen)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSAFLUSH, before)
