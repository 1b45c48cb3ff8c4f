"""The bytes that are read out of the pair while a chunk is on its way."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

import pytest
import trio

from esp32sock.engine.read_ahead import ReadAhead
from esp32sock.simulator import Settings
from tests.engine.harness import network, running, sink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio.testing import MockClock

    from esp32sock.simulator.network.memory import Connection

ROOM_BYTES = 100


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """(engine's end, application's end)."""
    engine, application = socket.socketpair()
    with engine, application:
        engine.setblocking(False)
        application.setblocking(False)
        yield engine, application


async def gathered(ahead: ReadAhead, count: int) -> None:
    with trio.fail_after(5):
        while len(ahead) < count:
            await trio.lowlevel.checkpoint()


async def test_gathers_while_a_chunk_is_on_its_way(pair: tuple[socket.socket, socket.socket]) -> None:
    engine, application = pair
    ahead = ReadAhead(engine, ROOM_BYTES)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ahead.run)
        for _ in range(3):  # a chunk after another, each with its beginning and end
            assert ahead.take(ROOM_BYTES) == b""
            ahead.start_gathering()
            for letter in (b"a", b"b", b"c"):
                application.send(letter)
                await gathered(ahead, 1 + b"abc".index(letter))
            ahead.stop_gathering()
            assert ahead.take(ROOM_BYTES) == b"abc"
        nursery.cancel_scope.cancel()


async def test_reads_nothing_while_no_chunk_is_on_its_way(
    pair: tuple[socket.socket, socket.socket], autojump_clock: MockClock
) -> None:
    engine, application = pair
    ahead = ReadAhead(engine, ROOM_BYTES)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ahead.run)
        ahead.start_gathering()
        ahead.stop_gathering()
        application.send(b"later")
        await trio.sleep(1)
        assert len(ahead) == 0
        await trio.lowlevel.wait_readable(engine)  # nothing else waits for the descriptor
        nursery.cancel_scope.cancel()


async def test_holds_no_more_than_its_room(
    pair: tuple[socket.socket, socket.socket], autojump_clock: MockClock
) -> None:
    engine, application = pair
    ahead = ReadAhead(engine, ROOM_BYTES)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ahead.run)
        ahead.start_gathering()
        application.send(bytes(range(250)))
        await trio.sleep(1)
        assert len(ahead) == ROOM_BYTES
        ahead.stop_gathering()
        taken = [ahead.take(60) for _ in range(6)]
        nursery.cancel_scope.cancel()
    assert b"".join(taken) == bytes(range(250))
    assert [len(piece) for piece in taken] == [60, 60, 60, 60, 10, 0]


async def test_the_end_of_the_stream_stands_behind_its_bytes(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    engine, application = pair
    ahead = ReadAhead(engine, ROOM_BYTES)
    application.send(b"last")
    application.close()
    assert ahead.read() == 4
    assert not ahead.at_end
    assert ahead.read() == 0
    assert ahead.at_end
    assert ahead.take(ROOM_BYTES) == b"last"
    assert ahead.take(ROOM_BYTES) == b""


async def test_what_cannot_be_sent_stands_at_the_head_again(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    engine, application = pair
    ahead = ReadAhead(engine, ROOM_BYTES)
    application.send(b"first, second")
    first = ahead.take(5)
    ahead.put_back(first)
    assert ahead.take(ROOM_BYTES) == b"first, second"


async def test_small_writes_become_full_chunks(autojump_clock: MockClock) -> None:
    settings = Settings(profile="4.1", paced=True, baud=921600)
    async with running(settings, network(p7000=sink)) as harness:
        user = await harness.connect(7000)
        started = trio.current_time()
        for _ in range(1000):
            await user.end.send_all(b"16 bytes a write")
        await user.end.aclose()
        await user.over.wait()
        took_s = trio.current_time() - started
    assert harness.engine.stats()["bytes_sent"] == 16_000
    line_s = 16_000 / 92_160
    assert took_s < line_s * 1.08  # with chunks of what a pair holds, eleven writes, it is 1.34


async def test_a_peer_that_closes_before_everything_was_sent_is_an_error(autojump_clock: MockClock) -> None:
    async def leaves(connection: Connection) -> None:
        await connection.receive()
        await connection.sleep(0.3)
        connection.close()

    settings = Settings(profile="4.1", paced=True, baud=115200)
    async with running(settings, network(p7000=leaves)) as harness:
        user = await harness.connect(7000)
        with pytest.raises(trio.BrokenResourceError):
            await user.end.send_all(bytes(50_000))
        await user.over.wait()
    assert user.error is not None
    assert user.error.errno == errno.ECONNRESET
