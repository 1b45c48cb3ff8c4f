"""A running module on the simulator in memory, under trio's virtual clock."""

from __future__ import annotations

import errno
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import trio

from esp32sock.engine.engine import Engine
from esp32sock.engine.options import Options
from esp32sock.engine.requests import Opening, StreamOptions, StreamRequest
from esp32sock.engine.transports import StreamPort
from esp32sock.errors import PortError
from esp32sock.simulator import MemoryNetwork, Settings, open_module

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from esp32sock.at.tls import TlsOptions
    from esp32sock.engine.requests import StreamOpened
    from esp32sock.engine.transports import Port
    from esp32sock.errors import Error
    from esp32sock.simulator.network.memory import Connection
    from esp32sock.simulator.runtime.runner import Opened as Simulated

HOST = "10.0.2.2"
DEADLOCK_S = 3600
"""Of virtual time: a test that waits for what never comes ends here, at once."""
PAIR_BYTES = 4096
"""Small, as the sockets make them: what a pair holds is not on the wire yet."""


def opening() -> Opening:
    return Opening(trio.CancelScope())


@dataclass
class User:
    """An application with one stream: its end of the pair, and what it was told."""

    end: trio.SocketStream
    request: StreamRequest = field(init=False)
    link_id: int = -1
    local: tuple[str, int] = ("", 0)
    events: list[str] = field(default_factory=list)
    error: Error | None = None
    decided: trio.Event = field(default_factory=trio.Event)
    over: trio.Event = field(default_factory=trio.Event)

    def opened(self, opened: StreamOpened) -> None:
        self.events.append("opened")
        self.link_id, self.local = opened.link_id, opened.local
        self.decided.set()

    def failed(self, error: Error) -> None:
        self.events.append("failed")
        self.error = error
        self.decided.set()
        self.over.set()

    def ended(self, error: Error | None) -> None:
        self.events.append("ended")
        self.error = error
        self.over.set()

    async def read_all(self) -> bytes:
        """Everything until the end of the stream."""
        return b"".join([piece async for piece in self.end])


@dataclass
class Harness:
    """The module under test and the simulated one behind it."""

    engine: Engine
    simulated: Simulated
    users: list[User] = field(default_factory=list)

    def begin(self, port: int, *, host: str = HOST, tls: TlsOptions | None = None, **more: Any) -> User:
        """Ask for a connection, and do not wait; `more` are fields of the request."""
        ours, engines = socket.socketpair()
        engines.setblocking(False)
        for end in (ours, engines):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PAIR_BYTES)
        user = User(trio.SocketStream(trio.socket.from_stdlib_socket(ours)))
        if tls is not None:
            more["options"] = StreamOptions(tls=tls)
        user.request = StreamRequest(engines, (host, port), user, opening(), **more)
        self.users.append(user)
        self.engine.open_stream(user.request)
        return user

    def look_at_the_network(self) -> None:
        """A scripted client was set up from outside the module's own time."""
        assert self.simulated.module.wake is not None
        self.simulated.module.wake()

    async def connect(self, port: int, **options: Any) -> User:
        """A connection, or the failure of it raised."""
        user = self.begin(port, **options)
        await user.decided.wait()
        if user.events[0] == "failed":
            assert user.error is not None
            raise user.error
        return user


@asynccontextmanager
async def running(
    settings: Settings | None = None,
    network: MemoryNetwork | None = None,
    opener: Callable[[Simulated], Callable[[str, int], object]] | None = None,
    **options: object,
) -> AsyncIterator[Harness]:
    """A module on a simulated one; both end with the block, and no link may be left then."""
    with trio.fail_after(DEADLOCK_S):
        async with _running(settings, network, opener, **options) as harness:
            yield harness


@asynccontextmanager
async def _running(
    settings: Settings | None,
    network: MemoryNetwork | None,
    opener: Callable[[Simulated], Callable[[str, int], object]] | None,
    **options: object,
) -> AsyncIterator[Harness]:
    async with open_module(settings, network) as simulated:

        async def open_memory(url: str, baud: int) -> Port:
            return StreamPort(simulated.stream, url)

        chosen = opener(simulated) if opener is not None else open_memory
        engine = Engine(Options("memory", **options), chosen)  # type: ignore[arg-type]
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
            harness = Harness(engine, simulated)
            try:
                yield harness
            finally:
                for user in harness.users:
                    await user.end.aclose()
            await engine.drain()
            assert not engine.is_open or engine.context.pool.pumps == {}
            for user in harness.users:
                if user.events == ["failed"]:
                    user.request.end.close()  # handed back
                assert user.request.end.fileno() == -1
            nursery.cancel_scope.cancel()


async def echo(connection: Connection) -> None:
    while data := await connection.receive():
        connection.send(data)


async def sink(connection: Connection) -> None:
    while await connection.receive():
        pass


def network(**peers: object) -> MemoryNetwork:
    """A network with peers by port: `network(p7000=echo)`."""
    net = MemoryNetwork(names={"example.test": "10.0.2.9"})
    for name, peer in peers.items():
        net.listen(HOST, int(name[1:]), peer)  # type: ignore[arg-type]
    return net


def port_lost(message: str = "unplugged") -> PortError:
    return PortError(message, errno=errno.ENODEV)
