"""A module and an engine in memory under virtual time: every figure repeats to the digit.

The line is paced, and the host's adapter adds its turn-around to each write of the host. The bare host, which
knows the module's answers by heart, shows what the line itself allows on the same module.
"""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import trio
import trio.testing

from esp32sock.engine.engine import Engine
from esp32sock.engine.options import Options
from esp32sock.engine.requests import Opening, StreamRequest
from esp32sock.engine.transports import Port, StreamPort
from esp32sock.net.socketpairs import SNDBUF_BYTES
from esp32sock.simulator import MemoryNetwork, Settings, open_module

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from esp32sock.engine.options import Receive
    from esp32sock.engine.requests import StreamOpened
    from esp32sock.errors import Error
    from esp32sock.simulator import Connection
    from esp32sock.simulator.runtime.runner import Opened

T = TypeVar("T")

HOST, PORT = "10.0.2.2", 7000
BLOCK = bytes(range(251)) * 4
"""What is sent, over and over: no divisor of any chunk, so a hole or a doubled chunk shows."""


def content(count: int) -> bytes:
    """The first `count` bytes of the stream that every transfer carries."""
    return (BLOCK * (count // len(BLOCK) + 1))[:count]


@dataclass(frozen=True, slots=True)
class Line:
    """A module's firmware, and the line to it."""

    profile: str
    baud: int
    turn_around_ms: float
    receive: Receive | None = None
    rtscts: bool = False

    @property
    def bytes_per_s(self) -> float:
        return self.baud / 10


@dataclass
class Sink:
    """A peer that reads: what came, and when the last of it did."""

    expected: int
    arrived: bytearray
    done: trio.Event

    async def serve(self, connection: Connection) -> None:
        while data := await connection.receive():
            self.arrived += data
            if len(self.arrived) >= self.expected:
                self.done.set()


class Stream:
    """An application's stream; its events."""

    def __init__(self) -> None:
        self.engines, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        for end in (self.engines, ours):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SNDBUF_BYTES)
        self.end = trio.socket.from_stdlib_socket(ours)
        self.error: Error | None = None
        self._decided = trio.Event()

    def opened(self, opened: StreamOpened) -> None:
        self._decided.set()

    def failed(self, error: Error) -> None:
        self.error = error
        self._decided.set()

    def ended(self, error: Error | None) -> None:
        self.error = error

    async def until_open(self) -> None:
        await self._decided.wait()
        if self.error is not None:
            raise self.error

    async def send(self, data: bytes, write_bytes: int = 65536) -> None:
        view = memoryview(data)
        for start in range(0, len(view), write_bytes):
            piece = view[start : start + write_bytes]
            while piece:
                piece = piece[await self.end.send(piece) :]

    async def receive(self, count: int) -> bytes:
        received = bytearray()
        while len(received) < count:
            data = await self.end.recv(65536)
            if not data:
                raise EOFError(f"the stream ends at {len(received)} of {count}: {self.error}")
            received += data
        return bytes(received)


class CountingPort(StreamPort):
    """The line in memory; counts the commands that go out."""

    commands = 0

    async def send(self, data: bytes | memoryview) -> None:
        self.commands += bytes(data[:2]) == b"AT"
        await super().send(data)

    def set_rtscts(self, on: bool) -> None:
        """The memory line minds the module's RTS in any case."""


@dataclass
class World:
    """A module with an engine on it."""

    engine: Engine
    network: MemoryNetwork
    port: CountingPort
    streams: list[Stream] = field(default_factory=list)

    async def connect(self, port: int = PORT) -> Stream:
        stream = Stream()
        self.streams.append(stream)
        opening = Opening(trio.CancelScope())
        self.engine.open_stream(StreamRequest(stream.engines, (HOST, port), stream, opening))
        await stream.until_open()
        return stream

    def sink(self, count: int, port: int = PORT) -> Sink:
        sink = Sink(count, bytearray(), trio.Event())
        self.network.listen(HOST, port, sink.serve)
        return sink


@asynccontextmanager
async def module(line: Line) -> AsyncIterator[tuple[Opened, MemoryNetwork]]:
    """The module alone."""
    network = MemoryNetwork()
    settings = Settings(
        profile=line.profile, baud=line.baud, paced=True, latency_ms=line.turn_around_ms, joined=True
    )
    async with open_module(settings, network) as opened:
        yield opened, network


@asynccontextmanager
async def attached(line: Line) -> AsyncIterator[World]:
    """The module with an engine that has set it up."""
    async with module(line) as (opened, network):

        async def opener(url: str, baud: int) -> Port:
            return port

        port = CountingPort(opened.stream, "memory", line.baud)
        engine = Engine(Options("memory", receive=line.receive, rtscts=line.rtscts), opener)
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
            world = World(engine, network, port)
            try:
                yield world
            finally:
                for stream in world.streams:
                    stream.end.close()
            await engine.drain()
            nursery.cancel_scope.cancel()


def in_virtual_time(measure: Callable[[], Awaitable[T]]) -> T:
    """What a measurement gives, run under a clock that jumps."""
    return trio.run(measure, clock=trio.testing.MockClock(autojump_threshold=0))


class BareHost:
    """A host that only knows what comes next: no engine, no checks; the line's own limit."""

    def __init__(self, opened: Opened) -> None:
        self._stream = opened.stream
        self._read = b""

    async def command(self, line: str, end: bytes = b"OK\r\n") -> bytes:
        await self._stream.send_all(line.encode() + b"\r\n")
        return await self.until(end)

    async def until(self, end: bytes) -> bytes:
        while end not in self._read:
            self._read += await self._stream.receive_some(65536)
        head, _, self._read = self._read.partition(end)
        return head + end

    async def write(self, data: bytes) -> None:
        await self._stream.send_all(data)

    async def take(self, count: int) -> bytes:
        while len(self._read) < count:
            self._read += await self._stream.receive_some(65536)
        data, self._read = self._read[:count], self._read[count:]
        return data
