"""Applications with UDP sockets."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import trio

from esp32sock._constants import DATAGRAM_HEADER
from esp32sock.engine.datagram_peers import packed_peer, unpacked_peer
from esp32sock.engine.requests import DatagramRequest, Opening
from tests.chaos.content import datagram

if TYPE_CHECKING:
    from esp32sock.engine.requests import DatagramOpened
    from esp32sock.errors import Error
    from tests.chaos.ledger import Datagrams
    from tests.chaos.plan import UdpPlan
from tests.chaos.world import CLOSED_S, CONNECT_S, HOST, LINGER_S, STRANGER, UDP_PORTS, World, describe, pair


class DatagramUser:
    """A UDP link's listener."""

    def __init__(self, world: World, record: Datagrams, engines: socket.socket) -> None:
        self._world = world
        self._engines = engines
        self._record = record
        self.decided = trio.Event()
        self.over = trio.Event()

    def opened(self, opened: DatagramOpened) -> None:
        self._record.state = "open"
        self._world.trace.note(f"{self._record.name}: open, link {opened.link_id}, {opened.local}")
        self.decided.set()

    def failed(self, error: Error) -> None:
        self._engines.close()
        self._record.state = "failed"
        self._record.error = describe(error)
        self._world.trace.note(f"{self._record.name}: failed: {describe(error)}")
        self.decided.set()
        self.over.set()

    def doubtful(self, error: Error) -> None:
        self._record.doubtful += 1
        self._world.trace.note(f"{self._record.name}: doubtful: {describe(error)}")

    def ended(self, error: Error | None) -> None:
        if error is not None:
            self._record.error = describe(error)
        self._world.trace.note(f"{self._record.name}: ended: {describe(error)}")
        self.over.set()


async def udp_user(world: World, plan: UdpPlan) -> None:
    """Send datagrams, receive what comes, close."""
    record = world.datagrams[plan.number]
    await world.until(plan.starts_s)
    engines, ours = pair(socket.SOCK_SEQPACKET)
    user = DatagramUser(world, record, engines)
    peer = (HOST, plan.port)
    remote = peer if plan.connected else None
    request = DatagramRequest(engines, UDP_PORTS + plan.number, remote, user, Opening(trio.CancelScope()))
    world.engine.open_datagram(request)
    try:
        with world.ledger.waiting(f"{record.name}: open", CONNECT_S):
            await user.decided.wait()
        if record.state == "failed":
            return
        end = trio.socket.from_stdlib_socket(ours)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_receive_datagrams, world, record, end)
            await _send_datagrams(world, record, end)
            await trio.sleep(LINGER_S)
            nursery.cancel_scope.cancel()
        world.trace.note(f"{record.name}: closes")
    finally:
        ours.close()
    with world.ledger.waiting(f"{record.name}: end of a closed socket", CLOSED_S):
        await user.over.wait()


async def _send_datagrams(world: World, record: Datagrams, end: trio.socket.SocketType) -> None:
    plan = record.plan
    header = packed_peer((HOST, plan.port))
    for number, size in enumerate(plan.datagrams):
        data = datagram(plan.up_origin, number, size)
        record.sent_up[data] = record.sent_up.get(data, 0) + 1
        try:
            with world.ledger.waiting(f"{record.name}: send"):
                await end.send(header + data)
        except OSError as error:
            world.trace.note(f"{record.name}: sending: {error}")
            return
        if plan.stranger:
            _strange(world, record, number)
        await trio.sleep(plan.pause_s)


def _strange(world: World, record: Datagrams, number: int) -> None:
    """Somebody who is not its peer sends to the socket."""
    plan = record.plan
    data = datagram(900 + plan.number, number, 50)
    source = (STRANGER, 5555)
    if not plan.connected:
        record.sent_down[data, source] = record.sent_down.get((data, source), 0) + 1
    port = UDP_PORTS + plan.number
    world.opened.runner.perform(
        lambda: world.network.send_datagram(port, data, address=STRANGER, from_port=5555)
    )


async def _receive_datagrams(world: World, record: Datagrams, end: trio.socket.SocketType) -> None:
    try:
        while message := await end.recv(4096):
            data, source = message[DATAGRAM_HEADER.size :], unpacked_peer(message)
            record.user_got(data, source)
    except OSError as error:
        world.trace.note(f"{record.name}: receiving: {error}")
    await trio.sleep_forever()
