"""All links in use: the error says by whom, and where it is asked for, the longest idle stream gives way."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest
import trio

from esp32sock.engine.options import Options
from esp32sock.errors import Error
from tests.engine.harness import HOST, echo, network, running, sink
from tests.engine.test_udp_link import open_udp

if TYPE_CHECKING:
    from trio.testing import MockClock


async def test_the_error_names_links_peers_and_ages(autojump_clock: MockClock) -> None:
    async with running(network=network(p7000=echo)) as harness:
        users = [await harness.connect(7000) for _ in range(4)]
        datagrams = await open_udp(harness, None)
        await trio.sleep(60)
        with pytest.raises(Error) as full:
            await harness.connect(7000)
        assert full.value.errno == errno.EMFILE
        for user in users:
            assert f"{user.link_id}: TCP to {HOST}:7000 for 6" in str(full.value)
        assert ": UDP to " in str(full.value)
        assert "reclaim_idle_s" in str(full.value)
        datagrams.end.close()


@pytest.mark.parametrize("idle_s", [None, 20.0])
async def test_the_longest_idle_gives_way_only_where_asked(
    idle_s: float | None, autojump_clock: MockClock
) -> None:
    async with running(network=network(p7000=echo, p7001=sink), reclaim_idle_s=idle_s) as harness:
        users = [await harness.connect(7000) for _ in range(5)]
        await trio.sleep(15)
        for user in users[1:]:
            await user.end.send_all(b"still here")
            assert await user.end.receive_some(100) == b"still here"
        began = trio.current_time()
        if idle_s is None:
            with pytest.raises(Error):
                await harness.connect(7001, wait_for_link_s=100)
            assert not any(user.over.is_set() for user in users)
            return
        await harness.connect(7001, wait_for_link_s=100)
        assert trio.current_time() - began == pytest.approx(5, abs=1)
        assert await users[0].end.receive_some(100) == b""  # as if its server had closed it
        assert [user.over.is_set() for user in users] == [True, False, False, False, False]
        await harness.connect(7001, wait_for_link_s=100)  # the next one becomes idle for long enough, too
        assert sum(user.over.is_set() for user in users) == 2
        assert trio.current_time() - began == pytest.approx(20, abs=1)
        assert len(harness.engine.context.pool.pumps) == 5


async def test_datagrams_and_bytes_that_wait_are_not_idle(autojump_clock: MockClock) -> None:
    async with running(network=network(p7000=echo), reclaim_idle_s=10.0) as harness:
        users = [await harness.connect(7000) for _ in range(4)]
        datagrams = await open_udp(harness, None)
        for user in users:
            await user.end.send_all(b"x" * 30000)  # it comes back, and nothing reads it
        await trio.sleep(60)
        with pytest.raises(Error, match="in use"):
            await harness.connect(7000, wait_for_link_s=100)
        assert not any(user.over.is_set() for user in users)
        datagrams.end.close()


def test_no_time_is_no_choice() -> None:
    with pytest.raises(ValueError, match="reclaim_idle_s"):
        Options("memory", reclaim_idle_s=0.0)
