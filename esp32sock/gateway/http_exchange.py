"""One request and its answer, from a client of the proxy to a server and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11
import trio

from esp32sock.gateway.http_messages import request_headers, response_headers
from esp32sock.gateway.relay import Transfer

if TYPE_CHECKING:
    from esp32sock.gateway.destination import Destination
    from esp32sock.gateway.http_side import HttpSide

INFORMED_FROM = b"1.1"
"""Clients before this version know no 100 Continue."""


class HttpExchange:
    """The bodies go both ways at the same time: a server may answer before it has the whole request."""

    def __init__(self, client: HttpSide, server: HttpSide, request: h11.Request) -> None:
        self._client = client
        self._server = server
        self._request = request
        self._upload_error: OSError | None = None
        self.transfer = Transfer()

    async def run(self, destination: Destination, path: bytes) -> None:
        """Until the answer is complete. OSError and h11.RemoteProtocolError as the two sides raise them."""
        headers = request_headers(self._request.headers.raw_items(), destination)
        await self._server.send(h11.Request(method=self._request.method, target=path, headers=headers))
        failure: Exception | None = None

        async def upload() -> None:
            nonlocal failure
            try:
                await self._upload()
            except (OSError, h11.RemoteProtocolError) as error:
                failure = error
                scope.cancel()

        async with trio.open_nursery() as nursery:
            scope = nursery.cancel_scope
            nursery.start_soon(upload)
            try:
                await self._download()
            except (OSError, h11.RemoteProtocolError) as error:
                failure = failure or error
            scope.cancel()
        if failure is not None:
            raise failure

    async def _upload(self) -> None:
        while True:
            event = await self._client.next_event()
            if not isinstance(event, h11.Data | h11.EndOfMessage):
                return
            try:
                await self._server.send(event)
            except OSError:
                return  # the server takes no more; its answer says why, or its end fails the download
            if isinstance(event, h11.EndOfMessage):
                return
            self.transfer.bytes_sent += len(event.data)

    async def _download(self) -> None:
        while True:
            event = await self._server.next_event()
            if isinstance(event, h11.InformationalResponse):
                if self._request.http_version >= INFORMED_FROM:
                    await self._client.send(event)
            elif isinstance(event, h11.Response):
                await self._client.send(_for_client(event))
            elif isinstance(event, h11.Data | h11.EndOfMessage):
                await self._client.send(event)
                if isinstance(event, h11.EndOfMessage):
                    return
                self.transfer.bytes_received += len(event.data)
            else:
                raise h11.RemoteProtocolError("the server closed without an answer")


def _for_client(response: h11.Response) -> h11.Response:
    return h11.Response(
        status_code=response.status_code,
        reason=response.reason,
        headers=response_headers(response.headers.raw_items()),
    )
