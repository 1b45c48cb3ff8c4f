"""`esp32sock help`: the commands, or the arguments of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.cli.registry import SUBCOMMANDS

if TYPE_CHECKING:
    import argparse

FIRST = ("ports", "doctor", "wifi", "get", "run", "at", "simulate", "demo")
"""The commands that the short help names."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Show all commands, or the arguments of one command."
    parser.add_argument("words", nargs="*", metavar="COMMAND", help="for example wifi join")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    arguments.parser_for(*arguments.words[:1]).parse_args([*arguments.words, "--help"])
    return 0


def short_help() -> str:
    """What `esp32sock` alone prints."""
    rows = "\n".join(f"  {name:<10} {SUBCOMMANDS[name].help}" for name in FIRST)
    return (
        "usage: esp32sock COMMAND ...\n\n"
        f"{rows}\n\n"
        "`esp32sock help` lists all commands, `esp32sock help COMMAND` explains one.\n"
        "A module to try them without hardware is `-p sim://`."
    )
