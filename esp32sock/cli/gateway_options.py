"""What `proxy` and `forward` share: options, the module, and events as lines of text or JSON."""

from __future__ import annotations

import json
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from esp32sock import trio as own_engine
from esp32sock._ending import ending
from esp32sock.broker import client
from esp32sock.cli.common import UsageError, add_options, handle_errors, module_of, run_trio
from esp32sock.cli.output import printable, to_json
from esp32sock.gateway.events import EventKind, GatewayEvent
from esp32sock.gateway.gateway import Gateway
from esp32sock.gateway.limits import Limits
from esp32sock.net.routes import Routes
from esp32sock.trio_network import ModuleNetwork

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Awaitable, Callable

    Job = Callable[[Gateway], Awaitable[None]]

DEFAULTS = Limits()
LINK_WAIT_S = 30.0
"""How long a connection waits for a free link; a browser opens more than there are (chosen)."""
QUIET = (EventKind.CONNECTED, EventKind.CLOSED)
"""Events of which text says nothing without -v."""


def add_gateway(parser: argparse.ArgumentParser) -> None:
    """The options of both."""
    add_options(parser)
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="listen on addresses that other machines reach, too; each of them can then use the module",
    )
    parser.add_argument(
        "--wait",
        type=float,
        default=LINK_WAIT_S,
        metavar="S",
        help="how long a connection waits while all links of the module are in use (default: %(default)g)",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=DEFAULTS.connect_s,
        metavar="S",
        help="how long a connection may take, with that wait (default: %(default)g)",
    )
    parser.add_argument(
        "--idle", type=float, metavar="S", help="end connections over which nothing moves for so long"
    )


def run_gateway(arguments: argparse.Namespace, plan: Callable[[], Job]) -> int:
    """Open the module and run the job of `plan` with a gateway until SIGTERM or Ctrl-C; the exit status.

    `plan` is called first: what is wrong with the arguments needs no module to be said.
    """

    async def run() -> None:
        _check(arguments)
        job = plan()
        async with _network(arguments) as network:
            gateway = Gateway(network, _limits(arguments), _reporter(arguments))
            await _until_ended(gateway, job)

    return handle_errors(arguments, lambda: run_trio(run))


async def _until_ended(gateway: Gateway, job: Job) -> None:
    with ending() as ended, trio.CancelScope() as scope:

        async def cancel_at_the_end() -> None:
            await ended.wait()
            scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(cancel_at_the_end)
            await job(gateway)
    gateway.report(GatewayEvent(EventKind.ENDED, counters=gateway.counters))


@asynccontextmanager
async def _network(arguments: argparse.Namespace) -> AsyncIterator[ModuleNetwork]:
    """The module, or that of a broker; nothing of it goes to the host, whatever the environment says."""
    module = module_of(arguments)
    if not isinstance(module, str):
        async with own_engine.open_interface(module, direct=()) as own:
            own.interface.wait_for_link_s = arguments.wait
            yield own
        return
    shared = await trio.to_thread.run_sync(client.connect, module, Routes(()))
    shared.wait_for_link_s = arguments.wait
    try:
        yield ModuleNetwork(shared)
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(shared.close)


def _check(arguments: argparse.Namespace) -> None:
    for name in ("wait", "timeout", "idle"):
        value = getattr(arguments, name)
        if value is not None and not 0 <= value < float("inf"):
            raise UsageError(f"--{name} takes seconds, not {value:g}")


def _limits(arguments: argparse.Namespace) -> Limits:
    return Limits(connect_s=arguments.timeout, idle_s=arguments.idle)


def _reporter(arguments: argparse.Namespace) -> Callable[[GatewayEvent], None]:
    def report(event: GatewayEvent) -> None:
        if arguments.json:
            print(json.dumps(to_json(event)), flush=True)
        elif event.event not in QUIET or arguments.verbose:
            unasked = event.event not in (EventKind.LISTENING, EventKind.ENDED)
            print(_line(event), file=sys.stderr if unasked else sys.stdout, flush=True)

    return report


def _line(event: GatewayEvent) -> str:
    """An event in words."""
    if event.counters is not None:
        counters = event.counters
        return (
            f"ended: {counters.connected} connections, {counters.refused} refused, {counters.broken} broken, "
            f"{counters.bytes_sent} bytes sent, {counters.bytes_received} received"
        )
    parts = [event.event.value, event.service and event.service.value, event.client]
    if event.target is not None:
        parts.append(f"-> {event.target}")
    if event.bytes_sent is not None:
        parts.append(f"({event.bytes_sent} bytes sent, {event.bytes_received} received)")
    text = " ".join(part for part in parts if part)
    return printable(f"{text}: {event.error}" if event.error else text)
