"""A running engine with some sockets, on a module that mishaps can be done to."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio
import trio.testing

from esp32sock._constants import DATAGRAM_HEADER
from esp32sock.at.commands import basic
from esp32sock.engine.datagram_peers import packed_peer
from esp32sock.engine.engine import Engine
from esp32sock.engine.options import Options
from esp32sock.engine.requests import DatagramRequest, ListenRequest, Opening, StreamRequest
from esp32sock.errors import Error, PortError
from esp32sock.simulator import HostLine, MemoryNetwork, Settings, open_module
from tests.chaos.kinds import BY_NAME
from tests.chaos.ledger import Direction
from tests.chaos.line import ChaosFaults, ChaosPort, FaultWindow
from tests.chaos.plan import Dose
from tests.chaos.world import CLIENT_PORTS, HOST, LISTEN_PORT, NAMES, PROBE_PORT, pair

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from esp32sock.engine.requests import AcceptedStream, DatagramOpened, Listening, StreamOpened
    from esp32sock.engine.transports import Port
    from esp32sock.simulator import Connection
    from esp32sock.simulator.runtime.runner import Opened
    from tests.chaos.trace import Trace

ACTIVE_PORT, UDP_PORT = 7001, 7002
TRY_S = 3.0
"""One try of an application takes no longer."""


@dataclass
class Watched:
    """One socket of the module under test: when it ended for its application, and what the engine said."""

    name: str
    ended_s: float | None = None
    error: str = ""
    wrong: str = ""
    link_id: int = -1
    decided: trio.Event = field(default_factory=trio.Event)
    engines: socket.socket | None = None

    def opened(self, opened: StreamOpened | DatagramOpened) -> None:
        self.link_id = opened.link_id
        self.decided.set()

    def failed(self, error: Error) -> None:
        if self.engines is not None:
            self.engines.close()
        self.ended(error)
        self.decided.set()

    def doubtful(self, error: Error) -> None:
        pass

    def ended(self, error: Error | None) -> None:
        if self.ended_s is None:
            self.ended_s = trio.current_time()
            self.error = str(error or "")


class Rig:
    """A running engine with some sockets, on a module that mishaps can be done to."""

    def __init__(
        self,
        engine: Engine,
        opened: Opened,
        network: MemoryNetwork,
        nursery: trio.Nursery,
        clock: trio.testing.MockClock,
        window: FaultWindow,
        trace: Trace,
    ) -> None:
        self.engine = engine
        self.opened = opened
        self.network = network
        self.clock = clock
        self.window = window
        self.trace = trace
        self._nursery = nursery
        self.sockets: dict[str, Watched] = {}
        self.peers: dict[str, Connection] = {}
        self.listens = trio.Event()
        self._listening_end: socket.socket | None = None
        self._ends: list[socket.socket] = []

    # -- setting up

    async def set_up(self) -> None:
        """Open everything."""
        self.network.listen(HOST, ACTIVE_PORT, self._echo("active"))
        self.network.listen(HOST, PROBE_PORT, self._echo("probe"))
        self.network.answer_datagrams(HOST, UDP_PORT, lambda data: [data])
        await self._stream()
        await self._datagrams()
        await self._listen()

    def _echo(self, name: str):  # type: ignore[no-untyped-def]
        async def echo(connection: Connection) -> None:
            self.peers[name] = connection
            while data := await connection.receive():
                connection.send(data)

        return echo

    async def _stream(self) -> None:
        engines, ours = pair()
        watched = self.sockets["active"] = Watched("active", engines=engines)
        self._ends.append(ours)
        self.engine.open_stream(
            StreamRequest(engines, (HOST, ACTIVE_PORT), watched, Opening(trio.CancelScope()), timeout=5.0)
        )
        await watched.decided.wait()
        self._nursery.start_soon(self._exchange, watched, trio.socket.from_stdlib_socket(ours))

    async def _read(self, watched: Watched, end: trio.socket.SocketType) -> None:
        try:
            while await end.recv(4096):
                pass
        except OSError:
            pass
        self._ended(watched)

    async def _exchange(self, watched: Watched, end: trio.socket.SocketType) -> None:
        way = Direction(1)
        try:
            while True:
                data = way.next(20)
                way.sent += len(data)
                await end.send(data)
                while way.arrived < way.sent:
                    data = await end.recv(100)
                    if not data:
                        return
                    way.take(data)
                    watched.wrong = way.wrong
                await trio.sleep(0.5)
        except OSError:
            pass
        finally:
            self._ended(watched)

    @staticmethod
    def _ended(watched: Watched) -> None:
        if watched.ended_s is None:
            watched.ended_s = trio.current_time()

    async def _datagrams(self) -> None:
        engines, ours = pair(socket.SOCK_SEQPACKET)
        watched = self.sockets["udp"] = Watched("udp", engines=engines)
        self._ends.append(ours)
        self.engine.open_datagram(
            DatagramRequest(engines, 30000, (HOST, UDP_PORT), watched, Opening(trio.CancelScope()))
        )
        await watched.decided.wait()

    async def datagram_comes_back(self) -> bool:
        """Whether the UDP socket still works."""
        end = trio.socket.from_stdlib_socket(self._ends[1])
        header = packed_peer((HOST, UDP_PORT))
        with trio.move_on_after(TRY_S):
            try:
                await end.send(header + b"there and back")
                return (await end.recv(100))[DATAGRAM_HEADER.size :] == b"there and back"
            except OSError:
                pass
        return False

    async def _listen(self) -> None:
        engines, ours = pair()
        self._listening_end = ours
        self.engine.listen(
            ListenRequest(
                engines, LISTEN_PORT, self, Opening(trio.CancelScope()), pair, lambda one: one, links=2
            )
        )
        await self.listens.wait()
        self.network_connect(self._idle_client)
        with trio.fail_after(5.0):
            while "accepted" not in self.sockets:  # noqa: ASYNC110
                await trio.sleep(0.1)

    async def _idle_client(self, connection: Connection) -> None:
        self.peers["accepted"] = connection
        while await connection.receive():
            pass

    def network_connect(self, peer) -> bool:  # type: ignore[no-untyped-def]
        """A client comes to the module's server."""
        return self.opened.runner.perform(
            lambda: self.network.connect(LISTEN_PORT, peer, from_port=CLIENT_PORTS)
        )

    # -- the listener's events

    def listening(self, listening: Listening) -> None:
        self.listens.set()

    def failed(self, error: Error) -> None:
        raise AssertionError(f"the listener failed: {error}")

    def accepted(self, user_end: socket.socket, opened: StreamOpened, events_to: AcceptedStream) -> None:
        if opened.remote[1] == CLIENT_PORTS:
            watched = self.sockets.setdefault("accepted", Watched("accepted"))
            watched.link_id = opened.link_id
            events_to.attach(watched)
            self._ends.append(user_end)
            self._nursery.start_soon(self._read, watched, trio.socket.from_stdlib_socket(user_end))
        else:
            self._nursery.start_soon(self._echo_user, user_end)

    async def _echo_user(self, end: socket.socket) -> None:
        with trio.socket.from_stdlib_socket(end) as ours:
            try:
                while data := await ours.recv(4096):
                    await ours.send(data)
            except OSError:
                pass

    def accept_failed(self, user_end: socket.socket) -> None:
        user_end.close()

    def ended(self, error: Error | None) -> None:
        self.trace.note(f"listener ended: {error}")

    # -- ending

    def close(self) -> None:
        """The application goes."""
        for end in self._ends:
            end.close()
        if self._listening_end is not None:
            self._listening_end.close()


@asynccontextmanager
async def running_rig(
    faults: Iterable[str],
    profile: str,
    clock: trio.testing.MockClock,
    trace: Trace,
    *,
    paced: bool,
    raised_baud: int | None = None,
) -> AsyncIterator[Rig]:
    """An engine on a simulated module, with its sockets open; a command raised the rate before, if so."""
    network = MemoryNetwork(names=dict(NAMES))
    window = FaultWindow(once=True)
    doses = [Dose(BY_NAME[name], "1") for name in faults]
    injector = ChaosFaults(doses, 1, trace, window)
    async with open_module(
        Settings(profile=profile, seed=1, paced=paced), network, faults=injector
    ) as opened:

        async def opener(url: str, baud: int) -> Port:
            if opened.module.uart.unplugged:
                raise PortError("the line is unplugged")
            return RatedPort(opened, doses, trace, window, baud)

        engine = Engine(Options("memory"), opener)
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
            async with trio.open_nursery() as users:
                harness = Rig(engine, opened, network, users, clock, window, trace)
                try:
                    if raised_baud is not None:
                        await engine.execute(basic.SetUart(basic.UartSettings(raised_baud)))
                    await harness.set_up()
                    await trio.sleep(1.3)
                    yield harness
                finally:
                    harness.close()
                    users.cancel_scope.cancel()
            nursery.cancel_scope.cancel()


class RatedPort(ChaosPort):
    """A port whose rate can be changed, as that of a serial device."""

    def __init__(
        self, opened: Opened, doses: list[Dose], trace: Trace, window: FaultWindow, baud: int
    ) -> None:
        super().__init__(opened, doses, 1, trace, window)
        self._opened = opened
        self.set_baud(baud)

    def set_baud(self, baud: int) -> bool:
        self.baudrate = baud
        self._opened.stream.line = HostLine(baud=baud)
        return True
