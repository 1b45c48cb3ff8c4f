"""Streams over the simulated module in memory: every way to open, carry and end one."""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import trio

from esp32sock.errors import Error, ModuleReset
from esp32sock.simulator import Settings
from tests.engine.harness import Harness, echo, network, running, sink
from tests.engine.line_proxy import LineProxy

if TYPE_CHECKING:
    from trio.testing import MockClock

    from esp32sock.simulator.network.memory import Connection

PROFILES = ["2.0", "2.1", "2.4", "doc-v1"]


@pytest.mark.parametrize("profile", PROFILES)
async def test_carries_bytes_both_ways_and_closes_with_delivery(
    profile: str, autojump_clock: MockClock
) -> None:
    received = bytearray()
    closed = trio.Event()

    async def peer(connection: Connection) -> None:
        while data := await connection.receive():
            received.extend(data)
            connection.send(data.upper())
        closed.set()

    async with running(Settings(profile=profile), network(p7000=peer)) as harness:
        user = await harness.connect(7000)
        await user.end.send_all(b"hello")
        assert await user.end.receive_some(100) == b"HELLO"
        await user.end.send_all(b"x" * 20_000)
        await user.end.aclose()
        await user.over.wait()
        await closed.wait()
    assert bytes(received) == b"hello" + b"x" * 20_000
    assert user.events == ["opened", "ended"]
    assert harness.simulated.module.journal.links_opened == 1
    assert harness.engine.stats()["bytes_sent"] == 20_005


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_peer_that_speaks_and_closes_is_read_to_its_end(
    profile: str, autojump_clock: MockClock
) -> None:
    letters = bytes(i % 26 + 65 for i in range(5000))

    async def peer(connection: Connection) -> None:
        connection.send(letters)
        connection.close()

    async with running(Settings(profile=profile), network(p7002=peer)) as harness:
        user = await harness.connect(7002)
        assert await user.read_all() == letters
        await user.over.wait()
    assert user.error is None


async def test_look_alikes_in_the_payload_are_payload(autojump_clock: MockClock) -> None:
    hostile = b"\r\nOK\r\n+IPD,0,5:\r\n4,CLOSED\r\n>busy p...\r\nSEND OK\r\n\r\nready\r\n+++" * 50

    async with running(network=network(p7000=echo)) as harness:
        user = await harness.connect(7000)
        await user.end.send_all(hostile)
        received = b""
        while len(received) < len(hostile):
            received += await user.end.receive_some(65536)
        assert received == hostile


@pytest.mark.parametrize("text", [b"+++", b"a+++", b"+" * 50, b"+++\r\n"])
async def test_plus_signs_never_cancel_a_send(text: bytes, autojump_clock: MockClock) -> None:
    async with running(Settings(profile="2.0"), network(p7000=echo)) as harness:
        user = await harness.connect(7000)
        await user.end.send_all(text)
        received = b""
        while len(received) < len(text):
            received += await user.end.receive_some(65536)
        assert received == text


async def test_a_refused_port_is_refused_as_soon_as_the_module_knows(autojump_clock: MockClock) -> None:
    async with running(network=network()) as harness:
        with pytest.raises(Error) as caught:
            await harness.connect(7999)
        assert caught.value.errno == errno.ECONNREFUSED
        assert "link" in "".join(caught.value.__notes__)


async def test_nobody_there_is_a_time_out(autojump_clock: MockClock) -> None:
    net = network()
    net.unreachable("10.0.2.99")
    async with running(network=net) as harness:
        with pytest.raises(Error) as caught:
            await harness.connect(80, host="10.0.2.99")
        assert caught.value.errno == errno.ETIMEDOUT


async def test_a_connection_that_opens_too_late_is_closed_again(autojump_clock: MockClock) -> None:
    """The module cannot abort CIPSTART: the caller hears of the time-out at once, the link is cleaned up."""
    net = network(p7000=echo)
    net.latency_s = 3.0
    async with running(network=net) as harness:
        before = trio.current_time()
        with pytest.raises(Error) as caught:
            await harness.connect(7000, timeout=1.0)
        assert caught.value.errno == errno.ETIMEDOUT
        assert trio.current_time() - before == pytest.approx(1.0)
        user = await harness.connect(7000)
        await trio.sleep(1)  # for the turn of its CIPCLOSE
        records = harness.simulated.module.journal.links
        assert [record.closed_at_s is None for record in records] == [False, True]
        await user.end.aclose()
        await user.over.wait()


async def test_five_links_and_the_sixth_fails_with_a_reason(autojump_clock: MockClock) -> None:
    async with running(network=network(p7000=echo)) as harness:
        users = [await harness.connect(7000) for _ in range(5)]
        with pytest.raises(Error, match="all 5 links") as caught:
            await harness.connect(7000, wait_for_link_s=0.0)
        assert caught.value.errno == errno.EMFILE
        for user in users:
            await user.end.aclose()


async def test_the_sixth_waits_for_a_link_if_it_may(autojump_clock: MockClock) -> None:
    async with running(network=network(p7000=echo)) as harness:
        users = [await harness.connect(7000) for _ in range(5)]
        sixth = harness.begin(7000, wait_for_link_s=10.0)
        await trio.sleep(2)
        assert not sixth.decided.is_set()
        await users[2].end.aclose()
        await sixth.decided.wait()
        assert sixth.events == ["opened"]
        for user in [*users, sixth]:
            await user.end.aclose()


async def test_shutting_the_writing_half_keeps_reading_until_the_peer_closes(
    autojump_clock: MockClock,
) -> None:
    async def peer(connection: Connection) -> None:
        await connection.receive()
        await connection.sleep(5)
        connection.send(b"late answer")
        connection.close()

    async with running(network=network(p7000=peer)) as harness:
        user = await harness.connect(7000)
        await user.end.send_all(b"request")
        await user.end.send_eof()
        assert await user.read_all() == b"late answer"
        await user.over.wait()


async def test_a_half_closed_link_that_says_nothing_is_closed_after_its_time(
    autojump_clock: MockClock,
) -> None:
    async with running(network=network(p7004=sink), half_close_s=12.0) as harness:
        user = await harness.connect(7004)
        started = trio.current_time()
        await user.end.send_eof()
        await user.over.wait()
        assert trio.current_time() - started == pytest.approx(12.0, abs=1.0)
        assert await user.read_all() == b""


async def test_the_module_restarting_by_itself_is_a_reset_everywhere_and_it_comes_back(
    autojump_clock: MockClock,
) -> None:
    async with running(network=network(p7000=echo)) as harness:
        users = [await harness.connect(7000) for _ in range(3)]
        started = trio.current_time()
        await harness.engine.context.channel.force_restart()
        for user in users:
            await user.over.wait()
            assert isinstance(user.error, ModuleReset)
        assert trio.current_time() - started < 1.0
        again = await harness.connect(7000)
        await again.end.send_all(b"back")
        assert await again.end.receive_some(100) == b"back"
        await again.end.aclose()


async def test_what_nobody_reads_is_bounded_and_the_socket_hears_why(autojump_clock: MockClock) -> None:
    async def flood(connection: Connection) -> None:
        connection.send(bytes(300_000))

    async with running(network=network(p7000=flood), unread_link_bytes=100_000) as harness:
        user = await harness.connect(7000)
        await user.over.wait()
        assert user.error is not None
        assert user.error.errno == errno.ECONNRESET
        assert "unread_link_bytes" in str(user.error)


async def test_a_slow_reader_gets_everything(autojump_clock: MockClock) -> None:
    data = bytes(i * 7 & 255 for i in range(200_000))

    async def peer(connection: Connection) -> None:
        connection.send(data)
        connection.close()

    async with running(network=network(p7000=peer)) as harness:
        user = await harness.connect(7000)
        await trio.sleep(10)
        received = bytearray()
        while piece := await user.end.receive_some(1000):
            received += piece
        assert bytes(received) == data
        assert harness.engine.stats()["unread_bytes"] == 0


async def test_an_interactive_link_waits_at_most_one_chunk_of_a_bulk_sender(
    autojump_clock: MockClock,
) -> None:
    settings = Settings(paced=True, baud=115200)
    async with running(settings, network(p7004=sink, p7000=echo)) as harness:
        bulk = await harness.connect(7004)
        interactive = await harness.connect(7000)

        async def pour() -> None:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                while True:
                    await bulk.end.send_all(bytes(4096))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(pour)
            await trio.sleep(5)
            worst = 0.0
            for _ in range(20):
                started = trio.current_time()
                await interactive.end.send_all(b"ping")
                await interactive.end.receive_some(100)
                worst = max(worst, trio.current_time() - started)
            await bulk.end.aclose()
            await interactive.end.aclose()
        one_chunk_s = 5760 * 10 / 115200
        assert worst < one_chunk_s + 0.1


async def test_small_writes_that_had_to_wait_go_out_together(autojump_clock: MockClock) -> None:
    settings = Settings(paced=True, baud=115200)
    async with running(settings, network(p7004=sink)) as harness:
        user = await harness.connect(7004)
        started = trio.current_time()
        for _ in range(200):
            await user.end.send_all(b"x" * 64)
        await user.end.aclose()
        await user.over.wait()
        goodput = 200 * 64 / (trio.current_time() - started)
        assert goodput > 0.5 * 11520  # one CIPSEND for each write would give less than a quarter


async def test_the_user_closing_while_it_connects_leaves_nothing(autojump_clock: MockClock) -> None:
    net = network(p7000=echo)
    net.latency_s = 2.0
    async with running(network=net) as harness:
        user = harness.begin(7000)
        await trio.sleep(0.5)
        user.request.opening.scope.cancel()
        await user.decided.wait()
        assert user.events == ["failed"]
        await trio.sleep(10)
        assert all(record.closed_at_s is not None for record in harness.simulated.module.journal.links)


async def test_closing_the_interface_delivers_what_was_sent_on_sockets_that_are_still_open(
    autojump_clock: MockClock,
) -> None:
    received = bytearray()

    async def peer(connection: Connection) -> None:
        while data := await connection.receive():
            received.extend(data)

    async with running(Settings(paced=True), network(p7000=peer)) as harness:
        user = await harness.connect(7000)
        idle = await harness.connect(7000)
        await user.end.send_all(b"x" * 5000)
        started = trio.current_time()
        await harness.engine.drain()
        assert trio.current_time() - started < 2
        assert idle.events == user.events == ["opened", "ended"]
        assert await user.read_all() == b""
    assert bytes(received) == b"x" * 5000


async def test_a_request_to_a_module_that_has_just_ended_fails(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as harness:
        engine = harness.engine
    ended = Harness(engine, harness.simulated)
    user = ended.begin(7000)
    assert user.events == ["failed"]
    assert user.error is not None
    assert user.error.errno == errno.ENETDOWN
    user.request.end.close()
    await user.end.aclose()


async def test_a_writer_that_reads_nothing_hears_that_its_peer_has_closed(autojump_clock: MockClock) -> None:
    """It waits for room, and what its peer has sent for a reader: neither would ever come."""

    async def peer(connection: Connection) -> None:
        await connection.receive()
        connection.send(b"x" * 20_000)
        connection.close()

    async with running(Settings(profile="2.0", paced=True), network(p7000=peer)) as harness:
        user = await harness.connect(7000)
        with trio.fail_after(60), pytest.raises(trio.BrokenResourceError):
            await user.end.send_all(b"y" * 400_000)
        await user.over.wait()
        assert user.error is not None
        assert user.error.errno == errno.ECONNRESET


async def test_a_read_beside_others_asks_for_no_more_than_the_firmware_gives(
    autojump_clock: MockClock,
) -> None:
    """Of a line whose rate is not known a chunk has no bound."""
    line = LineProxy()

    async def peer(connection: Connection) -> None:
        connection.send(b"x" * 30_000)
        connection.close()

    async with running(
        Settings(profile="2.0", latency_ms=100),
        network(p7000=peer, p7001=echo),
        line.opener,
        receive="passive",
    ) as harness:
        user, other = await harness.connect(7000), await harness.connect(7001)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(other.end.send_all, b"y" * 20_000)
            assert len(await user.read_all()) == 30_000
            nursery.cancel_scope.cancel()
    reads = [int(data.split(b",")[1]) for data in line.written if data.startswith(b"AT+CIPRECVDATA")]
    assert max(reads) <= 2048
