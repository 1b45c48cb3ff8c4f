"""Questions asked at the terminal."""

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
"""The longest line that a Linux terminal passes on."""


def add_yes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="answer yes to the question")


async def confirmed(arguments: argparse.Namespace, question: str) -> None:
    """Ask before an action that cannot be undone; UsageError for no, and without a terminal or --yes."""
    if arguments.yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Use --yes to confirm.")
    if (await ask(f"{question} [y/N] ")).strip().lower() not in ("y", "yes"):
        raise UsageError("cancelled; nothing was changed")


async def secret(question: str) -> str:
    """A line typed without echo."""
    with _without_echo():
        answer = await ask(question)
    print(file=sys.stderr)
    return answer


async def line_given() -> str:
    """The first line of a stdin that is no terminal, without its end; empty if it has none."""
    line: str = await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
    return line.removesuffix("\n").removesuffix("\r")


async def ask(question: str) -> str:
    """A typed line without its end; UsageError at the end of input. Ctrl-C interrupts at once.

    trio waits for input, because Python handles a signal that arrives just before a read only after the read.
    """
    print(question, end="", file=sys.stderr, flush=True)
    await trio.lowlevel.wait_readable(sys.stdin)
    typed = os.read(sys.stdin.fileno(), LINE_BYTES)
    if not typed:  # Ctrl-D, which the terminal does not show
        print(file=sys.stderr)
        raise UsageError("no answer; nothing was changed")
    return typed.decode(sys.stdin.encoding, "surrogateescape").removesuffix("\n")


@contextmanager
def _without_echo() -> Iterator[None]:
    """The terminal shows no typed characters; characters typed before are discarded."""
    before = termios.tcgetattr(sys.stdin)
    without_echo = before.copy()
    without_echo[3] &= ~termios.ECHO
    termios.tcsetattr(sys.stdin, termios.TCSAFLUSH, without_echo)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSAFLUSH, before)
