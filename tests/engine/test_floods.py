"""Floods: what peers and the module pour out costs a bounded memory, and neither descriptors nor tasks.

Each flood is looked at early, when every buffer has been full once, and late, after many times as much.
"""

from __future__ import annotations

import errno
import gc
import os
import tracemalloc
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import trio

from esp32sock.simulator import Settings
from tests.engine.harness import HOST, Harness, echo, network, running
from tests.engine.line_proxy import LineProxy
from tests.engine.test_udp_link import open_udp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio.testing import MockClock

    from esp32sock.simulator.network.memory import Connection
    from tests.engine.harness import User

KIB = 1 << 10
NOISE_BYTES = 96 * KIB
"""What memory may differ between two looks: dictionaries, caches of the interpreter, a chunk on its way."""
BLOCK = bytes(range(256)) * 64
PORTS = range(7000, 7005)


@dataclass(frozen=True)
class Held:
    """What this process holds."""

    traced_bytes: int
    descriptors: int
    tasks: int


def held() -> Held:
    gc.collect()
    return Held(tracemalloc.get_traced_memory()[0], len(os.listdir("/proc/self/fd")), tasks())


def tasks() -> int:
    root = trio.lowlevel.current_root_task()
    waiting = [] if root is None else [root]
    found = 0
    while waiting:
        task = waiting.pop()
        found += 1
        waiting += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return found


def same(early: Held, late: Held) -> None:
    assert late.traced_bytes <= early.traced_bytes + NOISE_BYTES
    assert (late.descriptors, late.tasks) == (early.descriptors, early.tasks)


@contextmanager
def traced() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def pours(blocks: int) -> object:
    """A peer that sends so many blocks; they are one object, so waiting ones weigh nothing."""

    async def peer(connection: Connection) -> None:
        for _ in range(blocks):
            connection.send(BLOCK)
        connection.close()

    return peer


async def read(user: User, most_bytes: int) -> bytes:
    return bytes(await user.end.receive_some(most_bytes))


async def read_all(user: User, blocks: int) -> None:
    """Every byte in its place, and the end behind them."""
    count = 0
    while piece := await user.end.receive_some(65536):
        at = count % 256
        assert piece == (BLOCK[at:] + BLOCK * (len(piece) // len(BLOCK) + 1))[: len(piece)]
        count += len(piece)
    assert count == blocks * len(BLOCK)


async def test_five_floods_that_the_module_holds_back(autojump_clock: MockClock) -> None:
    """In passive receive mode nothing is kept here for a socket that is not read."""
    blocks = 16
    net = network(**{f"p{port}": pours(blocks) for port in PORTS})
    with traced():
        async with running(Settings(profile="4.1"), net) as harness:
            users = [await harness.connect(port) for port in PORTS]
            await trio.sleep(20)
            early = held()
            await trio.sleep(200)
            same(early, held())
            assert harness.engine.stats()["unread_bytes"] < 5 * 16 * KIB
            async with trio.open_nursery() as nursery:
                for user in users:
                    nursery.start_soon(read_all, user, blocks)
            assert harness.engine.stats()["resets"] == {}


async def test_five_floods_that_nobody_holds_back(autojump_clock: MockClock) -> None:
    """In active receive mode each link ends at its bound, by its name, as often as it happens."""
    limit = 50 * KIB
    net = network(**{f"p{port}": pours(8) for port in PORTS})
    with traced():
        async with running(Settings(), net, unread_link_bytes=limit) as harness:
            for flood in range(4):
                users = [harness.begin(port) for port in PORTS]
                peak = 0
                for user in users:
                    await user.over.wait()
                    assert user.error is not None
                    assert user.error.errno == errno.ECONNRESET
                    assert "unread_link_bytes" in str(user.error)
                    peak = max(peak, harness.engine.stats()["unread_bytes"])
                assert peak <= 5 * (limit + 65536)
                for user in users:
                    await user.end.aclose()
                harness.users.clear()
                await trio.sleep(5)
                if flood == 1:
                    early = held()
            same(early, held())
            assert harness.engine.stats()["unread_bytes"] == 0
            assert sum(harness.engine.stats()["resets"].values()) == 20


@pytest.mark.parametrize("profile", ["2.0", "4.1"])
async def test_a_slow_reader_beside_fast_ones(profile: str, autojump_clock: MockClock) -> None:
    """The fast have everything while the slow one has little; its bytes wait, bounded, and are all there."""
    blocks = 12
    net = network(**{f"p{port}": pours(blocks) for port in PORTS})
    with traced():
        async with running(Settings(profile=profile), net) as harness:
            slow, *fast = [await harness.connect(port) for port in PORTS]
            got = await read(slow, 100)
            with trio.fail_after(600):
                async with trio.open_nursery() as nursery:
                    for user in fast:
                        nursery.start_soon(read_all, user, blocks)
            for user in fast:
                await user.end.aclose()
                await user.over.wait()
            harness.users = [slow]
            await trio.sleep(60)
            early = held()
            for _ in range(20):
                await trio.sleep(10)
                got += await read(slow, 100)
            same(early, held())
            waiting = harness.engine.stats()["unread_bytes"]
            assert waiting <= (blocks * len(BLOCK) if profile == "2.0" else 16 * KIB)
            while piece := await read(slow, 65536):
                got += piece
            assert got == BLOCK * blocks


async def test_datagrams_that_are_not_read(autojump_clock: MockClock) -> None:
    """Those beyond the bound are dropped and counted; those within it are whole."""
    net = network()
    net.answer_datagrams(HOST, 7005, lambda data: [BLOCK[:1400]] * 60)
    with traced():
        async with running(Settings(), net) as harness:
            user = await open_udp(harness, (HOST, 7005))
            for flood in range(12):
                await user.send(b"flood", 7005)
                await trio.sleep(2)
                if flood == 3:
                    early = held()
            same(early, held())
            arrived = harness.simulated.module.journal.bytes_received // 1400
            dropped = harness.engine.stats()["datagrams_dropped"]
            assert arrived * 0.5 < dropped < arrived
            for _ in range(arrived - dropped):
                assert await user.receive() == (BLOCK[:1400], (HOST, 7005))
            await user.close()


async def test_a_line_of_ten_megabytes(autojump_clock: MockClock) -> None:
    """A module that never ends its line is given up as often as it takes; then it works again."""
    line_proxy = LineProxy()
    with traced():
        async with running(Settings(), network(p7000=echo), line_proxy.opener) as harness:
            await works(harness)
            for megabyte in range(10):
                for _ in range(16):
                    line_proxy.says(b"A" * 65536)
                    await trio.sleep(0.01)
                await trio.sleep(60)
                line_proxy.written.clear()
                if megabyte == 1:
                    early = held()
            same(early, held())
            line_proxy.says(b"\r\n")
            await harness.engine.context.until(lambda: harness.engine.is_open)
            await works(harness)


async def works(harness: Harness) -> None:
    user = await harness.connect(7000)
    await user.end.send_all(b"hello")
    assert await user.end.receive_some(10) == b"hello"
    await user.end.aclose()
    await user.over.wait()
    harness.users.clear()
