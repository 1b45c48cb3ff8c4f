"""`esp32sock run`: run an unmodified Python program with its sockets on the module."""

from __future__ import annotations

import argparse
import os
import pkgutil
import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from esp32sock.attach import attach, default
from esp32sock.broker.child_environment import are_served
from esp32sock.cli.end_signals import close_before_end
from esp32sock.cli.exit_status import NO_MODULE, USAGE
from esp32sock.cli.shared_options import add_settings, attach_options
from esp32sock.config import PASSWORD_VARIABLE, resolve
from esp32sock.net.context import PORT_VARIABLE
from esp32sock.shims.monkey import patch

if TYPE_CHECKING:
    from esp32sock.config import AttachOptions

STDIN = "-"
END_MARGIN_S = 5.0
"""Beyond the delivery, for the end of the engine, when a signal ends the program."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Run an unmodified Python program with its sockets on the module: `esp32sock run script.py ...`, "
        "`esp32sock run -m package ...`, `esp32sock run -c 'code' ...`, or `esp32sock run -` for a program "
        "on stdin. All arguments after the program go to it. Its Python children use the module, too."
    )
    add_settings(parser)
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument(
        "-m", dest="is_module", action="store_true", help="PROGRAM is the name of a Python module"
    )
    kinds.add_argument("-c", dest="code", action="store_true", help="PROGRAM is Python code")
    parser.add_argument(
        "program", metavar="PROGRAM", help="a script, - for stdin, with -m a module, with -c code"
    )
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="arguments of the program")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    if not _is_there(arguments):
        print(f"esp32sock run: no such file: {arguments.program!r}", file=sys.stderr)
        return USAGE
    # Threads and exit functions of the program still need the module after its last line, so the interpreter
    # detaches it at exit. The patch stays: a thread that is still running must not find the host's network.
    try:
        _attach(arguments)
    except (OSError, ValueError) as error:
        print(f"esp32sock run: {error}", file=sys.stderr)
        return USAGE if isinstance(error, ValueError) else NO_MODULE
    patch()
    _run(arguments)
    return 0


def _attach(arguments: argparse.Namespace) -> None:
    """Attach the module by a broker, so that children and what takes the program's place have it too."""
    options, routes = resolve(arguments.port, arguments.direct, _options(arguments), arguments.module)
    if options == os.environ.get(PORT_VARIABLE) and are_served():
        default()  # a child of a program that runs like this: its start-up has done the rest
        return
    interface = attach(options, direct=routes.direct, share=True)
    if not isinstance(options, str):
        close_before_end(interface.close, options.close_s + END_MARGIN_S)


def _is_there(arguments: argparse.Namespace) -> bool:
    if arguments.is_module or arguments.code or arguments.program == STDIN:
        return True
    return Path(arguments.program).exists()


def _options(arguments: argparse.Namespace) -> AttachOptions:
    options = attach_options(arguments)
    if arguments.ssid is not None:
        options["ssid"] = arguments.ssid
        options["password"] = os.environ.get(PASSWORD_VARIABLE, "")
    return options


def _run(arguments: argparse.Namespace) -> None:
    """Run the program as the interpreter does; raises what the program raises, SystemExit too."""
    sys.orig_argv = _as_without_us(arguments)
    sys.argv = ["-c" if arguments.code else arguments.program, *arguments.rest]
    if arguments.is_module:
        sys.path.insert(0, os.getcwd())
        runpy.run_module(arguments.program, run_name="__main__", alter_sys=True)
    elif arguments.code:
        _run_text(arguments.program, "<string>")
    elif arguments.program == STDIN:
        _run_text(sys.stdin.buffer.read(), "<stdin>")
    else:
        sys.path.insert(0, str(Path(arguments.program).resolve().parent))
        _run_file(os.path.abspath(arguments.program))


def _as_without_us(arguments: argparse.Namespace) -> list[str]:
    """The command line as if Python ran the program itself: reloaders start it again by it."""
    kind = ["-m"] if arguments.is_module else ["-c"] if arguments.code else []
    return [sys.executable, *kind, arguments.program, *arguments.rest]


def _run_file(path: str) -> None:
    """Run a file as `__main__`, which stays in sys.modules for threads, pickle and exit functions."""
    if pkgutil.get_importer(path) is not None or path.endswith(".pyc"):  # a folder, an archive, or byte code
        runpy.run_path(path, run_name="__main__")
        return
    main = ModuleType("__main__")
    main.__file__ = path
    _run_as_main(main, Path(path).read_bytes(), path)


def _run_text(text: str | bytes, name: str) -> None:
    """Run code that is in no file; it imports from the current folder."""
    sys.path.insert(0, "")
    _run_as_main(ModuleType("__main__"), text, name)


def _run_as_main(main: ModuleType, text: str | bytes, name: str) -> None:
    sys.modules["__main__"] = main
    exec(compile(text, name, "exec"), vars(main))
