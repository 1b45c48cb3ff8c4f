"""The command line: one parser, one file for each word.

A word's file is imported only when the word is used: `esp32sock --help` must not pay for trio and rich.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING

from esp32sock._build import BUILD
from esp32sock._version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Subcommand:
    """A command of the command line; `place` is the file that has `add_arguments(parser)`."""

    help: str
    place: str


WORDS = {
    "ports": Subcommand("list the serial ports, and which look like an ESP32", "ports"),
    "doctor": Subcommand("find out what is wrong, with advice", "doctor"),
    "info": Subcommand("what module this is, and how it is set", "info"),
    "wifi": Subcommand("scan, join, leave, and the station's addresses", "wifi"),
    "ap": Subcommand("the module's own access point", "ap"),
    "smartconfig": Subcommand("let a phone tell the module its network", "smartconfig"),
    "wps": Subcommand("join by the access point's button", "wps"),
    "uart": Subcommand("the serial line: show it, change its rate", "uart"),
    "sleep": Subcommand("put the module to sleep", "sleep"),
    "time": Subcommand("ask the network for the time", "clock"),
    "resolve": Subcommand("look up a name", "resolve"),
    "ping": Subcommand("the round trip to a host", "ping"),
    "get": Subcommand("fetch a URL over the module", "get"),
    "put": Subcommand("send a file to a URL over the module", "put"),
    "listen": Subcommand("wait for connections and show what they say", "listen"),
    "links": Subcommand("list what the module has open", "links"),
    "at": Subcommand("a console for AT commands", "at"),
    "update": Subcommand("fetch new firmware over the air", "update"),
    "passthrough": Subcommand("a terminal or a pipe to one host", "passthrough"),
    "restore": Subcommand("forget every setting and restart", "restore"),
    "run": Subcommand("run a program over the module", "run"),
    "simulate": Subcommand("run a simulated module", "simulate"),
    "demo": Subcommand("show it without hardware", "demo"),
    "completion": Subcommand("make a shell complete all this", "completion"),
}

INTERRUPTED = 130

EXIT_STATUS = """\
exit status: 0 it worked, 1 it failed, 2 the words make no sense, 69 there is no module to talk to,
130 it was interrupted
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status, see `EXIT_STATUS`."""
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        chosen = next((word for word in words if not word.startswith("-")), None)
        arguments = parser_for(chosen).parse_args(words)
        if chosen != "run":  # a program's streams are its own
            _have_streams()
            _print_anything()
        status: int = arguments.go(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has seen enough; the interpreter must not complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED
    return status


def _have_streams() -> None:
    """What the caller has closed is empty, and takes everything."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _print_anything() -> None:
    """A network's name may hold letters that the terminal has not."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def parser_for(*chosen: str | None) -> argparse.ArgumentParser:
    """All words with their help, and the arguments of those chosen."""
    parser = argparse.ArgumentParser(
        prog="esp32sock",
        description="An ESP32 with AT firmware as the network interface of Python programs.",
        epilog=EXIT_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"esp32sock {__version__} ({BUILD} build)")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, word in WORDS.items():
        command = commands.add_parser(name, help=word.help)
        if name in chosen:
            import_module(f"esp32sock.cli.{word.place}").add_arguments(command)
    return parser
