"""`esp32sock serve`: a broker, which shares a module with any number of programs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from esp32sock.broker import serving, socket_file
from esp32sock.broker.access import Access
from esp32sock.cli.common import UsageError, handle_errors, run_trio
from esp32sock.config import PASSWORD_VARIABLE, SSID_VARIABLE, resolve
from esp32sock.engine.options import DEFAULT_BAUD, Options
from esp32sock.net.context import PORT_VARIABLE

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Open one or more modules and share them: programs attach to `unix:PATH`, or to `auto`, and use the "
        "module at the same time. Ends with SIGTERM or Ctrl-C, after what was sent is delivered."
    )
    parser.add_argument(
        "--port",
        action="append",
        help=f"serial device, pyserial URL or sim://; may be repeated (default: ${PORT_VARIABLE})",
    )
    parser.add_argument("--baud", type=int, default=DEFAULT_BAUD, help="baud rate (default: %(default)s)")
    parser.add_argument("--rtscts", action="store_true", help="use RTS/CTS flow control on both sides")
    parser.add_argument(
        "--ssid",
        help=f"access point to join, with the password in ${PASSWORD_VARIABLE} (default: ${SSID_VARIABLE})",
    )
    parser.add_argument(
        "--socket",
        metavar="PATH",
        help=f"the Unix socket (default: ${socket_file.SOCKET_VARIABLE}, else one of this user)",
    )
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="RULE",
        help="give other users rights: USER=look,connect, @GROUP=listen,command, *=all",
    )
    parser.set_defaults(run=lambda arguments: handle_errors(arguments, lambda: run(arguments)))


def run(arguments: argparse.Namespace) -> None:
    path = arguments.socket or socket_file.default_path()
    access = Access.parse(arguments.allow)
    modules = [_options(arguments, port) for port in arguments.port or [None]]

    def ready() -> None:
        names = ", ".join(options.url for options in modules)
        print(f"serving {names} at unix:{path}", flush=True)

    async def serve() -> None:
        await serving.serve(modules, path, access, on_ready=ready)

    run_trio(serve)
    print("ended", file=sys.stderr)


def _options(arguments: argparse.Namespace, port: str | None) -> Options:
    options, _ = resolve(port, None, {"baudrate": arguments.baud, "rtscts": arguments.rtscts})
    if isinstance(options, str):
        raise UsageError(f"{options} is a broker already; give the port of a module")
    if arguments.ssid is None:
        return options
    password = os.environ.get(PASSWORD_VARIABLE, "")
    return Options(options.url, arguments.baud, arguments.rtscts, arguments.ssid, password)
