"""A client that speaks HTTP to the proxy: CONNECT, and requests for whole URLs, one after another.

A tunnel is a relay. A plain request gets a connection to its server for itself, which ends with the answer:
links are few, and one that is kept for a request that may never come is missed elsewhere. The client's own
connection is kept. An answer that breaks off is a reset for the client, never an end that looks complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11
import trio

from esp32sock.gateway.events import Service
from esp32sock.gateway.failures import failure_of, reason
from esp32sock.gateway.gateway import ClientGoneError, Names
from esp32sock.gateway.http_exchange import HttpExchange
from esp32sock.gateway.http_messages import TargetError, absolute_target, is_authorized, tunnel_target
from esp32sock.gateway.http_side import HttpSide, idle_limit

if TYPE_CHECKING:
    from esp32sock.gateway.connection import Connection
    from esp32sock.gateway.destination import Destination
    from esp32sock.gateway.gateway import Gateway
    from esp32sock.gateway.socks import Credentials

SERVICE = Service.HTTP
CHALLENGE = (b"Proxy-Authenticate", b'Basic realm="esp32sock"')


async def serve_http(gateway: Gateway, client: Connection, credentials: Credentials | None) -> None:
    """Serve one client to its end. OSError if its connection fails."""
    await _HttpSession(gateway, client, credentials).run()


class _HttpSession:
    def __init__(self, gateway: Gateway, client: Connection, credentials: Credentials | None) -> None:
        self._gateway = gateway
        self._client = client
        self._credentials = credentials
        self._side = HttpSide(client, h11.SERVER, idle_limit(gateway.limits.idle_s))

    async def run(self) -> None:
        while (request := await self._next_request()) is not None:
            await self._answer(request)
            if self._client.is_closed:
                return
            if self._side.h11.our_state is not h11.DONE or self._side.h11.their_state is not h11.DONE:
                break
            self._side.h11.start_next_cycle()
        await self._client.close_after_reading(self._gateway.limits.linger_s)

    async def _next_request(self) -> h11.Request | None:
        """None if there is none, and the client has been told why, if it waits for an answer."""
        limits = self._gateway.limits
        if not self._side.h11.trailing_data[0]:
            with trio.move_on_after(limits.keepalive_s) as patience:
                if not await self._client.peek():
                    return None
            if patience.cancelled_caught:
                return None
        event: object = None
        try:
            with trio.move_on_after(limits.handshake_s):
                event = await self._side.next_event()
        except h11.RemoteProtocolError as error:
            await self._refuse(Names.of(self._client), error.error_status_hint, f"not HTTP: {error}")
            return None
        if event is None:
            seconds = f"{limits.handshake_s:g} s"
            await self._refuse(Names.of(self._client), 408, f"no whole request within {seconds}")
        return event if isinstance(event, h11.Request) else None

    async def _answer(self, request: h11.Request) -> None:
        if not is_authorized(request.headers.raw_items(), self._credentials):
            names = Names.of(self._client)
            await self._refuse(names, 407, "a name and password are needed", request, [CHALLENGE])
            return
        try:
            if request.method == b"CONNECT":
                await self._tunnel(request, tunnel_target(request.target))
            else:
                await self._pass_on(request, *absolute_target(request.method, request.target))
        except TargetError as error:
            await self._refuse(Names.of(self._client), error.status, str(error), request)

    async def _tunnel(self, request: h11.Request, target: Destination) -> None:
        await self._side.next_event()  # the end of the request
        connection = await self._connected(request, target, gone_by_eof=True)
        if connection is None:
            return
        with connection:
            await self._side.send(h11.Response(status_code=200, headers=[], reason=b"Connection established"))
            names = Names.of(self._client, target)
            trailing, _ = self._side.h11.trailing_data
            await self._gateway.relay(SERVICE, self._client, connection, names, trailing)

    async def _pass_on(self, request: h11.Request, target: Destination, path: bytes) -> None:
        connection = await self._connected(request, target, gone_by_eof=False)
        if connection is None:
            return
        names = Names.of(self._client, target)
        with connection:
            server = HttpSide(connection, h11.CLIENT, idle_limit(self._gateway.limits.idle_s))
            exchange = HttpExchange(self._side, server, request)
            self._gateway.connected(SERVICE, names)
            error: str | None = "cut off: the gateway ended"
            try:
                await exchange.run(target, path)
                error = None
            except OSError as failed:
                error = reason(failed)
                await self._break(request, failure_of(failed).status, error)
            except h11.RemoteProtocolError as failed:
                error = f"not HTTP: {failed}"
                await self._break(request, 502, error)
            finally:
                transfer = exchange.transfer
                self._gateway.closed(SERVICE, names, transfer.bytes_sent, transfer.bytes_received, error)

    async def _connected(
        self, request: h11.Request, target: Destination, *, gone_by_eof: bool
    ) -> Connection | None:
        """None if there is no connection, and the client was told why, if it is there."""
        names = Names.of(self._client, target)
        try:
            return await self._gateway.connect(self._client, target, gone_by_eof=gone_by_eof)
        except ClientGoneError:
            self._gateway.refused(SERVICE, names, "left before it was connected")
            self._client.close()
        except OSError as error:
            await self._refuse(names, failure_of(error).status, reason(error), request)
        return None

    async def _break(self, request: h11.Request, status: int, why: str) -> None:
        """An exchange failed: an answer that says so if none was begun, else a reset."""
        if self._side.h11.our_state is h11.SEND_RESPONSE:
            await self._say(status, why, request)
        else:
            self._client.reset()

    async def _refuse(
        self,
        names: Names,
        status: int,
        why: str,
        request: h11.Request | None = None,
        headers: list[tuple[bytes, bytes]] | None = None,
    ) -> None:
        self._gateway.refused(SERVICE, names, why)
        await self._say(status, why, request, headers)

    async def _say(
        self,
        status: int,
        why: str,
        request: h11.Request | None = None,
        headers: list[tuple[bytes, bytes]] | None = None,
    ) -> None:
        """An answer of the proxy's own, after which the connection ends."""
        body = f"esp32sock: {why}\n".encode()
        described = [
            (b"Content-Type", b"text/plain; charset=utf-8"),
            (b"Content-Length", str(len(body)).encode()),
            (b"Connection", b"close"),
            *(headers or []),
        ]
        await self._side.send(h11.Response(status_code=status, headers=described))
        if request is None or request.method != b"HEAD":
            await self._side.send(h11.Data(data=body))
        await self._side.send(h11.EndOfMessage())
