"""The parser of the command line.

A command's file is imported only when the command is used: `esp32sock --help` does not import trio and rich.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from esp32sock._build import BUILD
from esp32sock._version import __version__
from esp32sock.cli.exit_status import EXIT_STATUS, USAGE
from esp32sock.cli.registry import SUBCOMMANDS
from esp32sock.cli.shared_options import add_verbose

if TYPE_CHECKING:
    from collections.abc import Iterator


class WrongArguments(SystemExit):
    """Argparse's exit for arguments that it does not accept, with its message."""

    def __init__(self, message: str) -> None:
        super().__init__(USAGE)
        self.message = message


class Parser(argparse.ArgumentParser):
    """Names what a misspelt command or option may have meant."""

    def error(self, message: str) -> NoReturn:
        kind, _, rest = message.partition(": ")
        if kind == "unrecognized arguments":
            options = {option for parser in _tree(self) for option in parser._option_string_actions}
            message += _meant(rest.split()[0].partition("=")[0], options)
        elif "invalid choice: " in rest:
            word = rest.removeprefix("invalid choice: ").split("'")[1]
            commands = _commands(self)
            if commands and kind == "argument COMMAND":
                message = f"no such command: {word!r}" + (
                    _meant(word, commands) or f"; `{self.prog} --help` lists them"
                )
        self.print_usage(sys.stderr)
        print(f"{self.prog}: error: {message}", file=sys.stderr)
        raise WrongArguments(message)


def _meant(word: str, known: set[str] | dict[str, Parser]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _commands(parser: argparse.ArgumentParser) -> dict[str, Parser]:
    """The subcommands of a parser."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _tree(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parser and those of all its subcommands."""
    yield parser
    for command in _commands(parser).values():
        yield from _tree(command)


def parser_for(*chosen: str | None) -> argparse.ArgumentParser:
    """A parser with every command by name and help, and those in `chosen` with their arguments.

    The namespace that it returns has `run(arguments) -> exit status` of the command used, `parser_for`, and
    `full_parser()`, which makes the parser with the arguments of all commands.
    """
    parser = Parser(
        prog="esp32sock",
        description="Use an ESP32 with AT firmware as the network interface of Python programs.",
        epilog=EXIT_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"esp32sock {__version__} ({BUILD} build)")
    parser.set_defaults(full_parser=full_parser, parser_for=parser_for)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, subcommand in SUBCOMMANDS.items():
        command = commands.add_parser(name, help=subcommand.help)
        if name in chosen:
            import_module(f"esp32sock.cli.{subcommand.module}").add_arguments(command)
            for each in _tree(command):
                if not _commands(each):
                    add_verbose(each)
    return parser


def full_parser() -> argparse.ArgumentParser:
    """The parser with the arguments of every command."""
    return parser_for(*SUBCOMMANDS)
