"""What all clients of one gateway share: the module's network, limits, counters and reports."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from esp32sock.gateway.connection import Connection
from esp32sock.gateway.destination import Destination
from esp32sock.gateway.events import Counters, EventKind, GatewayEvent
from esp32sock.gateway.failures import reason
from esp32sock.gateway.limits import Limits
from esp32sock.gateway.relay import Relay, RelayBrokenError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from esp32sock.gateway.events import Report, Service
    from esp32sock.gateway.network import Network


class ClientGoneError(Exception):
    """The client left before it had its connection."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A network for clients."""

    network: Network
    limits: Limits = field(default_factory=Limits)
    report: Report = lambda event: None
    counters: Counters = field(default_factory=Counters)

    async def connect(self, client: Connection, target: Destination, *, gone_by_eof: bool) -> Connection:
        """A connection over the module, while the client still wants it.

        OSError that says why there is none, after `connect_s` at most. ClientGoneError if the client reset
        its connection, or, with `gone_by_eof`, ended what it sends.
        """

        async def attempt() -> Connection:
            return Connection((await self.network.open_tcp_stream(target.host, target.port)).socket)

        return await self.while_wanted(client, attempt, gone_by_eof=gone_by_eof)

    async def while_wanted(
        self, client: Connection, attempt: Callable[[], Awaitable[Connection]], *, gone_by_eof: bool
    ) -> Connection:
        """The same with any way to connect."""
        made: Connection | None = None
        failure: OSError | None = None
        is_gone = False

        async def connect(scope: trio.CancelScope) -> None:
            nonlocal made, failure
            try:
                made = await attempt()
            except OSError as error:
                failure = error
            scope.cancel()

        try:
            with trio.move_on_after(self.limits.connect_s):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(connect, nursery.cancel_scope)
                    await client.wait_gone(by_eof=gone_by_eof)
                    is_gone = True
                    nursery.cancel_scope.cancel()
            if is_gone:
                raise ClientGoneError
        except BaseException:
            if made is not None:
                made.reset()
            raise
        if made is None:
            seconds = f"{self.limits.connect_s:g} s"
            raise failure or TimeoutError(errno.ETIMEDOUT, f"no connection within {seconds}")
        return made

    async def relay(
        self, service: Service, client: Connection, target: Connection, names: Names, trailing: bytes = b""
    ) -> None:
        """Carry a connection to its end, count and report it."""
        relay = Relay(client, target, self.limits)
        self.connected(service, names)
        error: str | None = "cut off: the gateway ended"
        try:
            await relay.run(trailing)
            error = None
        except RelayBrokenError as broken:
            error = reason(broken)
        finally:
            transfer = relay.transfer
            self.closed(service, names, transfer.bytes_sent, transfer.bytes_received, error)

    # -- reports

    def connected(self, service: Service, names: Names) -> None:
        """A client has what it asked for."""
        self.counters.connected += 1
        self.report(GatewayEvent(EventKind.CONNECTED, service, names.client, names.target))

    def closed(
        self, service: Service, names: Names, sent: int, received: int, error: str | None = None
    ) -> None:
        """It ended; with an error, it was reset or cut off."""
        self.counters.bytes_sent += sent
        self.counters.bytes_received += received
        self.counters.broken += error is not None
        kind = EventKind.CLOSED if error is None else EventKind.BROKEN
        self.report(GatewayEvent(kind, service, names.client, names.target, error, sent, received))

    def refused(self, service: Service, names: Names, error: str) -> None:
        """A client did not get what it asked for."""
        self.counters.refused += 1
        self.report(GatewayEvent(EventKind.REFUSED, service, names.client, names.target, error))


@dataclass(frozen=True, slots=True)
class Names:
    """Who talks with whom, for reports; the target is None before it is known."""

    client: str
    target: str | None = None

    @classmethod
    def of(cls, client: Connection, target: Destination | None = None) -> Names:
        """Of a client that is there, or was."""
        try:
            name = str(Destination(*client.remote))
        except OSError:
            name = "?"
        return cls(name, None if target is None else str(target))
