"""UDP over the simulated module in memory: boundaries, peers, and what cannot be sent."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import trio

from esp32sock.module.datagrams import HEADER, DatagramRequest
from esp32sock.simulator import Settings
from tests.module.rig import HOST, PAIR_BYTES, network, running

if TYPE_CHECKING:
    from trio.testing import MockClock

    from esp32sock.errors import Error
    from tests.module.rig import Rig


@dataclass
class User:
    """An application with one UDP socket."""

    end: trio.socket.SocketType
    told: list[str] = field(default_factory=list)
    error: Error | None = None
    decided: trio.Event = field(default_factory=trio.Event)
    over: trio.Event = field(default_factory=trio.Event)
    doubts: list[str] = field(default_factory=list)

    def opened(self, link_id: int, local: tuple[str, int]) -> None:
        self.told.append("opened")
        self.local = local
        self.decided.set()

    def failed(self, error: Error) -> None:
        self.told.append("failed")
        self.error = error
        self.decided.set()

    def doubtful(self, error: Error) -> None:
        self.doubts.append(str(error))

    def ended(self, error: Error | None) -> None:
        self.told.append("ended")
        self.error = error
        self.over.set()

    async def send(self, data: bytes, port: int, host: str = HOST) -> None:
        await self.end.send(HEADER.pack(socket.AF_INET, port, socket.inet_aton(host)) + data)

    async def receive(self) -> tuple[bytes, tuple[str, int]]:
        message = await self.end.recv(65536)
        _, port, host = HEADER.unpack_from(message)
        return message[HEADER.size :], (socket.inet_ntoa(host), port)

    async def close(self) -> None:
        self.end.close()
        await self.over.wait()


async def open_udp(rig: Rig, remote: tuple[str, int] | None, local_port: int = 0) -> User:
    ours, engines = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    engines.setblocking(False)
    engines.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PAIR_BYTES)
    user = User(trio.socket.from_stdlib_socket(ours))
    rig.module.open_datagram(DatagramRequest(engines, local_port, remote, user))
    await user.decided.wait()
    assert user.told == ["opened"], user.error
    return user


@pytest.mark.parametrize("profile", ["doc-v1", "2.0", "2.1", "2.4"])
async def test_datagrams_keep_their_boundaries_and_their_sender(
    profile: str, autojump_clock: MockClock
) -> None:
    net = network()
    net.answer_datagrams(HOST, 7005, lambda data: [data.upper(), b"again " + data])
    async with running(Settings(profile=profile), net) as rig:
        for remote in ((HOST, 7005), None):
            user = await open_udp(rig, remote)
            await user.send(b"one", 7005)
            await user.send(b"two" * 100, 7005)
            received = [await user.receive() for _ in range(4)]
            assert received == [
                (data, (HOST, 7005))
                for data in (b"ONE", b"again one", b"TWO" * 100, b"again " + b"two" * 100)
            ]
            await user.close()
        assert rig.module.stats()["datagrams_doubtful"] == 0


async def test_one_socket_talks_to_many_peers(autojump_clock: MockClock) -> None:
    net = network()
    for port in (7005, 7006, 7007):
        net.answer_datagrams(HOST, port, lambda data, port=port: [b"%d" % port + data])  # type: ignore[misc]
    async with running(network=net) as rig:
        user = await open_udp(rig, None, local_port=5000)
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
    async with running(network=net) as rig:
        user = await open_udp(rig, (HOST, 7005))
        await user.send(b"flood", 7005)
        await trio.sleep(5)
        dropped = rig.module.stats()["datagrams_dropped"]
        arrived = rig.simulated.module.journal.bytes_received // 1400
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
    async with running(Settings(paced=True), net) as rig:
        user = await open_udp(rig, (HOST, 7005))
        for number in range(10):
            await user.send(b"%d" % number, 7005)
        await user.close()
        await trio.sleep(1)
        assert all(record.closed_at_s is not None for record in rig.simulated.module.journal.links)
    assert arrived == [b"%d" % number for number in range(10)]
