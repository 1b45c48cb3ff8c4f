"""A network in memory for a gateway, with Unix sockets in place of TCP, so that virtual time holds."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from esp32sock.gateway.connection import Connection
from esp32sock.gateway.gateway import Gateway
from esp32sock.gateway.limits import Limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from esp32sock.gateway.events import GatewayEvent

LIMITS = Limits()


class Watched(Connection):
    """A connection that remembers whether it was reset, which a Unix socket does not show."""

    was_reset = False

    def reset(self) -> None:
        self.was_reset = self.was_reset or not self.is_closed
        super().reset()


def pair() -> tuple[Watched, trio.SocketStream]:
    """A connection, and its other end for the test."""
    ours, theirs = trio.socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    return Watched(ours), trio.SocketStream(theirs)


@dataclass
class FakeNetwork:
    """Servers that the test plays; `errors` says what connecting raises."""

    errors: dict[str, OSError] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)
    given_up: int = 0
    hangs: bool = False

    def __post_init__(self) -> None:
        self._send, self.servers = trio.open_memory_channel[trio.SocketStream](100)

    async def open_tcp_stream(self, host: str, port: int) -> trio.SocketStream:
        self.asked.append((host, port))
        if host in self.errors:
            raise self.errors[host]
        if self.hangs:
            try:
                await trio.sleep_forever()
            except trio.Cancelled:
                self.given_up += 1
                raise
        ours, theirs = trio.socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._send.send_nowait(trio.SocketStream(theirs))
        return trio.SocketStream(ours)

    async def open_tcp_listeners(self, port: int) -> list[trio.SocketListener]:
        raise AssertionError(f"no test listens here, but port {port} was asked for")

    async def open_udp_socket(self, remote: tuple[str, int] | None = None) -> trio.socket.SocketType:
        raise OSError(24, f"no link for {remote}")

    async def resolve(self, host: str) -> list[str]:
        raise AssertionError(f"{host} is looked up by connecting")


class Bench:
    """A gateway over a fake network, and what it reported."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.network = FakeNetwork()
        self.events: list[GatewayEvent] = []
        self.gateway = Gateway(self.network, limits, self.events.append)

    def said(self) -> list[str]:
        return [event.event.value for event in self.events]


@asynccontextmanager
async def served(serve: Callable[[Connection], Awaitable[None]]) -> AsyncIterator[trio.SocketStream]:
    """A client of `serve`, as `accepting` runs it; it has ended when the block ends."""
    ours, theirs = pair()

    async def run() -> None:
        with ours:
            await serve(ours)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        async with theirs:
            yield theirs


async def read_to_end(stream: trio.SocketStream) -> bytes:
    data = b""
    while piece := await stream.receive_some():
        data += piece
    return data


async def read_until(stream: trio.SocketStream, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        piece = await stream.receive_some()
        assert piece, f"ended after {data!r}"
        data += piece
    return data
