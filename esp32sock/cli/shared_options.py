"""Options that commands share. They may stand behind the command or in front of it."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING, Any, cast

from esp32sock.cli.registry import SUBCOMMANDS
from esp32sock.settings import BY_NAME, DIRECT, MODULE, MODULE_VARIABLE, PORT, SETTINGS, Setting, parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from esp32sock.config import AttachOptions

COMMON = ("port", "baudrate", "rtscts", "trace", "pcap")
"""The settings that every command takes; some take all."""
ALIASES = {"baudrate": ("--baud",)}
MODULE_OPTION = "--module"

WITH_VALUE = ("-p", "--port", "-b", "--baudrate", "--baud", "--trace", "--pcap", MODULE_OPTION)
WITHOUT_VALUE = ("-v", "-vv", "--verbose", "--rtscts", "--no-rtscts", "--json")

LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
"""By how often -v was given."""


def add_port(
    parser: argparse.ArgumentParser, names: Iterable[str] = COMMON, *, several: bool = False
) -> None:
    """Where the module is, and the settings of these names; what is not given is None.

    `several`: module and port may be repeated, and are lists.
    """
    parser.add_argument(
        MODULE_OPTION,
        metavar="NAME",
        action="append" if several else "store",
        help=f"a module of the configuration files (default: ${MODULE_VARIABLE})",
    )
    for name in names:
        _add(parser, BY_NAME[name], repeats=several and name == PORT)


def add_settings(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Every setting of a module; a password is no option, because other users can read command lines."""
    names = [setting.name for setting in SETTINGS if not setting.is_secret]
    add_port(parser, names, several=several)


def option_of(name: str) -> str:
    """How a setting is called on the command line."""
    return MODULE_OPTION if name == MODULE else BY_NAME[name].option


def given_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given, by their names."""
    values = {setting.name: getattr(arguments, setting.name, None) for setting in SETTINGS}
    return {name: None if value is _OFF else value for name, value in values.items() if value is not None}


def attach_options(arguments: argparse.Namespace) -> AttachOptions:
    """What the options say to `attach`, besides port, module and routes."""
    given = given_settings(arguments)
    return cast("AttachOptions", {name: given[name] for name in given if name not in (PORT, DIRECT)})


def _add(parser: argparse.ArgumentParser, setting: Setting, *, repeats: bool = False) -> None:
    if setting.is_switch:
        parser.add_argument(
            setting.option,
            dest=setting.name,
            action=argparse.BooleanOptionalAction,
            help=setting.help,
            default=None,
        )
        return
    names = (*filter(None, [setting.short]), setting.option, *ALIASES.get(setting.name, ()))
    parser.add_argument(
        *names,
        dest=setting.name,
        metavar=setting.metavar,
        action="append" if repeats else "store",
        type=_Value(setting),
        help=setting.help,
    )


_OFF = object()
"""The value of an option that was given as "none", which None cannot be: that is one that was not given."""


class _Value:
    """What argparse calls for the value of an option."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    def __call__(self, text: str) -> object:
        try:
            value = parsed(self._setting, text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return _OFF if value is None else value


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


def level_of(verbose: int) -> int:
    """The level from which so many -v show the log."""
    return LEVELS[min(verbose, len(LEVELS) - 1)]


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
