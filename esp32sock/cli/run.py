"""`esp32sock run`: a program that was not changed, over the module."""

from __future__ import annotations

import argparse
import atexit
import os
import pkgutil
import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from esp32sock.engine.options import DEFAULT_BAUD
from esp32sock.net.local_interface import PASSWORD_VARIABLE, PORT_VARIABLE, SSID_VARIABLE, attach
from esp32sock.shims.monkey import patch, unpatch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Run a Python program with its sockets on the module: `esp32sock run script.py ...` or "
        "`esp32sock run -m package ...`. Everything behind the script or module is the program's own."
    )
    parser.add_argument("--port", help=f"serial device, pyserial URL or sim:// (default: {PORT_VARIABLE})")
    parser.add_argument("--baud", type=int, default=DEFAULT_BAUD, help="the module's rate (%(default)s)")
    parser.add_argument("--rtscts", action="store_true", help="use hardware flow control on both sides")
    parser.add_argument("--direct", help="what the host's own stack serves: networks, names, or none")
    parser.add_argument(
        "--ssid",
        help=f"join this access point, with the password in {PASSWORD_VARIABLE} (default: {SSID_VARIABLE})",
    )
    parser.add_argument("-m", dest="module", action="store_true", help="the program is a module's name")
    parser.add_argument("program", metavar="PROGRAM", help="a script, or with -m a module")
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="the program's own arguments")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    port = arguments.port or os.environ.get(PORT_VARIABLE)
    if not port:
        print(f"esp32sock run: name a port with --port, or set {PORT_VARIABLE}", file=sys.stderr)
        return 2
    if not arguments.module and not Path(arguments.program).exists():
        print(f"esp32sock run: there is no {arguments.program!r}", file=sys.stderr)
        return 2
    # Threads and functions for the end, which the program leaves behind, need the module too: the end of the
    # interpreter detaches it, and takes the patch off behind that, while what it needs still stands.
    atexit.register(unpatch)
    try:
        attach(port, direct=arguments.direct, **_options(arguments))
    except (OSError, ValueError) as error:
        print(f"esp32sock run: {error}", file=sys.stderr)
        return os.EX_UNAVAILABLE
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
    """As the interpreter itself would run it; SystemExit of the program passes through."""
    sys.argv = [arguments.program, *arguments.rest]
    if arguments.module:
        sys.path.insert(0, os.getcwd())
        runpy.run_module(arguments.program, run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, str(Path(arguments.program).resolve().parent))
        _run_file(os.path.abspath(arguments.program))


def _run_file(path: str) -> None:
    """As `__main__`, which stays what it is for threads, pickles and the interpreter's end; runpy's goes."""
    if pkgutil.get_importer(path) is not None or path.endswith(".pyc"):  # a folder or an archive, or compiled
        runpy.run_path(path, run_name="__main__")
        return
    main = ModuleType("__main__")
    main.__file__ = path
    sys.modules["__main__"] = main
    exec(compile(Path(path).read_bytes(), path, "exec"), vars(main))
