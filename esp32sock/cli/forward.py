"""`esp32sock forward`: a port of this machine to a server behind the module, and the other way round."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import trio

from esp32sock.cli.common import UsageError
from esp32sock.cli.gateway_options import add_gateway, run_gateway
from esp32sock.cli.proxy import listen_address, listeners_at
from esp32sock.gateway.destination import Destination, DestinationError, parse_destination, port_from
from esp32sock.gateway.forward import forward, forward_to_host
from esp32sock.gateway.host_listeners import (
    NotLoopbackError,
    bind_udp_on_host,
    is_loopback,
)
from esp32sock.gateway.udp_forward import UdpForward

if TYPE_CHECKING:
    import argparse

    from esp32sock.cli.gateway_options import Job
    from esp32sock.gateway.gateway import Gateway


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Carry connections, as ssh -L and -R do: clients of LOCAL (a port of this machine, or HOST:PORT) to "
        "HOST:PORT in the module's network, and with --listen those of a port of the module to LOCAL. Ends "
        "with SIGTERM or Ctrl-C. With --json, print one line of JSON for each event."
    )
    add_gateway(parser)
    parser.add_argument(
        "pairs", nargs="*", metavar="LOCAL HOST:PORT", help="where clients connect to, and where they get"
    )
    parser.add_argument(
        "--listen",
        nargs=2,
        metavar=("PORT", "LOCAL"),
        help="carry clients of this TCP port of the module to a server of this machine",
    )
    parser.add_argument("--udp", action="store_true", help="LOCAL HOST:PORT are UDP ports")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    return run_gateway(arguments, lambda: plan(arguments))


def plan(arguments: argparse.Namespace) -> Job:
    """What to do with the module; UsageError for wrong arguments."""
    pairs = _pairs(arguments.pairs)
    reverse = None if arguments.listen is None else _reverse(*arguments.listen)
    if not pairs and reverse is None:
        raise UsageError("give LOCAL HOST:PORT, or --listen PORT LOCAL")
    start = _start_udp if arguments.udp else _start_tcp

    async def serve(gateway: Gateway) -> None:
        async with trio.open_nursery() as nursery:
            for where, target in pairs:
                await start(nursery, gateway, arguments, where, target)
            if reverse is not None:
                nursery.start_soon(forward_to_host, gateway, *reverse)

    return serve


async def _start_tcp(
    nursery: trio.Nursery,
    gateway: Gateway,
    arguments: argparse.Namespace,
    where: Destination,
    target: Destination,
) -> None:
    listeners = await listeners_at(where, arguments)
    for listener in listeners:
        _warn(listener.socket)
    nursery.start_soon(forward, gateway, listeners, target)


async def _start_udp(
    nursery: trio.Nursery,
    gateway: Gateway,
    arguments: argparse.Namespace,
    where: Destination,
    target: Destination,
) -> None:
    try:
        sock = await bind_udp_on_host(where, allow_remote=arguments.allow_remote)
    except NotLoopbackError as error:
        raise UsageError(f"{error}; --allow-remote allows it") from None
    _warn(sock)
    nursery.start_soon(UdpForward(gateway, sock, target).run)


def _warn(sock: trio.socket.SocketType) -> None:
    if not is_loopback(sock):
        print("esp32sock: warning: other machines can use this forward", file=sys.stderr)


def _pairs(words: list[str]) -> list[tuple[Destination, Destination]]:
    if len(words) % 2:
        raise UsageError(f"{words[-1]!r} stands alone: give LOCAL HOST:PORT")
    return [
        (listen_address(local), _target(target))
        for local, target in zip(words[::2], words[1::2], strict=True)
    ]


def _reverse(port: str, local: str) -> tuple[int, Destination]:
    try:
        number = port_from(port)
    except DestinationError as error:
        raise UsageError(f"--listen: {error}") from None
    if number == 0:
        raise UsageError("--listen takes a port from 1 to 65535")
    return number, listen_address(local)


def _target(text: str) -> Destination:
    try:
        target = parse_destination(text)
    except DestinationError as error:
        raise UsageError(str(error)) from None
    if target.is_ipv6 or target.port == 0:
        raise UsageError(f"{text}: the module reaches IPv4 addresses and names, and ports from 1 to 65535")
    return target
