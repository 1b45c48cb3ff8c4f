"""`esp32sock run`: run an unmodified Python program with its sockets on the module."""

from __future__ import annotations

import argparse
import os
import pkgutil
import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from esp32sock.attach import attach
from esp32sock.cli.exit_status import NO_MODULE, USAGE
from esp32sock.config import PASSWORD_VARIABLE, SSID_VARIABLE
from esp32sock.engine.options import DEFAULT_BAUD
from esp32sock.net.context import PORT_VARIABLE
from esp32sock.shims.monkey import patch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Run an unmodified Python program with its sockets on the module: `esp32sock run script.py ...` or "
        "`esp32sock run -m package ...`. All arguments after the script or package go to the program."
    )
    parser.add_argument("--port", help=f"serial device, pyserial URL or sim:// (default: ${PORT_VARIABLE})")
    parser.add_argument("--baud", type=int, default=DEFAULT_BAUD, help="baud rate (default: %(default)s)")
    parser.add_argument("--rtscts", action="store_true", help="use RTS/CTS flow control on both sides")
    parser.add_argument(
        "--direct", help="networks and names that this machine's own network serves, with commas; or none"
    )
    parser.add_argument(
        "--ssid",
        help=f"access point to join, with the password in ${PASSWORD_VARIABLE} (default: ${SSID_VARIABLE})",
    )
    parser.add_argument(
        "-m", dest="module", action="store_true", help="PROGRAM is the name of a Python module"
    )
    parser.add_argument("program", metavar="PROGRAM", help="a script, or with -m a Python module")
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="arguments of the program")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    port = arguments.port or os.environ.get(PORT_VARIABLE)
    if not port:
        print(
            f"esp32sock run: give a port with --port or set {PORT_VARIABLE}",
            file=sys.stderr,
        )
        return USAGE
    if not arguments.module and not Path(arguments.program).exists():
        print(f"esp32sock run: no such file: {arguments.program!r}", file=sys.stderr)
        return USAGE
    # Threads and exit functions of the program still need the module after its last line, so the interpreter
    # detaches it at exit. The patch stays: a thread that is still running must not find the host's network.
    try:
        attach(port, direct=arguments.direct, **_options(arguments))
    except (OSError, ValueError) as error:
        print(f"esp32sock run: {error}", file=sys.stderr)
        return NO_MODULE
    patch()
    _run(arguments)
    return 0


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    options: dict[str, Any] = {"baudrate": arguments.baud, "rtscts": arguments.rtscts}
    if arguments.ssid is not None:
        options["ssid"] = arguments.ssid
        options["password"] = os.environ.get(PASSWORD_VARIABLE, "")
    return options


def _run(arguments: argparse.Namespace) -> None:
    """Run the program as the interpreter does; raises what the program raises, SystemExit too."""
    sys.argv = [arguments.program, *arguments.rest]
    if arguments.module:
        sys.path.insert(0, os.getcwd())
        runpy.run_module(arguments.program, run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, str(Path(arguments.program).resolve().parent))
        _run_file(os.path.abspath(arguments.program))


def _run_file(path: str) -> None:
    """Run a file as `__main__`, which stays in sys.modules for threads, pickle and exit functions."""
    if pkgutil.get_importer(path) is not None or path.endswith(".pyc"):  # a folder, an archive, or byte code
        runpy.run_path(path, run_name="__main__")
        return
    main = ModuleType("__main__")
    main.__file__ = path
    sys.modules["__main__"] = main
    exec(compile(Path(path).read_bytes(), path, "exec"), vars(main))
