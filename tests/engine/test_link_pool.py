"""Which link is given to whom: servers from 0 upwards, clients from 4 downwards, and they never meet."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest
import trio

from esp32sock.errors import Error
from esp32sock.simulator import Settings
from tests.engine.harness import echo, network, running, sink
from tests.engine.test_listener import listen

if TYPE_CHECKING:
    from trio.testing import MockClock

    from esp32sock.simulator.network.memory import MemoryNetwork
    from tests.engine.harness import Harness
    from tests.engine.test_listener import Host

WITH_LIMIT = ["1.0", "2.0", "2.1", "2.4", "4.1"]
"""Those that have AT+CIPSERVERMAXCONN."""


def net() -> MemoryNetwork:
    return network(p7000=echo)


async def accept_one(harness: Harness, host: Host, outside: MemoryNetwork) -> trio.SocketStream:
    assert outside.connect(8080, sink)
    harness.look_at_the_network()
    stream, _ = await host.accept()
    return stream


def accepted_ids(harness: Harness) -> list[int]:
    """Of the links that are open now."""
    return sorted(
        record.link_id
        for record in harness.simulated.module.journal.links
        if record.accepted and record.closed_at_s is None
    )


@pytest.mark.parametrize("profile", WITH_LIMIT)
async def test_three_links_are_the_servers_and_two_the_clients(
    profile: str, autojump_clock: MockClock
) -> None:
    outside = net()
    async with running(Settings(profile=profile), outside) as harness:
        host = await listen(harness, 8080)
        clients = [await harness.connect(7000) for _ in range(2)]
        assert [user.link_id for user in clients] == [4, 3]
        with pytest.raises(Error, match="server_links") as caught:
            await harness.connect(7000)
        assert caught.value.errno == errno.EMFILE
        streams = [await accept_one(harness, host, outside) for _ in range(3)]
        assert accepted_ids(harness) == [0, 1, 2]
        for stream in streams:
            await stream.aclose()
        for user in clients:
            await user.end.aclose()
            await user.over.wait()
        again = await harness.connect(7000, wait_for_link_s=10)
        assert again.link_id >= 3
        await again.end.aclose()
        await host.close()


@pytest.mark.parametrize("links", [1, 4, 5])
async def test_server_links_says_how_many(links: int, autojump_clock: MockClock) -> None:
    outside = net()
    async with running(network=outside) as harness:
        host = await listen(harness, 8080, links=links)
        clients = [await harness.connect(7000) for _ in range(5 - links)]
        assert sorted(user.link_id for user in clients) == list(range(links, 5))
        with pytest.raises(Error, match="server_links"):
            await harness.connect(7000)
        streams = [await accept_one(harness, host, outside) for _ in range(links)]
        assert accepted_ids(harness) == list(range(links))
        for stream in streams:
            await stream.aclose()
        for user in clients:
            await user.end.aclose()
        await host.close()


@pytest.mark.parametrize("profile", ["1.0", "2.4"])
async def test_older_clients_on_low_ids_push_the_server_up_and_new_ones_keep_away(
    profile: str, autojump_clock: MockClock
) -> None:
    outside = net()
    async with running(Settings(profile=profile), outside) as harness:
        clients = [await harness.connect(7000) for _ in range(5)]
        assert [user.link_id for user in clients] == [4, 3, 2, 1, 0]
        for user in clients[:3]:
            await user.end.aclose()
            await user.over.wait()
        host = await listen(harness, 8080)
        with pytest.raises(Error, match="server_links"):
            await harness.connect(7000)  # 2, 3 and 4 may be accepted any moment
        first = await accept_one(harness, host, outside)
        assert accepted_ids(harness) == [2]
        await clients[3].end.aclose()
        await clients[3].over.wait()
        user = await harness.connect(7000, wait_for_link_s=10)
        assert user.link_id == 4  # the server's next two are 1 and 3
        others = [await accept_one(harness, host, outside) for _ in range(2)]
        assert accepted_ids(harness) == [1, 2, 3]
        for stream in (first, *others):
            await stream.aclose()
        for each in (user, clients[4]):
            await each.end.aclose()
        await host.close()


@pytest.mark.parametrize("profile", ["0.10", "doc-v1"])
async def test_without_the_limit_clients_leave_one_link_free(profile: str, autojump_clock: MockClock) -> None:
    """There is no AT+CIPSERVERMAXCONN: a CIPSTART for the last free link would race the server for it."""
    outside = net()
    async with running(Settings(profile=profile), outside) as harness:
        host = await listen(harness, 8080)
        clients = [await harness.connect(7000) for _ in range(4)]
        assert [user.link_id for user in clients] == [4, 3, 2, 1]
        with pytest.raises(Error) as caught:
            await harness.connect(7000)
        assert caught.value.errno == errno.EMFILE
        stream = await accept_one(harness, host, outside)
        assert accepted_ids(harness) == [0]
        waiting = harness.begin(7000, wait_for_link_s=100)
        await stream.aclose()
        await trio.sleep(5)
        assert not waiting.decided.is_set()  # one link is free, and may be accepted any moment
        await clients[0].end.aclose()
        await waiting.decided.wait()
        assert waiting.link_id == 4
        for user in (*clients[1:], waiting):
            await user.end.aclose()
        await host.close()


@pytest.mark.parametrize("profile", ["0.10", "doc-v1", "2.0", "2.1", "2.4"])
async def test_an_idle_connection_is_never_timed_out(profile: str, autojump_clock: MockClock) -> None:
    """The firmware's own default is 180 s on some."""
    outside = net()
    async with running(Settings(profile=profile), outside) as harness:
        host = await listen(harness, 8080)
        stream = await accept_one(harness, host, outside)
        await trio.sleep(3000)
        assert accepted_ids(harness) == [0]
        await stream.send_all(b"still here")
        await stream.aclose()
        await host.close()


async def test_the_id_that_has_been_free_longest_is_given_out_next(autojump_clock: MockClock) -> None:
    """A late line about a closed link must not meet the next one: its id comes back last."""
    async with running(network=net()) as harness:
        given = []
        for _ in range(7):
            user = await harness.connect(7000)
            given.append(user.link_id)
            await user.end.aclose()
            await user.over.wait()
        assert given == [4, 3, 2, 1, 0, 4, 3]
        users = [await harness.connect(7000) for _ in range(5)]
        for user in (users[2], users[0], users[1]):
            await user.end.aclose()
            await user.over.wait()
        again = [await harness.connect(7000) for _ in range(3)]
        assert [user.link_id for user in again] == [users[2].link_id, users[0].link_id, users[1].link_id]
