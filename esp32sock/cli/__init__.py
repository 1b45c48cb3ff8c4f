"""The command line: one parser, one file for each word."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from esp32sock._build import BUILD
from esp32sock._version import __version__
from esp32sock.cli import demo, run, simulate

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status: 0 well, 1 it failed, 2 wrong words, 69 no module."""
    arguments = _parser().parse_args(argv)
    status: int = arguments.go(arguments)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="esp32sock", description="An ESP32 with AT firmware as the network interface of Python programs."
    )
    parser.add_argument("--version", action="version", version=f"esp32sock {__version__} ({BUILD} build)")
    words = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (run, simulate, demo):
        command.add_to(words)
    return parser
