"""`esp32sock completion`: a script that makes bash or zsh complete the command line.

It is written from the parser itself, so it knows every word, option and choice; pressing Tab starts nothing.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FILES = frozenset({"FILE", "LINK", "PROGRAM"})
"""What is called so in the help is a file."""
PORTS = "/dev/ttyUSB* /dev/ttyACM* /dev/serial/by-id/*"
"""What may be behind --port, as the shell matches it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Behind some words: what may stand there."""

    path: tuple[str, ...]
    words: tuple[str, ...]
    options: tuple[str, ...]
    values: dict[str, tuple[str, ...]]
    """The choices of an option that takes a value; none are given for a free one."""
    file_options: frozenset[str]
    choices: tuple[str, ...]
    """Of the arguments without a name."""
    takes_files: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Print a script that makes the shell complete words, options and ports. "
        'For bash put eval "$(esp32sock completion bash)" into ~/.bashrc, for zsh the same with zsh into '
        "~/.zshrc."
    )
    parser.add_argument("shell", choices=SHELLS, help="whose script")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    print(SHELLS[arguments.shell](list(places(arguments.full_parser()))), end="")
    return 0


def places(parser: argparse.ArgumentParser, *path: str) -> Iterator[Place]:
    """This parser, and those of its words."""
    words: dict[str, argparse.ArgumentParser] = {}
    options: list[str] = []
    values: dict[str, tuple[str, ...]] = {}
    file_options: set[str] = set()
    choices: list[str] = []
    takes_files = False
    for action in parser._actions:
        is_file = action.metavar in FILES
        if isinstance(action, argparse._SubParsersAction):
            words = action.choices
        elif not action.option_strings:
            choices += map(str, action.choices or ())
            takes_files = takes_files or is_file
        else:
            options += action.option_strings
            if action.nargs is None:
                given = tuple(map(str, action.choices or ()))
                values |= dict.fromkeys(action.option_strings, given)
                file_options |= set(action.option_strings) if is_file else set()
    yield Place(
        path, tuple(words), tuple(options), values, frozenset(file_options), tuple(choices), takes_files
    )
    for word, below in words.items():
        yield from places(below, *path, word)


BASH = """\
_esp32sock() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} here= number
    local words= options= files= ports=
    for ((number = 1; number < COMP_CWORD; number++)); do
        case "$here ${{COMP_WORDS[number]}}" in
            {paths}) here+=" ${{COMP_WORDS[number]}}" ;;
            *) break ;;
        esac
    done
    case "$here|$before" in
        *"|--port") ports=yes ;;
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


def bash(found: Sequence[Place]) -> str:
    """For bash, and for zsh by its own `bashcompinit`."""
    paths, values, everything = [], [], []
    for place in found:
        here = "".join(f" {word}" for word in place.path)
        paths.append(f'"{here}"')
        for option in place.values.keys() - {"--port"}:
            means = (
                "files=yes" if option in place.file_options else f'words="{" ".join(place.values[option])}"'
            )
            values.append(f'        "{here}|{option}") {means} ;;')
        words, options = " ".join((*place.words, *place.choices)), " ".join(place.options)
        files = " files=yes" if place.takes_files else ""
        everything.append(f'                "{here}") words="{words}" options="{options}"{files} ;;')
    return BASH.format(
        paths=" | ".join(paths[1:]),
        values="\n".join(sorted(values)),
        places="\n".join(everything),
        ports=PORTS,
    )


def zsh(found: Sequence[Place]) -> str:
    """A guess: only bash was tried."""
    return f"autoload -U +X bashcompinit && bashcompinit\n{bash(found)}"


SHELLS: dict[str, Callable[[Sequence[Place]], str]] = {"bash": bash, "zsh": zsh}
