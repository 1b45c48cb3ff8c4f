"""Forwards: a port of the host to a server in the module's network, and a port of the module to the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from esp32sock.gateway.accepting import accept_clients
from esp32sock.gateway.connection import Connection
from esp32sock.gateway.destination import Destination
from esp32sock.gateway.events import EventKind, GatewayEvent, Service
from esp32sock.gateway.failures import reason
from esp32sock.gateway.gateway import ClientGoneError, Names

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from esp32sock.gateway.gateway import Gateway


async def forward(gateway: Gateway, listeners: Sequence[trio.SocketListener], target: Destination) -> None:
    """Carry every client of these listeners of the host to `target`, until cancelled."""

    async def connect() -> Connection:
        return Connection((await gateway.network.open_tcp_stream(target.host, target.port)).socket)

    await _forward(gateway, Service.FORWARD, listeners, target, connect)


async def forward_to_host(gateway: Gateway, port: int, target: Destination) -> None:
    """Carry every client of this port of the module to `target` as the host reaches it, until cancelled.

    OSError if the module refuses to listen.
    """

    async def connect() -> Connection:
        return Connection((await trio.open_tcp_stream(target.host, target.port)).socket)

    listeners = await gateway.network.open_tcp_listeners(port)
    await _forward(gateway, Service.REVERSE, listeners, target, connect)


async def _forward(
    gateway: Gateway,
    service: Service,
    listeners: Sequence[trio.SocketListener],
    target: Destination,
    connect: Callable[[], Awaitable[Connection]],
) -> None:
    async def serve(client: Connection) -> None:
        names = Names.of(client, target)
        try:
            connection = await gateway.while_wanted(client, connect, gone_by_eof=False)
        except ClientGoneError:
            gateway.refused(service, names, "left before it was connected")
            return
        except OSError as error:
            gateway.refused(service, names, reason(error))
            client.reset()
            return
        with connection:
            await gateway.relay(service, client, connection, names)

    room = trio.Semaphore(gateway.limits.clients)
    async with trio.open_nursery() as nursery:
        for listener in listeners:
            host, port, *_ = listener.socket.getsockname()
            event = GatewayEvent(EventKind.LISTENING, service, str(Destination(host, port)), str(target))
            gateway.report(event)
            nursery.start_soon(accept_clients, gateway, listener, serve, room)
