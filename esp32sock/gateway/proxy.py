"""A proxy: SOCKS5 and HTTP at one port, told apart by the first byte of a client."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

import trio

from esp32sock.gateway.accepting import accept_clients
from esp32sock.gateway.destination import Destination
from esp32sock.gateway.events import EventKind, GatewayEvent, Service
from esp32sock.gateway.gateway import Names
from esp32sock.gateway.socks import SOCKS4, VERSION
from esp32sock.gateway.socks_session import serve_socks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from esp32sock.gateway.connection import Connection
    from esp32sock.gateway.gateway import Gateway
    from esp32sock.gateway.socks import Credentials

    Serve = Callable[[Gateway, Connection, Credentials | None], Awaitable[None]]

SOCKS_VERSIONS = (bytes((VERSION,)), bytes((SOCKS4,)))


@dataclass(frozen=True, slots=True)
class Protocols:
    """What a proxy speaks; one that is None is refused."""

    socks: Serve | None = serve_socks
    http: Serve | None = None


def http_server() -> Serve:
    """The HTTP side; ImportError without h11, which is in the extra `proxy`."""
    serve: Serve = import_module("esp32sock.gateway.http_session").serve_http
    return serve


async def serve_proxy(
    gateway: Gateway,
    listeners: Sequence[trio.SocketListener],
    protocols: Protocols,
    credentials: Credentials | None = None,
) -> None:
    """Serve clients until cancelled; open connections are reset then. OSError if a listener fails."""

    async def serve(client: Connection) -> None:
        await serve_by_first_byte(gateway, client, protocols, credentials)

    room = trio.Semaphore(gateway.limits.clients)
    async with trio.open_nursery() as nursery:
        for listener in listeners:
            host, port, *_ = listener.socket.getsockname()
            gateway.report(GatewayEvent(EventKind.LISTENING, client=str(Destination(host, port))))
            nursery.start_soon(accept_clients, gateway, listener, serve, room)


async def serve_by_first_byte(
    gateway: Gateway, client: Connection, protocols: Protocols, credentials: Credentials | None
) -> None:
    """Serve one client to its end. OSError if its connection fails."""
    first = b""
    with trio.move_on_after(gateway.limits.handshake_s):
        first = await client.peek()
    if not first:
        return
    is_socks = first in SOCKS_VERSIONS
    serve = protocols.socks if is_socks else protocols.http
    if serve is not None:
        await serve(gateway, client, credentials)
        return
    service = Service.SOCKS5 if is_socks else Service.HTTP
    gateway.refused(service, Names.of(client), f"this proxy does not speak {service.value}")
    await client.close_after_reading(gateway.limits.linger_s)
