"""`esp32sock completion`: print a script for bash or zsh that completes the command line.

The script is made from the parser, so it has every command, option and choice; Tab does not start Python.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from esp32sock.cli.shared_options import WITH_VALUE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FILES = frozenset({"FILE", "LINK", "PROGRAM"})
"""Metavars of arguments that are files."""
PORTS = "/dev/ttyUSB* /dev/ttyACM* /dev/serial/by-id/*"
"""Shell patterns of the serial devices completed after --port."""


@dataclass(frozen=True, slots=True)
class Position:
    """What may follow a sequence of commands."""

    path: tuple[str, ...]
    commands: tuple[str, ...]
    options: tuple[str, ...]
    values: dict[str, tuple[str, ...]]
    """The choices of each option that takes a value; empty for a free value."""
    file_options: frozenset[str]
    choices: tuple[str, ...]
    """The choices of positional arguments."""
    takes_files: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Print a script that completes commands, options and ports in the shell. "
        'Put eval "$(esp32sock completion bash)" into ~/.bashrc, or the same with zsh into ~/.zshrc.'
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell to print the script for")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    print(SHELLS[arguments.shell](list(positions(arguments.full_parser()))), end="")
    return 0


def positions(parser: argparse.ArgumentParser, *path: str) -> Iterator[Position]:
    """The position of this parser, and those of its subcommands."""
    commands: dict[str, argparse.ArgumentParser] = {}
    options: list[str] = []
    values: dict[str, tuple[str, ...]] = {}
    file_options: set[str] = set()
    choices: list[str] = []
    takes_files = False
    for action in parser._actions:
        is_file = action.metavar in FILES
        if isinstance(action, argparse._SubParsersAction):
            commands = action.choices
        elif not action.option_strings:
            choices += map(str, action.choices or ())
            takes_files = takes_files or is_file
        else:
            options += action.option_strings
            if action.nargs is None:
                given = tuple(map(str, action.choices or ()))
                values |= dict.fromkeys(action.option_strings, given)
                file_options |= set(action.option_strings) if is_file else set()
    yield Position(
        path, tuple(commands), tuple(options), values, frozenset(file_options), tuple(choices), takes_files
    )
    for name, subparser in commands.items():
        yield from positions(subparser, *path, name)


BASH = """\
_esp32sock() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} here= number
    local words= options= files= ports=
    for ((number = 1; number < COMP_CWORD; number++)); do
        case "${{COMP_WORDS[number]}}" in
            {with_value}) ((number++)); continue ;;
            -*) continue ;;
        esac
        case "$here ${{COMP_WORDS[number]}}" in
            {paths}) here+=" ${{COMP_WORDS[number]}}" ;;
            *) break ;;
        esac
    done
    case "$here|$before" in
        *"|--port" | *"|-p") ports=yes ;;
{values}
        *)
            case "$here" in
{places}
            esac
            ;;
    esac
    [[ $word == -* ]] && words+=" $options"
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    local IFS=$'\\n'
    if [[ -n $files ]]; then COMPREPLY+=($(compgen -f -- "$word")); compopt -o filenames; fi
    if [[ -n $ports ]]; then
        COMPREPLY+=($(for port in {ports} sim://; do
            [[ $port == "$word"* && ( $port == sim:// || -e $port ) ]] && echo "$port"
        done))
    fi
}}
complete -F _esp32sock esp32sock
"""


def bash(found: Sequence[Position]) -> str:
    """The script for bash; zsh runs it with `bashcompinit`."""
    paths, values, everything = [], [], []
    for position in found:
        here = "".join(f" {name}" for name in position.path)
        paths.append(f'"{here}"')
        for option in position.values.keys() - {"--port", "-p"}:
            means = (
                "files=yes"
                if option in position.file_options
                else f'words="{" ".join(position.values[option])}"'
            )
            values.append(f'        "{here}|{option}") {means} ;;')
        words, options = " ".join((*position.commands, *position.choices)), " ".join(position.options)
        files = " files=yes" if position.takes_files else ""
        everything.append(f'                "{here}") words="{words}" options="{options}"{files} ;;')
    return BASH.format(
        paths=" | ".join(paths[1:]),
        values="\n".join(sorted(values)),
        places="\n".join(everything),
        ports=PORTS,
        with_value=" | ".join(WITH_VALUE),
    )


def zsh(found: Sequence[Position]) -> str:
    """The script for zsh; not tested, only bash is."""
    return f"autoload -U +X bashcompinit && bashcompinit\n{bash(found)}"


SHELLS: dict[str, Callable[[Sequence[Position]], str]] = {"bash": bash, "zsh": zsh}
