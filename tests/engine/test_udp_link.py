"""UDP over the simulated module in memory: boundaries, peers, and what cannot be sent."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import trio

from esp32sock._constants import DATAGRAM_HEADER
from esp32sock.engine.datagram_peers import packed_peer, unpacked_peer
from esp32sock.engine.requests import DatagramRequest
from esp32sock.errors import Error, ModuleReset, PortError
from esp32sock.simulator import Settings
from tests.engine.harness import HOST, PAIR_BYTES, echo, network, opening, port_lost, running

if TYPE_CHECKING:
    from trio.testing import MockClock

    from esp32sock.at.commands import Command
    from esp32sock.engine.requests import DatagramOpened
    from esp32sock.simulator import MemoryNetwork
    from tests.engine.harness import Harness


@dataclass
class User:
    """An application with one UDP socket."""

    end: trio.socket.SocketType
    events: list[str] = field(default_factory=list)
    error: Error | None = None
    decided: trio.Event = field(default_factory=trio.Event)
    over: trio.Event = field(default_factory=trio.Event)
    doubts: list[str] = field(default_factory=list)

    def opened(self, opened: DatagramOpened) -> None:
        self.events.append("opened")
        self.local = opened.local
        self.decided.set()

    def failed(self, error: Error) -> None:
        self.events.append("failed")
        self.error = error
        self.decided.set()

    def doubtful(self, error: Error) -> None:
        self.doubts.append(str(error))

    def ended(self, error: Error | None) -> None:
        self.events.append("ended")
        self.error = error
        self.over.set()

    async def send(self, data: bytes, port: int, host: str = HOST) -> None:
        await self.end.send(packed_peer((host, port)) + data)

    async def receive(self) -> tuple[bytes, tuple[str, int]]:
        message = await self.end.recv(65536)
        return message[DATAGRAM_HEADER.size :], unpacked_peer(message)

    async def close(self) -> None:
        self.end.close()
        await self.over.wait()


async def open_udp(harness: Harness, remote: tuple[str, int] | None, local_port: int = 5001) -> User:
    ours, engines = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    engines.setblocking(False)
    engines.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PAIR_BYTES)
    user = User(trio.socket.from_stdlib_socket(ours))
    harness.engine.open_datagram(DatagramRequest(engines, local_port, remote, user, opening()))
    await user.decided.wait()
    if user.events[0] == "failed":
        assert user.error is not None
        for end in (user.end, engines):
            end.close()
        raise user.error
    return user


@pytest.mark.parametrize("profile", ["doc-v1", "2.0", "2.1", "2.4"])
async def test_datagrams_keep_their_boundaries_and_their_sender(
    profile: str, autojump_clock: MockClock
) -> None:
    net = network()
    net.answer_datagrams(HOST, 7005, lambda data: [data.upper(), b"again " + data])
    async with running(Settings(profile=profile), net) as harness:
        for remote in ((HOST, 7005), None):
            user = await open_udp(harness, remote)
            await user.send(b"one", 7005)
            await user.send(b"two" * 100, 7005)
            received = [await user.receive() for _ in range(4)]
            assert received == [
                (data, (HOST, 7005))
                for data in (b"ONE", b"again one", b"TWO" * 100, b"again " + b"two" * 100)
            ]
            await user.close()
        assert harness.engine.stats()["datagrams_doubtful"] == 0


async def test_one_socket_talks_to_many_peers(autojump_clock: MockClock) -> None:
    net = network()
    for port in (7005, 7006, 7007):
        net.answer_datagrams(HOST, port, lambda data, port=port: [b"%d" % port + data])  # type: ignore[misc]
    async with running(network=net) as harness:
        user = await open_udp(harness, None, local_port=5000)
        assert user.local[1] == 5000
        for port in (7006, 7005, 7007, 7006):
            await user.send(b"?", port)
            assert await user.receive() == (b"%d?" % port, (HOST, port))
        await user.close()


async def test_datagrams_beyond_what_the_queue_holds_are_dropped_and_counted(
    autojump_clock: MockClock,
) -> None:
    net = network()
    net.answer_datagrams(HOST, 7005, lambda data: [bytes(1400)] * 400)
    async with running(network=net) as harness:
        user = await open_udp(harness, (HOST, 7005))
        await user.send(b"flood", 7005)
        await trio.sleep(5)
        dropped = harness.engine.stats()["datagrams_dropped"]
        arrived = harness.simulated.module.journal.bytes_received // 1400
        assert 0 < dropped < arrived
        for _ in range(arrived - dropped):
            assert len((await user.receive())[0]) == 1400
        await user.close()


async def test_a_closed_socket_still_sends_what_it_had_sent(autojump_clock: MockClock) -> None:
    arrived: list[bytes] = []

    def remember(data: bytes) -> list[bytes]:
        arrived.append(data)
        return []

    net = network()
    net.answer_datagrams(HOST, 7005, remember)
    async with running(Settings(paced=True), net) as harness:
        user = await open_udp(harness, (HOST, 7005))
        for number in range(10):
            await user.send(b"%d" % number, 7005)
        await user.close()
        await trio.sleep(1)
        assert all(record.closed_at_s is not None for record in harness.simulated.module.journal.links)
    assert arrived == [b"%d" % number for number in range(10)]


def remembering(arrived: list[tuple[int, bytes]], *ports: int) -> MemoryNetwork:
    """A network whose peers on these ports note what comes."""
    net = network()
    for port in ports:

        def remember(data: bytes, port: int = port) -> list[bytes]:
            arrived.append((port, data))
            return []

        net.answer_datagrams(HOST, port, remember)
    return net


@pytest.mark.parametrize(("profile", "redirects"), [
    ("1.0", True), ("1.2", True), ("2.0", False), ("2.4", False),
])  # fmt: skip
async def test_a_datagram_that_may_have_gone_elsewhere_is_counted_and_told(
    profile: str, redirects: bool, autojump_clock: MockClock
) -> None:
    """Known-bugs 15: one that comes between prompt and `Recv` takes ours to its own sender."""
    arrived: list[tuple[int, bytes]] = []
    net = remembering(arrived, 7005, 7006)
    async with running(Settings(profile=profile, paced=True), net) as harness:
        user = await open_udp(harness, None, local_port=5000)
        await user.send(b"first", 7005)
        await trio.sleep(1)
        assert arrived == [(7005, b"first")]
        await user.send(b"x" * 1460, 7005)
        await trio.sleep(0.06)  # some 130 ms of payload are on the line
        assert net.send_datagram(5000, b"!", from_port=7006)
        harness.look_at_the_network()
        assert await user.receive() == (b"!", (HOST, 7006))
        await trio.sleep(1)
        assert arrived[1:] == [(7006 if redirects else 7005, b"x" * 1460)]
        assert harness.engine.stats()["datagrams_doubtful"] == len(user.doubts) == int(redirects)
        await user.send(b"last", 7005)
        await user.close()
        assert arrived[2:] == [(7005, b"last")]
        assert len(user.doubts) == int(redirects)


@pytest.mark.parametrize(("profile", "command"), [
    ("doc-v1", b"AT+CIPSENDEX="), ("1.0", b"AT+CIPSENDEX="), ("1.2", b"AT+CIPSEND="), ("2.0", b"AT+CIPSEND="),
    ("2.1", b"AT+CIPSEND="), ("2.4", b"AT+CIPSEND="), ("4.1", b"AT+CIPSENDEX="), ("4.2", b"AT+CIPSEND="),
])  # fmt: skip
async def test_a_datagram_that_ends_in_plus_signs(
    profile: str, command: bytes, autojump_clock: MockClock
) -> None:
    """A mark stands behind it where CIPSENDEX is known to work, unless it would eat a backslash."""
    arrived: list[tuple[int, bytes]] = []
    lines: list[bytes] = []
    async with running(Settings(profile=profile), remembering(arrived, 7005)) as harness:
        session = harness.engine.context.channel.session
        send = session.send

        def note(command: Command[Any], now: float) -> None:
            lines.append(command.line(session.firmware))
            send(command, now)

        session.send = note  # type: ignore[method-assign]
        sent = [b"a+++", b"++++", b"\0" + b"+" * 1459, rb"\+++", rb"\0+++", b"+++a"]
        for remote in ((HOST, 7005), None):
            user = await open_udp(harness, remote)
            lines.clear()
            for data in sent:
                await user.send(data, 7005)
            await trio.sleep(1)
            plain = [line.startswith(command) for line in lines if b"CIPSEND" in line]
            marked = command != b"AT+CIPSEND="
            assert plain == [True] * 3 + [not marked] * 3, lines
            await user.close()
            assert user.doubts == []
    assert arrived == [(7005, data) for data in sent * 2]


@pytest.mark.parametrize("profile", ["doc-v1", "2.0", "2.4", "4.1"])
@pytest.mark.parametrize("data", [b"+++", b""], ids=["plus signs", "nothing"])
async def test_what_cannot_be_a_datagram_harms_nothing(
    profile: str, data: bytes, autojump_clock: MockClock
) -> None:
    """The sockets refuse both; the engine does not trust them."""
    arrived: list[tuple[int, bytes]] = []
    async with running(Settings(profile=profile), remembering(arrived, 7005)) as harness:
        user = await open_udp(harness, (HOST, 7005))
        for each in (b"before", data, b"after"):
            await user.send(each, 7005)
        await user.close()
        await trio.sleep(1)
        assert len(user.doubts) == 1
        assert user.error is None
    assert arrived == [(7005, b"before"), (7005, b"after")]


@pytest.mark.parametrize("said", [b"\r\nready\r\n", b""], ids=["a restart", "a lost port"])
async def test_a_module_that_goes_while_it_sends_ends_the_socket_alone(
    said: bytes, autojump_clock: MockClock
) -> None:
    net = network(p7000=echo)
    async with running(network=net) as harness:
        user = await open_udp(harness, (HOST, 7005))
        port = harness.engine.context.channel.port
        receive = port.receive

        async def hear() -> bytes:
            data = await receive()
            if b"Recv" not in data and b"SEND OK" not in data:
                return data
            if not said:
                raise port_lost()
            port.receive = receive  # type: ignore[method-assign]
            return said

        port.receive = hear  # type: ignore[method-assign]
        await user.send(b"lost", 7005)
        await user.over.wait()
        assert isinstance(user.error, ModuleReset if said else PortError)
        user.end.close()
        if said:
            again = await harness.connect(7000)
            await again.end.send_all(b"back")
            assert await again.end.receive_some(100) == b"back"


@pytest.mark.parametrize("header", ['"::1",80', '"1.2.3.4.5",80', '"10.0.2",80'])
async def test_a_datagram_from_no_address_is_dropped_and_counted(
    header: str, autojump_clock: MockClock
) -> None:
    async with running(network=network(p7000=echo)) as harness:
        user = await open_udp(harness, None)
        other = await harness.connect(7000)
        channel = harness.engine.context.channel
        for sender in (header, '"10.0.2.2",80'):
            channel.session.receive_data(f"\r\n+IPD,4,3,{sender}:abc".encode(), trio.current_time())
            channel._dispatch()
        assert await user.receive() == (b"abc", ("10.0.2.2", 80))
        assert harness.engine.stats()["datagrams_dropped"] == 1
        await other.end.send_all(b"fine")
        assert await other.end.receive_some(100) == b"fine"
        await user.close()


async def test_who_hears_anyone_must_name_a_port(autojump_clock: MockClock) -> None:
    async with running() as harness:
        with pytest.raises(Error, match="port 0 is outside"):
            await open_udp(harness, None, local_port=0)
        assert harness.engine.context.pool.pumps == {}


PROFILES = ["doc-v1", "1.0", "2.0", "2.1", "2.4", "4.1", "4.2"]


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_link_with_one_peer_hears_nobody_else(profile: str, autojump_clock: MockClock) -> None:
    net = network()
    async with running(Settings(profile=profile), net) as harness:
        user = await open_udp(harness, (HOST, 7005), local_port=5000)
        for sender, port in (
            ("10.0.2.3", 7005),
            (HOST, 7006),
            (HOST, 7005),
            ("10.0.2.3", 7005),
            (HOST, 7005),
        ):
            assert net.send_datagram(5000, f"{sender}:{port}".encode(), address=sender, from_port=port)
            harness.look_at_the_network()
            await trio.sleep(0.1)
        for _ in range(2):
            assert await user.receive() == (b"10.0.2.2:7005", (HOST, 7005))
        assert harness.engine.stats()["datagrams_dropped"] == 3
        await user.close()


async def test_a_header_that_names_no_sender_is_not_taken_for_the_peer(autojump_clock: MockClock) -> None:
    async with running() as harness:
        user = await open_udp(harness, (HOST, 7005))
        channel = harness.engine.context.channel
        for header in ("", ',"10.0.2.2",7005'):
            channel.session.receive_data(f"\r\n+IPD,4,3{header}:abc".encode(), trio.current_time())
            channel._dispatch()
        assert await user.receive() == (b"abc", (HOST, 7005))
        assert harness.engine.stats()["datagrams_dropped"] == 1
        await user.close()


REMOTES = [None, (HOST, 7005)]


@pytest.mark.parametrize("after", REMOTES, ids=["to any peer", "to one peer"])
@pytest.mark.parametrize("before", REMOTES, ids=["from any peer", "from one peer"])
@pytest.mark.parametrize("unsent", [0, 20])
@pytest.mark.parametrize("profile", PROFILES)
async def test_a_port_can_be_bound_again_at_once(
    profile: str,
    unsent: int,
    before: tuple[str, int] | None,
    after: tuple[str, int] | None,
    autojump_clock: MockClock,
) -> None:
    """The CIPCLOSE of the old link is waited for, and what the old socket had sent goes out before."""
    arrived: list[tuple[int, bytes]] = []
    async with running(Settings(profile=profile, paced=True), remembering(arrived, 7005)) as harness:
        for _ in range(3):
            user = await open_udp(harness, before, local_port=5060)
            for _ in range(unsent):
                await user.send(bytes(48), 7005)
            user.end.close()
            again = await open_udp(harness, after, local_port=5060)
            assert again.local[1] == 5060
            await again.send(b"again", 7005)
            await again.close()
        await trio.sleep(1)
        assert arrived == [*[(7005, bytes(48))] * unsent, (7005, b"again")] * 3


async def test_a_port_whose_opening_was_given_up_can_be_bound_at_once(autojump_clock: MockClock) -> None:
    async with running(Settings(paced=True)) as harness:
        for delay_s in (0, 0.005, 0.01, 0.02, 0.04):
            ours, engines = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            engines.setblocking(False)
            user = User(trio.socket.from_stdlib_socket(ours))
            request = DatagramRequest(engines, 5060, None, user, opening())
            harness.engine.open_datagram(request)
            await trio.sleep(delay_s)
            request.opening.scope.cancel()
            user.end.close()
            await (await open_udp(harness, None, local_port=5060)).close()
            engines.close()


@pytest.mark.parametrize("remote", REMOTES, ids=["any peer", "one peer"])
async def test_a_port_in_use_is_refused_by_name(
    remote: tuple[str, int] | None, autojump_clock: MockClock
) -> None:
    async with running() as harness:
        user = await open_udp(harness, remote, local_port=5060)
        with pytest.raises(Error, match="has the local port 5060") as refused:
            await open_udp(harness, None, local_port=5060)
        assert refused.value.errno == errno.EADDRINUSE
        await user.close()
