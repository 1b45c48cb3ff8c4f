"""A client that speaks SOCKS5: the state machine of `socks.py` with a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from esp32sock.gateway.destination import Destination
from esp32sock.gateway.events import Service
from esp32sock.gateway.failures import failure_of, reason
from esp32sock.gateway.gateway import ClientGoneError, Names
from esp32sock.gateway.socks import Command, SocksServer, State
from esp32sock.gateway.udp_association import UdpAssociation

if TYPE_CHECKING:
    from esp32sock.gateway.connection import Connection
    from esp32sock.gateway.gateway import Gateway
    from esp32sock.gateway.socks import Credentials, Request

SERVICE = Service.SOCKS5


async def serve_socks(gateway: Gateway, client: Connection, credentials: Credentials | None) -> None:
    """Serve one client to its end. OSError if its connection fails before it has what it asks for."""
    server = SocksServer(credentials)
    with trio.move_on_after(gateway.limits.handshake_s) as patience:
        await _negotiate(client, server)
    if patience.cancelled_caught:
        seconds = f"{gateway.limits.handshake_s:g} s"
        gateway.refused(SERVICE, Names.of(client), f"no whole request within {seconds}")
        client.reset()
    elif server.request is None:
        gateway.refused(SERVICE, Names.of(client), server.why_closed or "left without a request")
        await client.close_after_reading(gateway.limits.linger_s)
    else:
        await _HANDLERS[server.request.command](gateway, client, server, server.request)


async def _negotiate(client: Connection, server: SocksServer) -> None:
    """Until there is a request, or the client is refused or has left."""
    while server.state not in (State.DECIDING, State.CLOSED):
        data = await client.receive()
        if not data:
            return
        server.receive(data)
        await client.send_all(server.data_to_send())


async def _connect(gateway: Gateway, client: Connection, server: SocksServer, request: Request) -> None:
    target = request.destination
    names = Names.of(client, target)
    try:
        connection = await gateway.connect(client, target, gone_by_eof=True)
    except ClientGoneError:
        gateway.refused(SERVICE, names, "left before it was connected")
        return
    except OSError as error:
        await _refuse(gateway, client, server, names, error)
        return
    with connection:
        server.accept(Destination(*connection.local))
        await client.send_all(server.data_to_send())
        await gateway.relay(SERVICE, client, connection, names, server.trailing)


async def _associate(gateway: Gateway, client: Connection, server: SocksServer, request: Request) -> None:
    names = Names.of(client)
    try:
        association = await UdpAssociation.open(gateway, client, request.destination.port)
    except OSError as error:
        await _refuse(gateway, client, server, names, error)
        return
    with association:
        server.accept(association.address)
        await client.send_all(server.data_to_send())
        await association.run()


async def _refuse(
    gateway: Gateway, client: Connection, server: SocksServer, names: Names, error: OSError
) -> None:
    server.refuse(failure_of(error).reply, reason(error))
    gateway.refused(SERVICE, names, reason(error))
    await client.send_all(server.data_to_send())
    await client.close_after_reading(gateway.limits.linger_s)


_HANDLERS = {Command.CONNECT: _connect, Command.UDP_ASSOCIATE: _associate}
