"""`esp32sock config`: where the settings of a module come from, and what is wrong in a file with them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from esp32sock import config_files
from esp32sock.cli.common import add_subparsers, handle_errors
from esp32sock.cli.exit_status import FAILED
from esp32sock.cli.output import print_result, printable, table
from esp32sock.cli.shared_options import add_json, add_settings, attach_options, option_of
from esp32sock.config import Found, gather
from esp32sock.engine.options import Options
from esp32sock.net.routes import LOOPBACK
from esp32sock.settings import DIRECT, MODULE, PORT, SETTINGS, Setting

if TYPE_CHECKING:
    import argparse

    from esp32sock.config import Gathered

HIDDEN = "(hidden)"
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Shown:
    """One setting in force; a secret one is not shown."""

    name: str
    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong in a file."""

    line: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Checked:
    """One file, its modules and its problems."""

    path: str
    modules: tuple[str, ...]
    problems: tuple[Wrong, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Show where the settings of a module come from, or check a configuration file."
    commands = add_subparsers(parser)
    shown = commands.add_parser(
        "show",
        help="show every setting with what says so",
        description="Show every setting with what says so: an option, a variable, or a file and its line.",
    )
    add_settings(shown)
    add_json(shown)
    shown.set_defaults(run=lambda arguments: handle_errors(arguments, lambda: show(arguments)))
    checked = commands.add_parser(
        "check",
        help="say what is wrong in configuration files",
        description="Say what is wrong in configuration files; without a name, in those that are used.",
    )
    checked.add_argument("files", nargs="*", metavar="FILE", help="a file to check")
    add_json(checked)
    checked.set_defaults(run=lambda arguments: handle_errors(arguments, lambda: check(arguments)))


def show(arguments: argparse.Namespace) -> None:
    given = {
        **({} if arguments.port is None else {PORT: arguments.port}),
        **({} if arguments.direct is None else {DIRECT: arguments.direct}),
        **attach_options(arguments),
    }
    names = {name: option_of(name) for name in (*given, MODULE)}
    gathered = gather(given, arguments.module, names=names)
    settings = [Shown(MODULE, *_named(gathered.module))]
    settings += [_shown(gathered, setting) for setting in SETTINGS]

    def lines() -> None:
        rows = [(one.name, _text(one.value), one.source) for one in settings]
        table(("SETTING", "VALUE", "FROM"), rows)

    print_result(arguments, {"settings": settings}, lines)


def _named(found: Found | None) -> tuple[Any, str]:
    return (None, DEFAULT) if found is None else (found.value, found.source)


def _shown(gathered: Gathered, setting: Setting) -> Shown:
    found = gathered.get_password() if setting.is_secret else gathered.get(setting.name)
    if found is None:
        return Shown(setting.name, None if setting.is_secret else _default(setting.name), DEFAULT)
    return Shown(setting.name, HIDDEN if setting.is_secret else found.value, found.source)


def _default(name: str) -> Any:
    defaults = {field.name: field.default for field in fields(Options)}
    return {PORT: None, DIRECT: ",".join(LOOPBACK)}.get(name, defaults.get(name))


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return printable(",".join(value) if isinstance(value, tuple) else str(value))


def check(arguments: argparse.Namespace) -> int:
    results = [_checked(path) for path in arguments.files or config_files.present()]

    def lines() -> None:
        for one in results:
            for wrong in one.problems:
                print(printable(str(config_files.Problem(one.path, wrong.line, wrong.text))))
            if not one.problems:
                print(f"{one.path}: no problems; modules: {', '.join(one.modules) or 'none'}")
        if not results:
            print(f"no configuration file: neither {config_files.user_file()} nor {config_files.SYSTEM_FILE}")

    print_result(arguments, {"files": results}, lines)
    return FAILED if any(one.problems for one in results) else 0


def _checked(path: str) -> Checked:
    file, problems = config_files.read(path)
    modules = () if file is None else tuple(file.modules)
    return Checked(path, modules, tuple(Wrong(problem.line, problem.text) for problem in problems))
