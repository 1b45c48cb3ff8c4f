"""Connections that wait to be accepted, and listeners that follow each other, in memory."""

from __future__ import annotations

import errno
import os
import select
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import trio

from esp32sock.at.commands import servers
from esp32sock.engine.listener import Server
from esp32sock.errors import Error
from tests.engine.harness import echo, network, running
from tests.engine.test_listener import begin_to_listen, listen, make_pair, upper

if TYPE_CHECKING:
    import _socket

    from trio.testing import MockClock

    from esp32sock.at.commands import Command
    from esp32sock.simulator import MemoryNetwork
    from esp32sock.simulator.network.memory import Connection
    from tests.engine.harness import Harness


async def hasty(connection: Connection) -> None:
    connection.send(b"bye")
    connection.close()


async def visit(harness: Harness, net: MemoryNetwork, peer: object = hasty) -> None:
    """Somebody connects, and the module has had time to say so."""
    assert net.connect(8080, peer)  # type: ignore[arg-type]
    harness.look_at_the_network()
    await trio.sleep(1)


@pytest.mark.parametrize("backlog", [0, 1, 4])
async def test_one_more_than_the_backlog_may_wait(backlog: int, autojump_clock: MockClock) -> None:
    net = network()
    async with running(network=net) as harness:
        host = await listen(harness, 8080, backlog=backlog)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(backlog + 5):
            await visit(harness, net)
        assert len(host.waiting) == backlog + 1
        assert len(os.listdir("/proc/self/fd")) - before == 2 * (backlog + 1)
        assert not harness.engine.context.pool.pumps
        for _ in range(backlog + 1):  # they were closed while they waited, and count, and have their data
            stream, _ = await host.accept()
            assert await stream.receive_some(100) == b"bye"
            assert await stream.receive_some(100) == b""
            await stream.aclose()
        with trio.move_on_after(1) as nothing_more:
            await host.accept()
        assert nothing_more.cancelled_caught
        await visit(harness, net, upper)  # there is room again
        stream, _ = await host.accept()
        assert await stream.receive_some(100) == b"from a client"
        await stream.aclose()
        await host.close()


async def test_who_comes_beyond_the_backlog_is_closed_at_once(autojump_clock: MockClock) -> None:
    net = network()
    ends = []

    async def stays(connection: Connection) -> None:
        ends.append(await connection.receive())

    async with running(network=net) as harness:
        host = await listen(harness, 8080, backlog=0)
        for _ in range(2):
            await visit(harness, net, stays)
        assert ends == [b""]
        assert len(host.waiting) == len(harness.engine.context.pool.pumps) == 1
        stream, _ = await host.accept()
        await stream.aclose()
        await host.close()


async def test_closing_who_came_too_late_spares_who_has_the_link_by_then(autojump_clock: MockClock) -> None:
    net = network()
    async with running(network=net) as harness:
        host = await listen(harness, 8080, backlog=0)
        await visit(harness, net)
        async with harness.engine.context.channel.exclusive():
            await visit(harness, net)  # refused, and gone by itself before our turn
            (await host.accept())[0].socket.close()
            assert not harness.engine.context.pool.pumps
            await visit(harness, net, echo)
            assert list(harness.engine.context.pool.pumps) == [0]
        stream, _ = await host.accept()
        await trio.sleep(5)
        await stream.send_all(b"still here")
        assert await stream.receive_some(100) == b"still here"
        await stream.aclose()
        await host.close()


async def test_a_restart_does_not_empty_the_backlog(autojump_clock: MockClock) -> None:
    net = network()
    async with running(network=net) as harness:
        host = await listen(harness, 8080, backlog=1)
        for _ in range(2):
            await visit(harness, net, upper)
        await harness.engine.context.channel.force_restart()
        await trio.sleep(30)
        await visit(harness, net)
        assert len(host.waiting) == 2
        for _ in range(2):
            (await host.accept())[0].socket.close()
        await host.close()


async def test_without_descriptors_a_connection_is_closed_and_nothing_else(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    net = network(p7000=echo)
    descriptors = iter([OSError(errno.EMFILE, os.strerror(errno.EMFILE))])

    def scarce() -> tuple[_socket.socket, _socket.socket]:
        for error in descriptors:
            raise error
        return make_pair()

    async with running(network=net) as harness:
        host = await listen(harness, 8080, make_pair=scarce)
        await visit(harness, net, upper)
        assert not host.waiting
        assert "Too many open files" in caplog.text
        await visit(harness, net, upper)
        stream, _ = await host.accept()
        assert await stream.receive_some(100) == b"from a client"
        await stream.aclose()
        await host.close()


async def test_what_cannot_be_announced_is_withdrawn(autojump_clock: MockClock) -> None:
    net = network()
    async with running(network=net) as harness:
        host, request = begin_to_listen(harness, 8080, backlog=0)
        await host.decided.wait()
        filled = 0
        with suppress(BlockingIOError):
            while True:
                filled += request.end.send(bytes(4096))
        await visit(harness, net, upper)
        assert host.events == ["listening", "withdrawn"]
        assert not harness.engine.context.pool.pumps
        while filled:
            filled -= len(await host.end.recv(filled))
        await visit(harness, net, upper)
        stream, _ = await host.accept()
        assert await stream.receive_some(100) == b"from a client"
        await stream.aclose()
        await host.close()


async def test_a_listener_that_cannot_be_watched_fails_alone(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(_: int = -1) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    async with running(network=network(p7000=echo)) as harness:
        with monkeypatch.context() as patched:
            patched.setattr(select, "epoll", none_left)
            host = await listen(harness, 8080)
            await host.over.wait()
        assert isinstance(host.error, Error)
        assert host.error.errno == errno.EMFILE
        host.end.close()
        again = await listen(harness, 8081)
        assert again.events == ["listening"]
        user = await harness.connect(7000)
        await user.end.aclose()
        await again.close()


async def test_a_half_closed_accepted_link_is_closed_after_its_time(autojump_clock: MockClock) -> None:
    net = network()

    async def silent(connection: Connection) -> None:
        while await connection.receive():
            pass

    async with running(network=net, half_close_s=12.0) as harness:
        host = await listen(harness, 8080)
        await visit(harness, net, silent)
        stream, _ = await host.accept()
        started = trio.current_time()
        await stream.send_eof()
        assert await stream.receive_some(100) == b""
        assert trio.current_time() - started == pytest.approx(11.0, abs=1.0)
        await stream.aclose()
        await host.close()


@pytest.mark.parametrize("closed", [False, True])
async def test_who_lost_its_place_leaves_the_other_alone(
    closed: bool, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running() as harness:
        lost, go_on = trio.Event(), trio.Event()
        run = Server.run

        async def slow(server: Server) -> Error | None:
            error = await run(server)
            if error is not None and server.port == 8080:
                server.release()  # as it will; but the other is to be quicker from here
                lost.set()
                await go_on.wait()
            return error

        monkeypatch.setattr(Server, "run", slow)
        first = await listen(harness, 8080)
        await harness.engine.context.channel.force_restart()
        await lost.wait()
        second = await listen(harness, 8081)
        assert second.events == ["listening"]
        if closed:
            first.end.close()
        go_on.set()
        await first.over.wait()
        if closed:
            assert first.error is None
        else:
            assert first.error is not None
            assert first.error.errno == errno.EMFILE
            first.end.close()
        await trio.sleep(5)
        in_force = await harness.engine.execute(servers.GetServer())
        assert in_force is not None
        assert in_force.port == 8081
        await second.close()


async def test_nobody_waits_for_a_server_that_a_restart_ended(autojump_clock: MockClock) -> None:
    """The second waits for the first, which is closed; the restart comes before that is done."""
    async with running() as harness:
        first = await listen(harness, 8080)
        async with harness.engine.context.channel.exclusive():
            first.end.close()
            second, _ = begin_to_listen(harness, 8081)
            await harness.engine.context.channel.force_restart()
        await second.decided.wait()
        assert second.events == ["listening"]
        await second.close()


async def test_links_are_free_again_when_a_listener_closes_while_the_module_restarts(
    autojump_clock: MockClock,
) -> None:
    async with running(network=network(p7000=echo)) as harness:
        host = await listen(harness, 8080, links=3)
        await harness.engine.context.channel.force_restart()
        host.end.close()
        await host.over.wait()
        users = [await harness.connect(7000) for _ in range(5)]
        for user in users:
            await user.end.aclose()


async def test_a_listener_given_up_while_it_opens_leaves_no_server_behind(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running() as harness:
        session = harness.engine.context.channel.session
        send = session.send

        def give_up_now(command: Command[Any], now: float) -> None:
            send(command, now)
            if isinstance(command, servers.Listen) and command.port == 8080:
                request.opening.scope.cancel()

        monkeypatch.setattr(session, "send", give_up_now)
        host, request = begin_to_listen(harness, 8080)
        await host.decided.wait()
        assert host.events == ["failed"]
        request.end.close()
        host.end.close()
        second = await listen(harness, 8081)
        listening = await harness.engine.execute(servers.GetServer())
        assert listening is not None
        assert listening.port == 8081
        await second.close()
