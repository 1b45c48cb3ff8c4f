"""An opening that fails, a host without descriptors, an interface that closes: an error, and no link left."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest
import trio

from esp32sock.at.commands import tcpip
from esp32sock.engine import hangup
from esp32sock.engine.tcp_pump import StreamPump
from esp32sock.errors import CommandError, CommandTimeout, Error
from esp32sock.simulator import Settings
from tests.engine.harness import HOST, echo, network, running, sink
from tests.engine.test_faults import deaf_to, works
from tests.engine.test_udp_link import open_udp

if TYPE_CHECKING:
    from trio.testing import MockClock

    from esp32sock.at.commands import Command
    from esp32sock.simulator.network.memory import Connection
    from tests.engine.harness import Harness


BEFORE_LINK_CONN = Settings(profile="1.0", joined=True)
"""It says nothing of a link that opens but CONNECT, so it is asked."""


class Listing:
    """The command behind CIPSTART, which asks what the module lists: it fails, or takes its time."""

    def __init__(self, harness: Harness, wait_s: float = 0.0) -> None:
        self.disturbed = True
        channel = harness.engine.context.channel
        execute = channel.execute_exclusive

        async def disturbed(command: Command[Any], **options: Any) -> Any:
            if self.disturbed and isinstance(command, tcpip.Links):
                await trio.sleep(wait_s)
                raise CommandTimeout("AT+CIPSTATE?", "no answer")
            return await execute(command, **options)

        channel.execute_exclusive = disturbed  # type: ignore[method-assign]


def open_on_the_module(harness: Harness) -> int:
    return sum(record.closed_at_s is None for record in harness.simulated.module.journal.links)


@pytest.mark.parametrize("way", ["error", "time-out", "cancelled"])
async def test_a_connect_that_fails_after_cipstart_leaves_no_link(
    way: str, autojump_clock: MockClock
) -> None:
    async with running(BEFORE_LINK_CONN, network=network(p7000=echo)) as harness:
        listing = Listing(harness, wait_s=0.0 if way == "error" else 5.0)
        for _ in range(7):  # more than there are links
            user = harness.begin(7000, timeout=1.0 if way == "time-out" else None, wait_for_link_s=5.0)
            if way == "cancelled":
                await trio.sleep(0.5)
                user.request.opening.scope.cancel()
            await user.decided.wait()
            assert user.events == ["failed"]
            assert "all 5 links" not in str(user.error)
        await trio.sleep(1)
        assert harness.simulated.module.journal.links_opened == 7
        assert open_on_the_module(harness) == 0
        listing.disturbed = False
        await works(harness)


async def test_a_link_that_was_never_confirmed_is_closed_too(autojump_clock: MockClock) -> None:
    """OK without CONNECT, and nobody waits any more for what the module lists."""
    async with running(BEFORE_LINK_CONN, network=network(p7000=echo)) as harness:
        deaf_to(harness.engine.context.channel.port, b"4,CONNECT\r\n")
        Listing(harness)
        user = harness.begin(7000)
        await user.decided.wait()
        assert user.events == ["failed"]
        await trio.sleep(1)
        assert harness.simulated.module.journal.links_opened == 1
        assert open_on_the_module(harness) == 0


async def test_a_udp_link_whose_opening_fails_is_closed(autojump_clock: MockClock) -> None:
    async with running(BEFORE_LINK_CONN, network=network(p7000=echo)) as harness:
        listing = Listing(harness)
        for _ in range(7):
            with pytest.raises(CommandError, match="CIPSTATE"):
                await open_udp(harness, (HOST, 7005))
            await trio.sleep(1)
            assert open_on_the_module(harness) == 0
        listing.disturbed = False
        await works(harness)


async def test_what_came_for_a_connection_that_failed_is_not_counted(autojump_clock: MockClock) -> None:
    async def greet(connection: Connection) -> None:
        connection.send(b"hello")
        await connection.receive()

    async with running(BEFORE_LINK_CONN, network=network(p7000=greet)) as harness:
        Listing(harness, wait_s=1.0)
        user = harness.begin(7000)
        await trio.sleep(0.5)
        assert harness.engine.stats()["unread_bytes"] == 5
        await user.decided.wait()
        assert user.events == ["failed"]
        assert harness.engine.stats()["unread_bytes"] == 0


async def test_what_comes_between_the_end_of_a_socket_and_of_its_link_is_not_counted(
    autojump_clock: MockClock,
) -> None:
    async with running(network=network(p7000=sink)) as harness:
        user = await harness.connect(7000)
        pump = harness.engine.context.pool.pumps[user.link_id]
        assert isinstance(pump, StreamPump)
        await user.end.aclose()
        await user.over.wait()
        pump.feed(b"late")
        assert harness.engine.stats()["unread_bytes"] == 0


def none_left(size: int) -> None:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


async def test_without_a_descriptor_one_socket_fails_and_nothing_else(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(network=network(p7000=echo)) as harness:
        first = await harness.connect(7000)
        with monkeypatch.context() as patch:
            patch.setattr(hangup.select, "epoll", none_left)
            stream = await harness.connect(7000)
            datagram = await open_udp(harness, (HOST, 7005))
            await stream.end.send_eof()
            for user in (stream, datagram):
                await user.over.wait()
                assert user.error is not None
                assert user.error.errno == errno.EMFILE
        await trio.sleep(1)
        assert open_on_the_module(harness) == 1
        await first.end.send_all(b"still here")
        assert await first.end.receive_some(100) == b"still here"
        datagram.end.close()


# -- the interface closes


async def test_a_download_that_the_interface_cuts_short_is_an_error(autojump_clock: MockClock) -> None:
    async def pour(connection: Connection) -> None:
        while True:
            connection.send(bytes(1000))
            await connection.sleep(0.05)

    async with running(network=network(p7000=pour, p7004=sink)) as harness:
        reader, idle, half = [await harness.connect(port) for port in (7000, 7004, 7004)]
        await half.end.send_eof()
        await trio.sleep(1)
        await harness.engine.drain()
        for user in (reader, idle, half):
            assert user.events == ["opened", "ended"]
            assert user.error is not None
            assert user.error.errno == errno.ENETDOWN
            assert "detached" in str(user.error)


async def test_whoever_has_closed_or_has_everything_hears_no_error(autojump_clock: MockClock) -> None:
    letter = bytes(range(250)) * 100

    async def deliver(connection: Connection) -> None:
        connection.send(letter)
        connection.close()

    received = bytearray()

    async def keep(connection: Connection) -> None:
        while data := await connection.receive():
            received.extend(data)

    async with running(network=network(p7000=deliver, p7001=keep)) as harness:
        reader, writer = await harness.connect(7000), await harness.connect(7001)
        await trio.sleep(1)
        await writer.end.send_all(b"x" * 3000)
        await writer.end.aclose()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(harness.engine.drain)
            await trio.sleep(1)
            assert await reader.read_all() == letter
        assert bytes(received) == b"x" * 3000
        for user in (reader, writer):
            assert user.events == ["opened", "ended"]
            assert user.error is None


async def test_an_end_before_the_reader_has_everything_is_an_error(autojump_clock: MockClock) -> None:
    """The delivery is bounded: who has not read what the peer sent by then is not told that it was all."""

    async def deliver(connection: Connection) -> None:
        connection.send(bytes(50_000))
        connection.close()

    async with running(network=network(p7000=deliver), close_s=2.0) as harness:
        user = await harness.connect(7000)
        await trio.sleep(1)
        await harness.engine.drain()
        assert user.events == ["opened"]
        assert harness.engine.context.tasks.nursery is not None
        harness.engine.context.tasks.nursery.cancel_scope.cancel()
        await user.over.wait()
    assert user.events == ["opened", "ended"]
    assert isinstance(user.error, Error)
    assert user.error.errno == errno.ENETDOWN
