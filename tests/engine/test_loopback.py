"""A module that connects to itself: a reader who stops must not stop the line that both ends share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from esp32sock.engine.chunk_sizes import CHUNK_BYTES
from esp32sock.engine.tcp_pump import WINDOW_BYTES
from esp32sock.simulator import Settings
from tests.engine.harness import PAIR_BYTES, running
from tests.engine.test_listener import listen

if TYPE_CHECKING:
    from trio.testing import MockClock

    from tests.engine.harness import Harness

ITSELF = "10.0.2.15"
DATA = bytes(i * 31 & 255 for i in range(200_000))
ROOM_BYTES = 2 * PAIR_BYTES + WINDOW_BYTES + CHUNK_BYTES
"""The reader's pair (the kernel doubles it), the module, and the chunk that finds room there."""

both_ways_of_receiving = pytest.mark.parametrize("profile", ["doc-v1", "2.4", "4.1"])


@both_ways_of_receiving
async def test_a_sender_waits_for_the_reader_at_the_other_end(
    profile: str, autojump_clock: MockClock
) -> None:
    async with running(Settings(profile=profile)) as harness:
        host = await listen(harness, 8080)
        client = await harness.connect(8080, host=ITSELF)
        served, _ = await host.accept()
        for sender, reader in ((client.end, served), (served, client.end)):
            before = sent_bytes(harness)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(sender.send_all, DATA)
                await trio.sleep(30)
                assert 0 < sent_bytes(harness) - before <= ROOM_BYTES
                received = bytearray()
                while len(received) < len(DATA):
                    received += await reader.receive_some(65536)
            assert received == DATA
        await served.aclose()
        await host.close()


@both_ways_of_receiving
async def test_a_sender_that_waits_hears_that_the_reader_has_gone(
    profile: str, autojump_clock: MockClock
) -> None:
    async with running(Settings(profile=profile, paced=True)) as harness:
        host = await listen(harness, 8080)
        client = await harness.connect(8080, host=ITSELF)
        served, _ = await host.accept()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send_until_broken, client.end)
            await trio.sleep(30)
            await served.aclose()
        await client.over.wait()
        await host.close()


async def send_until_broken(stream: trio.SocketStream) -> None:
    with pytest.raises(trio.BrokenResourceError):
        await send_for_ever(stream)


async def send_for_ever(stream: trio.SocketStream) -> None:
    while True:
        await stream.send_all(DATA)


def sent_bytes(harness: Harness) -> int:
    return sum(pump.sent_bytes for pump in harness.engine.context.pool.pumps.values())
