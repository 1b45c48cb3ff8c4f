"""The module's server, passive receive, and the firmware faults that the engine absorbs, in memory."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import trio

from esp32sock.engine.link_closing import PEER_CLOSES_S
from esp32sock.engine.requests import ListenRequest
from esp32sock.errors import Error
from esp32sock.simulator import Settings
from tests.engine.harness import HOST, PAIR_BYTES, echo, network, opening, running, sink
from tests.engine.line_proxy import LineProxy

if TYPE_CHECKING:
    import _socket

    from trio.testing import MockClock

    from esp32sock.engine.requests import Accepted, Listening, StreamOpened
    from esp32sock.simulator.network.memory import Connection
    from tests.engine.harness import Harness


@dataclass
class Host:
    """An application that listens."""

    end: trio.socket.SocketType
    events: list[str] = field(default_factory=list)
    error: Error | None = None
    decided: trio.Event = field(default_factory=trio.Event)
    over: trio.Event = field(default_factory=trio.Event)
    waiting: list[tuple[_socket.socket, tuple[str, int], Accepted]] = field(default_factory=list)
    ended_streams: list[Error | None] = field(default_factory=list)

    def listening(self, listening: Listening) -> None:
        self.events.append("listening")
        self.local = listening.local
        self.decided.set()

    def failed(self, error: Error) -> None:
        self.events.append("failed")
        self.error = error
        self.decided.set()

    def accepted(
        self,
        user_end: _socket.socket,
        opened: StreamOpened,
        events_to: Accepted,
    ) -> None:
        self.waiting.append((user_end, opened.remote, events_to))

    def accept_failed(self, user_end: _socket.socket) -> None:
        self.events.append("withdrawn")
        assert self.waiting.pop()[0] is user_end
        user_end.close()

    def ended(self, error: Error | None) -> None:
        self.events.append("ended")
        self.error = error
        self.over.set()

    async def accept(self) -> tuple[trio.SocketStream, tuple[str, int]]:
        assert await self.end.recv(1)
        outer = self

        class Stream:
            def ended(self, error: Error | None) -> None:
                outer.ended_streams.append(error)

        user_end, remote, accepted = self.waiting.pop(0)
        accepted.attach(Stream())
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(socket.socket(fileno=user_end.detach())))
        return stream, remote

    async def close(self) -> None:
        self.end.close()
        await self.over.wait()


def make_pair() -> tuple[_socket.socket, _socket.socket]:
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PAIR_BYTES)
    return ends


def begin_to_listen(harness: Harness, port: int, links: int = 3, **more: Any) -> tuple[Host, ListenRequest]:
    ours, engines = socket.socketpair()
    engines.setblocking(False)
    host = Host(trio.socket.from_stdlib_socket(ours))
    fields = {"make_pair": make_pair, "make_handle": lambda accepted: accepted, "links": links, **more}
    request = ListenRequest(engines, port, host, opening(), **fields)
    harness.engine.listen(request)
    return host, request


async def listen(harness: Harness, port: int, links: int = 3, **more: Any) -> Host:
    host, request = begin_to_listen(harness, port, links, **more)
    engines = request.end
    await host.decided.wait()
    if host.events == ["failed"]:
        engines.close()
        host.end.close()
    return host


async def upper(connection: Connection) -> None:
    connection.send(b"from a client")
    await connection.receive()
    connection.close()


@pytest.mark.parametrize("profile", ["doc-v1", "2.0", "2.1", "2.4", "3.4", "4.1"])
async def test_accepts_talks_and_stops(profile: str, autojump_clock: MockClock) -> None:
    net = network(p7000=echo)
    async with running(Settings(profile=profile), net) as harness:
        host = await listen(harness, 8080)
        assert host.events == ["listening"]
        assert host.local == ("10.0.2.15", 8080)
        assert net.connect(8080, upper)
        harness.look_at_the_network()
        stream, remote = await host.accept()
        assert remote[0] == HOST
        assert await stream.receive_some(100) == b"from a client"
        user = await harness.connect(7000)
        assert user.link_id >= 3
        await stream.send_all(b"answer")
        assert await stream.receive_some(100) == b""
        await stream.aclose()
        await user.end.aclose()
        await host.close()
        assert host.error is None
        again = await listen(harness, 8081)
        assert again.events == ["listening"]
        await again.close()


async def test_the_number_of_clients_that_the_module_takes(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    for links in (3, 5):
        net = network()
        async with running(Settings(profile="2.4"), network=net, server_links=links) as harness:
            host = await listen(harness, 8080, links)
            assert [net.connect(8080, upper) for _ in range(6)] == [True] * 6
            harness.look_at_the_network()
            streams = [(await host.accept())[0] for _ in range(links)]
            await trio.sleep(5)
            assert not host.waiting
            assert [message for message in caplog.messages if "refuses more clients" in message] == [
                "port 8080 has all the connections that it may have; the module refuses more clients until "
                f"one ends (server_links={links}, at most 5)"
            ]
            for stream in streams:
                await stream.aclose()
            await host.close()
        caplog.clear()


async def test_a_second_listener_is_refused_with_the_right_errno(autojump_clock: MockClock) -> None:
    async with running() as harness:
        host = await listen(harness, 8080)
        for port, code in ((8080, errno.EADDRINUSE), (8081, errno.EMFILE)):
            second = await listen(harness, port)
            assert second.error is not None
            assert second.error.errno == code
        await host.close()


async def test_a_listener_survives_a_restart(autojump_clock: MockClock) -> None:
    net = network()
    async with running(network=net) as harness:
        host = await listen(harness, 8080)
        await harness.engine.context.channel.force_restart()
        await trio.sleep(30)
        assert host.events == ["listening"]
        assert net.connect(8080, upper)
        harness.look_at_the_network()
        stream, _ = await host.accept()
        assert await stream.receive_some(100) == b"from a client"
        await stream.aclose()
        await host.close()
        assert host.error is None


@pytest.mark.parametrize("profile", ["2.0", "2.4", "3.4", "4.1", "4.2"])
async def test_passive_receive_delivers_everything_and_the_close(
    profile: str, autojump_clock: MockClock
) -> None:
    data = bytes(i * 31 & 255 for i in range(50_000))

    async def peer(connection: Connection) -> None:
        connection.send(data)
        connection.close()

    settings = Settings(profile=profile, window=5760)
    async with running(settings, network(p7000=peer), receive="passive") as harness:
        user = await harness.connect(7000)
        assert await user.read_all() == data
        await user.over.wait()
        assert user.error is None


async def test_a_passive_link_that_nobody_reads_is_throttled_not_buffered(autojump_clock: MockClock) -> None:
    async def flood(connection: Connection) -> None:
        connection.send(bytes(500_000))

    async with running(Settings(profile="4.1", window=5760), network(p7000=flood)) as harness:
        user = await harness.connect(7000)
        await trio.sleep(60)
        assert user.events == ["opened"]
        assert harness.engine.stats()["bytes_received"] < 30_000


async def test_passive_receive_is_refused_where_it_does_not_exist(autojump_clock: MockClock) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(Error, match=r"from 2\.0 on"), flatten_subgroups=True):
        async with running(Settings(profile="1.2"), receive="passive"):
            raise AssertionError("it was accepted")


async def test_a_2_0_link_that_stopped_receiving_is_woken(autojump_clock: MockClock) -> None:
    """Known-bugs 12: the data is there, and comes when something happens on another link."""

    async def both_ways(connection: Connection) -> None:
        async def pour() -> None:
            for number in range(200):
                connection.send(b"%07d\n" % number)
                await connection.sleep(0.002)

        await connection.receive()
        await pour()
        while await connection.receive():
            pass

    async with running(Settings(profile="2.0", paced=True), network(p7000=both_ways)) as harness:
        user = await harness.connect(7000)
        received = bytearray()

        async def read() -> None:
            while len(received) < 1600:
                received.extend(await user.end.receive_some(65536))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            for _ in range(40):
                await user.end.send_all(bytes(300))
        assert bytes(received) == b"".join(b"%07d\n" % number for number in range(200))


async def test_the_module_is_restarted_when_a_command_never_ends(autojump_clock: MockClock) -> None:
    """2.0 wedges after a second CIPSTART on an open link; only AT+RST gets through, and it is sent."""
    async with running(Settings(profile="2.0"), network(p7004=sink, p7000=echo)) as harness:
        user = await harness.connect(7004)
        wedge = b'AT+CIPSTART=%d,"TCP","10.0.2.2",7004\r\n' % user.link_id
        await harness.simulated.stream.send_all(wedge)  # as no code of ours ever does
        await trio.sleep(1)
        await user.end.aclose()
        await user.over.wait()
        again = None
        with trio.fail_after(120):
            while again is None:
                try:
                    again = await harness.connect(7000)
                except Error:
                    await trio.sleep(1)
        await again.end.send_all(b"back")
        assert await again.end.receive_some(100) == b"back"
        assert harness.engine.stats()["restarts"] == 1


@pytest.mark.parametrize("peer_closes", [True, False])
async def test_an_accepted_link_is_left_to_its_peer_for_a_moment(
    peer_closes: bool, autojump_clock: MockClock
) -> None:
    """Its id goes to the next client at once, whom a CIPCLOSE on its way would hit."""
    line_proxy = LineProxy()
    net = network()
    async with running(network=net, opener=line_proxy.opener) as harness:
        host = await listen(harness, 8080)
        assert net.connect(8080, sink)
        harness.look_at_the_network()
        stream, _ = await host.accept()
        await stream.aclose()
        await trio.sleep(PEER_CLOSES_S / 2)
        if peer_closes:
            line_proxy.says(b"0,CLOSED\r\n")
        await trio.sleep(1)
        assert any(line.startswith(b"AT+CIPCLOSE=0") for line in line_proxy.written) is not peer_closes
        await host.close()
