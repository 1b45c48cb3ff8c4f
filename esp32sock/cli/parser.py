"""The parser of the command line.

A command's file is imported only when the command is used: `esp32sock --help` does not import trio and rich.
"""

from __future__ import annotations

import argparse
from importlib import import_module

from esp32sock._build import BUILD
from esp32sock._version import __version__
from esp32sock.cli.exit_status import EXIT_STATUS
from esp32sock.cli.registry import SUBCOMMANDS


def parser_for(*chosen: str | None) -> argparse.ArgumentParser:
    """A parser that knows every command by name and help, and those in `chosen` with their arguments.

    The namespace that it returns has `run(arguments) -> exit status` of the command used, and
    `full_parser()`, which makes the parser that knows the arguments of all commands.
    """
    parser = argparse.ArgumentParser(
        prog="esp32sock",
        description="Use an ESP32 with AT firmware as the network interface of Python programs.",
        epilog=EXIT_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"esp32sock {__version__} ({BUILD} build)")
    parser.set_defaults(full_parser=full_parser)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, subcommand in SUBCOMMANDS.items():
        command = commands.add_parser(name, help=subcommand.help)
        if name in chosen:
            import_module(f"esp32sock.cli.{subcommand.module}").add_arguments(command)
    return parser


def full_parser() -> argparse.ArgumentParser:
    """The parser that knows the arguments of every command."""
    return parser_for(*SUBCOMMANDS)
