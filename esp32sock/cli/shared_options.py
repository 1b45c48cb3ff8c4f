"""Options that commands share. They may stand behind the command or in front of it."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from esp32sock.cli.registry import SUBCOMMANDS
from esp32sock.engine.options import DEFAULT_BAUD
from esp32sock.net.context import PORT_VARIABLE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

WITH_VALUE = ("-p", "--port", "-b", "--baud", "--baudrate", "--trace", "--pcap")
WITHOUT_VALUE = ("-v", "-vv", "--verbose", "--rtscts", "--json")

LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
"""By how often -v was given."""
LINE = "%(asctime)s.%(msecs)03d %(levelname)-7s %(message)s"


def add_port(parser: argparse.ArgumentParser) -> None:
    """Where the module is, and where a record of its line goes."""
    parser.add_argument(
        "-p", "--port", help=f"serial device, pyserial URL or sim:// (default: ${PORT_VARIABLE})"
    )
    parser.add_argument(
        "-b",
        "--baud",
        "--baudrate",
        metavar="BAUD",
        type=int,
        default=DEFAULT_BAUD,
        help="baud rate (default: %(default)s)",
    )
    parser.add_argument("--rtscts", action="store_true", help="use RTS/CTS flow control")
    parser.add_argument(
        "--trace",
        metavar="FILE",
        help="record the serial line in a file as text, without passwords; - for stderr",
    )
    parser.add_argument("--pcap", metavar="FILE", help="the same as a pcapng file, for Wireshark")


def add_json(parser: argparse.ArgumentParser) -> None:
    """The results and failures as JSON."""
    parser.add_argument("--json", action="store_true", help="print JSON (schemas: docs/schemas)")


def add_verbose(parser: argparse.ArgumentParser) -> None:
    """How much of the log is shown."""
    parser.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=0,
        help="log what happens on stderr; -vv also the dialogue with the module",
    )


def log_to_stderr(verbose: int) -> None:
    """Show the log of esp32sock from the level that so many -v ask for; without one, as Python does."""
    if not verbose:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(LINE, datefmt="%H:%M:%S"))
    log = logging.getLogger("esp32sock")
    log.addHandler(handler)
    log.setLevel(LEVELS[min(verbose, len(LEVELS) - 1)])
    log.propagate = False  # or a program that sets logging up for itself shows each line twice


def ordered(words: Sequence[str]) -> list[str]:
    """The words with the shared options in front of the command moved behind it."""
    path: list[str] = []
    moved: list[str] = []
    at = 0
    while at < len(words):
        option, has_value, _ = words[at].partition("=")
        if option in WITH_VALUE:
            size = 1 if has_value else 2
        elif words[at] in WITHOUT_VALUE or words[at].startswith(("-p", "-b")):
            size = 1
        elif words[at].startswith("-"):
            break
        else:
            path.append(words[at])
            at += 1
            subcommand = SUBCOMMANDS.get(path[0])
            if subcommand is None or len(path) > subcommand.has_subcommands:
                break
            continue
        joint = "=" if option.startswith("--") else ""
        moved.append(joint.join(words[at : at + size]))  # one word, which a command that lacks it names whole
        at += size
    return [*path, *moved, *words[at:]] if path else list(words[at:])
