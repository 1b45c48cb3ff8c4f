"""CIPSENDL below a socket: used where flow control is and no other link wants the line; how it may end."""

from __future__ import annotations

import errno
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import trio

from esp32sock.at.commands.longsend import SendLong
from esp32sock.engine.chunk_sizes import LONG_BYTES
from esp32sock.engine.transports import StreamPort
from esp32sock.errors import CommandError
from esp32sock.simulator import Settings
from tests.engine.harness import echo, network, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from trio.testing import MockClock

    from esp32sock.simulator.network.memory import Connection, MemoryNetwork
    from esp32sock.simulator.runtime.runner import Opened as Simulated
    from tests.engine.harness import Harness

BAUD = 921600
QUICK_BAUD = 5_000_000
"""For much data: fewer events of the paced line."""
PLANTED = (b"+++" + bytes(range(97))) * 11 + b"+++"
"""No divisor of what is sent at once, with `+++` at every possible place of a border in time."""


class FlowControlPort(StreamPort):
    """The memory line, whose host end minds CTS; counts the commands of a name."""

    def __init__(self, simulated: Simulated, baud: int) -> None:
        super().__init__(simulated.stream, "memory", baud)
        self.lines: list[bytes] = []

    def set_rtscts(self, on: bool) -> None:
        assert on

    async def send(self, data: bytes | memoryview) -> None:
        if bytes(data[:2]) == b"AT":
            self.lines.append(bytes(data[:64]))
        await super().send(data)

    def count(self, name: bytes) -> int:
        return sum(line.startswith(b"AT" + name) for line in self.lines)


class Sink:
    """A peer that reads; it closes, or resets, after `bytes_to_close`, if that is given."""

    def __init__(self, expected: int, bytes_to_close: int | None = None, *, resets: bool = False) -> None:
        self.arrived = bytearray()
        self.done = trio.Event()
        self._expected = expected
        self._bytes_to_close = bytes_to_close
        self._resets = resets

    async def serve(self, connection: Connection) -> None:
        while data := await connection.receive():
            self.arrived += data
            if self._bytes_to_close is not None and len(self.arrived) >= self._bytes_to_close:
                (connection.reset if self._resets else connection.close)()
                return
            if len(self.arrived) >= self._expected:
                self.done.set()


@asynccontextmanager
async def flowing(
    net: MemoryNetwork, profile: str = "4.1", *, line_baud: int = BAUD, **options: object
) -> AsyncIterator[tuple[Harness, FlowControlPort]]:
    settings = Settings(profile=profile, baud=line_baud, paced=True, latency_ms=1.0, joined=True)
    ports: list[FlowControlPort] = []

    def opener(simulated: Simulated) -> Callable[[str, int], object]:
        async def open_memory(url: str, baud: int) -> FlowControlPort:
            ports.append(FlowControlPort(simulated, line_baud))
            return ports[-1]

        return open_memory

    async with running(settings, net, opener, **{"rtscts": True, **options}) as harness:
        yield harness, ports[-1]


async def test_a_megabyte_each_way_with_pluses_planted(autojump_clock: MockClock) -> None:
    """Active receive: down while it goes up; few commands, and nothing lost or doubled."""
    data = (PLANTED * (1_000_000 // len(PLANTED) + 1))[:1_000_000]
    sink = Sink(len(data))

    async def both(connection: Connection) -> None:
        connection.send(data)
        await sink.serve(connection)

    async with flowing(network(p7000=both), "2.4", line_baud=QUICK_BAUD) as (harness, port):
        user = await harness.connect(7000)
        received = bytearray()

        async def receive() -> None:
            while len(received) < len(data):
                received.extend(await user.end.receive_some())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            nursery.start_soon(user.end.send_all, data)
            await sink.done.wait()
        assert sink.arrived == data
        assert received == data
        assert port.count(b"+CIPSENDL=") > len(data) // LONG_BYTES
        assert port.count(b"+CIPSEND") < 50  # of chunks of 5760 it would be 174


async def test_several_megabytes_in_one_command(autojump_clock: MockClock) -> None:
    data = memoryview(PLANTED * 2800)[:-3]
    sink = Sink(len(data))
    async with flowing(network(p7000=sink.serve), line_baud=QUICK_BAUD) as (harness, _):
        user = await harness.connect(7000)
        channel = harness.engine.context.channel
        await channel.execute(SendLong(user.link_id, data))
        with trio.fail_after(1):
            await sink.done.wait()
        assert sink.arrived == data


@pytest.mark.parametrize("rtscts", [True, False])
async def test_without_flow_control_or_before_2_4_chunks_are_sent(
    rtscts: bool, autojump_clock: MockClock
) -> None:
    data = PLANTED * 200
    sink = Sink(len(data))
    profile = "2.2" if rtscts else "4.1"
    async with flowing(network(p7000=sink.serve), profile, rtscts=rtscts) as (harness, port):
        user = await harness.connect(7000)
        await user.end.send_all(data)
        await sink.done.wait()
        assert sink.arrived == data
        assert port.count(b"+CIPSENDL") == 0


@pytest.mark.parametrize("resets", [False, True])
async def test_a_peer_that_closes_on_the_way(resets: bool, autojump_clock: MockClock) -> None:
    """The module wants all that was announced; then the line is free, and the socket has an error."""
    sink = Sink(1 << 30, bytes_to_close=60_000, resets=resets)
    async with flowing(network(p7000=sink.serve, p7001=echo)) as (harness, port):
        user = await harness.connect(7000)
        with suppress(trio.BrokenResourceError):
            while not user.over.is_set():
                await user.end.send_all(PLANTED)
        await user.over.wait()
        assert user.error is None or user.error.errno == errno.ECONNRESET
        assert port.count(b"+CIPSENDL=") > 0
        await _echoes(harness)


async def test_a_module_that_restarts_on_the_way(autojump_clock: MockClock) -> None:
    sink = Sink(1 << 30)
    async with flowing(network(p7000=sink.serve, p7001=echo)) as (harness, port):
        user = await harness.connect(7000)
        is_running = True
        with suppress(trio.BrokenResourceError):
            while not user.over.is_set():
                await user.end.send_all(PLANTED)
                if is_running and len(sink.arrived) > 60_000:
                    harness.simulated.controls.restart()
                    is_running = False
        assert not is_running
        await user.over.wait()
        assert user.error is not None
        assert port.count(b"+CIPSENDL=") > 0
        await _echoes(harness)


async def test_a_peer_that_reads_nothing_for_a_minute(autojump_clock: MockClock) -> None:
    data = PLANTED * 300
    sink = Sink(len(data))

    async def slow(connection: Connection) -> None:
        sink.arrived += await connection.receive()
        await connection.sleep(60)
        await sink.serve(connection)

    async with flowing(network(p7000=slow)) as (harness, port):
        user = await harness.connect(7000)
        await user.end.send_all(data)
        await sink.done.wait()
        assert sink.arrived == data
        assert user.error is None
        assert port.count(b"+CIPSENDL=") > 0


async def test_a_byte_lost_on_the_line_is_an_error(autojump_clock: MockClock) -> None:
    """The module waits for it; the send is ended, the next command works, and no other is sent like that."""
    data = PLANTED * 300
    sink = Sink(len(data))
    async with flowing(network(p7000=sink.serve, p7001=echo)) as (harness, port):
        send = port.send
        lost = []

        async def losing(piece: bytes | memoryview) -> None:
            if len(piece) == 8192 and not lost:
                lost.append(1)
                piece = piece[:-1]
            await send(piece)

        port.send = losing  # type: ignore[method-assign]
        user = await harness.connect(7000)
        with suppress(trio.BrokenResourceError):
            while not user.over.is_set():
                await user.end.send_all(data)
        await user.over.wait()
        assert lost
        assert user.error is not None
        await _echoes(harness)
        sent = port.count(b"+CIPSENDL=")
        again = await harness.connect(7000)
        await again.end.send_all(data)
        assert port.count(b"+CIPSENDL=") == sent


async def test_another_link_ends_the_long_sends(autojump_clock: MockClock) -> None:
    """It waits for one of them at most; then chunks are short."""
    sink = Sink(1 << 30)
    async with flowing(network(p7000=sink.serve, p7001=echo)) as (harness, port):
        bulk = await harness.connect(7000)
        other = await harness.connect(7001)

        async def pour() -> None:
            while True:
                await bulk.end.send_all(PLANTED)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(pour)
            await trio.sleep(3)
            assert port.count(b"+CIPSENDL=") > 0
            waits = []
            for _ in range(4):
                asked = trio.current_time()
                await other.end.send_all(b"ping")
                assert await other.end.receive_some() == b"ping"
                waits.append(trio.current_time() - asked)
                await trio.sleep(0.5)
            nursery.cancel_scope.cancel()
        assert waits[0] < 0.5
        assert max(waits[1:]) < 0.2


async def test_a_module_without_it_gets_chunks(autojump_clock: MockClock) -> None:
    """The settings are refused, so it is never tried."""
    data = PLANTED * 100
    sink = Sink(len(data))
    async with flowing(network(p7000=sink.serve)) as (harness, port):
        channel = harness.engine.context.channel
        execute = channel.execute_exclusive

        async def refusing(command: object, **more: object) -> object:
            if type(command).__name__ == "SetLongSend":
                raise CommandError("AT+CIPSENDLCFG", "ERROR")
            return await execute(command, **more)  # type: ignore[arg-type]

        channel.execute_exclusive = refusing  # type: ignore[method-assign, assignment]
        user = await harness.connect(7000)
        await user.end.send_all(data)
        await sink.done.wait()
        assert sink.arrived == data
        assert port.count(b"+CIPSENDL=") == 0


async def _echoes(harness: Harness) -> None:
    """The module works, and the line is in order."""
    with trio.fail_after(60):
        user = await harness.connect(7001)
        await user.end.send_all(b"still here")
        assert await user.end.receive_some() == b"still here"
        await user.end.aclose()
        await user.over.wait()
