"""`esp32sock serve`: a broker, which shares a module with any number of programs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from esp32sock.broker import serving, socket_file
from esp32sock.broker.access import Access
from esp32sock.cli.common import UsageError, handle_errors, run_trio
from esp32sock.cli.shared_options import add_settings, attach_options
from esp32sock.config import PASSWORD_VARIABLE, resolve

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Open one or more modules and share them: programs attach to `unix:PATH`, or to `auto`, and use the "
        "module at the same time. Ends with SIGTERM, SIGHUP or Ctrl-C, after what was sent is delivered."
    )
    add_settings(parser, several=True)
    parser.add_argument(
        "--socket",
        metavar="PATH",
        help=f"the Unix socket (default: the service manager's, else ${socket_file.SOCKET_VARIABLE}, "
        "else one of this user)",
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
    access = Access.parse(arguments.allow)
    modules = _modules(arguments)
    names = ", ".join(module.name or module.options.url for module in modules)
    with socket_file.inherited() as inherited:
        if inherited is not None and arguments.socket:
            raise UsageError("--socket: the service manager has opened a socket already")
        path = (
            arguments.socket or socket_file.default_path() if inherited is None else inherited.getsockname()
        )

        def ready() -> None:
            print(f"serving {names} at unix:{path}", flush=True)

        async def serve() -> None:
            await serving.serve(modules, inherited or path, access, on_ready=ready)

        run_trio(serve)
    print("ended", file=sys.stderr)


def _modules(arguments: argparse.Namespace) -> list[serving.Module]:
    """One for each --module and each --port; without any, the one that environment or files name."""
    names, ports = arguments.module or [], arguments.port or []
    if len(names) == 1 and len(ports) == 1:  # the port of this module
        return [_module(arguments, ports[0], names[0])]
    found = [_module(arguments, None, name) for name in names]
    found += [_module(arguments, port, None) for port in ports]
    found = found or [_module(arguments, None, None)]
    urls = [module.options.url for module in found]
    twice = next((url for url in urls if urls.count(url) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice} is given twice")
    return found


def _module(arguments: argparse.Namespace, port: str | None, name: str | None) -> serving.Module:
    given = attach_options(arguments)
    if "ssid" in given:
        given["password"] = os.environ.get(PASSWORD_VARIABLE, "")
    options, _ = resolve(port, None, given, name, shared=False)
    if isinstance(options, str):
        raise UsageError(f"{options} is a broker already; give the port of a module")
    return serving.Module(options, name or "")
