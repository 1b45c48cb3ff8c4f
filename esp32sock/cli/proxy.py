"""`esp32sock proxy`: SOCKS5 and HTTP on this machine, for any program."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from esp32sock.cli.common import UsageError
from esp32sock.cli.gateway_options import add_gateway, run_gateway
from esp32sock.gateway.destination import Destination, DestinationError, parse_destination
from esp32sock.gateway.host_listeners import NotLoopbackError, is_loopback, listen_on_host
from esp32sock.gateway.proxy import Protocols, http_server, serve_proxy
from esp32sock.gateway.socks import Credentials
from esp32sock.gateway.socks_session import serve_socks

if TYPE_CHECKING:
    import argparse

    import trio

    from esp32sock.cli.gateway_options import Job
    from esp32sock.gateway.gateway import Gateway

DEFAULT_LISTEN = "127.0.0.1:1080"
"""The port is the one that IANA gives to SOCKS."""
PASSWORD_VARIABLE = "ESP32SOCK_PROXY_PASSWORD"
NO_HTTP = "HTTP needs the package h11: pip install 'esp32sock[proxy]'"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Serve a proxy for programs of this machine: SOCKS5 (TCP, UDP, names looked up by the module) and "
        "HTTP (CONNECT, and requests for http:// URLs) at one port. Ends with SIGTERM or Ctrl-C. With "
        "--json, print one line of JSON for each event."
    )
    add_gateway(parser)
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        default=DEFAULT_LISTEN,
        help="where clients connect to; port 0 takes a free one (default: %(default)s)",
    )
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--socks", action="store_true", help="speak SOCKS5 only")
    only.add_argument("--http", action="store_true", help="speak HTTP only")
    parser.add_argument(
        "--user",
        metavar="NAME",
        help=f"the name that clients must give, with the password in ${PASSWORD_VARIABLE}",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    return run_gateway(arguments, lambda: plan(arguments))


def plan(arguments: argparse.Namespace) -> Job:
    """What to do with the module; UsageError for wrong arguments."""
    where, protocols = listen_address(arguments.listen), _protocols(arguments)
    credentials = _credentials(arguments)

    async def serve(gateway: Gateway) -> None:
        listeners = await listeners_at(where, arguments)
        if credentials is None and not all(is_loopback(listener.socket) for listener in listeners):
            print("esp32sock: warning: other machines can use the module; see --user", file=sys.stderr)
        await serve_proxy(gateway, listeners, protocols, credentials)

    return serve


async def listeners_at(where: Destination, arguments: argparse.Namespace) -> list[trio.SocketListener]:
    """Listeners of this machine; UsageError for an address that needs --allow-remote."""
    try:
        return await listen_on_host(where, allow_remote=arguments.allow_remote)
    except NotLoopbackError as error:
        raise UsageError(f"{error}; --allow-remote allows it") from None


def listen_address(text: str) -> Destination:
    """HOST:PORT, or a port alone, which is on loopback; UsageError for other text."""
    try:
        return parse_destination(text if ":" in text else f"127.0.0.1:{text}")
    except DestinationError as error:
        raise UsageError(str(error)) from None


def _protocols(arguments: argparse.Namespace) -> Protocols:
    if arguments.socks:
        return Protocols()
    try:
        http = http_server()
    except ImportError:
        if arguments.http:
            raise UsageError(NO_HTTP) from None
        print(f"esp32sock: SOCKS5 only: {NO_HTTP}", file=sys.stderr)
        return Protocols()
    return Protocols(None if arguments.http else serve_socks, http)


def _credentials(arguments: argparse.Namespace) -> Credentials | None:
    if arguments.user is None:
        return None
    password = os.environ.get(PASSWORD_VARIABLE, "")
    if not password:
        raise UsageError(f"--user needs a password in {PASSWORD_VARIABLE}")
    if max(len(arguments.user.encode()), len(password.encode())) > 255:
        raise UsageError("SOCKS5 takes 255 bytes of name and of password")
    return Credentials(arguments.user, password)
