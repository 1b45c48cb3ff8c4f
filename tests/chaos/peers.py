"""The far side of the network: what the applications of a run talk to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.chaos.content import datagram
from tests.chaos.ledger import Conversation, Datagrams

if TYPE_CHECKING:
    from esp32sock.simulator import Connection, MemoryNetwork
    from tests.chaos.trace import Trace
from tests.chaos.world import HOST, PROBE_PORT, World


def set_peers(network: MemoryNetwork, world: World) -> None:
    """Everything on the far side of the network."""
    network.listen(HOST, PROBE_PORT, _echo)
    for tcp in world.plan.tcp:
        world.conversations[tcp.number] = conversation = Conversation(tcp)
        if not (tcp.accepted or tcp.refused):
            network.listen(HOST, tcp.port, peer_of(conversation, network, world.trace))
    for udp in world.plan.udp:
        world.datagrams[udp.number] = record = Datagrams(udp)
        network.answer_datagrams(HOST, udp.port, _datagram_peer(record))


async def _echo(connection: Connection) -> None:
    while data := await connection.receive():
        connection.send(data)


def peer_of(conversation: Conversation, network: MemoryNetwork, trace: Trace):  # type: ignore[no-untyped-def]
    """The far end of one conversation: it reads everything, and sends and ends as the plan says."""
    plan = conversation.plan
    expected = sum(plan.up)

    async def read(connection: Connection) -> None:
        while data := await connection.receive():
            conversation.up.take(data)
        if conversation.peer == "open":
            conversation.peer = "gone"
            trace.note(f"{conversation.name}: the module closed at its peer's")

    async def peer(connection: Connection) -> None:
        if conversation.peer != "none":  # the module opened it a second time
            trace.note(f"{conversation.name}: a second connection")
            connection.reset()
            return
        conversation.peer = "open"
        network.kernel.spawn(read(connection))
        pieces = plan.down if plan.closing != "reset" else plan.down[: len(plan.down) // 2 + 1]
        for size in pieces:
            if conversation.peer != "open":
                return
            data = conversation.down.next(size)
            conversation.down.sent += size
            connection.send(data)
            await connection.sleep(plan.pause_s)
        while plan.closing == "half" and conversation.up.arrived < expected and not conversation.up.wrong:
            if conversation.peer != "open":
                return
            await connection.sleep(0.25)
        if conversation.peer != "open":
            return
        conversation.peer_finished_s = network.kernel.now
        if plan.closing in ("peer", "half"):
            conversation.peer = "closed"
            connection.close()
            trace.note(f"{conversation.name}: its peer closes")
        elif plan.closing == "reset":
            conversation.peer = "reset"
            connection.reset()
            trace.note(f"{conversation.name}: its peer resets")

    return peer


def _datagram_peer(record: Datagrams):  # type: ignore[no-untyped-def]
    plan = record.plan
    count = 0

    def answer(data: bytes) -> list[bytes]:
        nonlocal count
        record.peer_got(data)
        answers = []
        for _ in range(plan.answers):
            made = datagram(plan.down_origin, count, 40 + 13 * count)
            count += 1
            key = (made, (HOST, plan.port))
            record.sent_down[key] = record.sent_down.get(key, 0) + 1
            answers.append(made)
        return answers

    return answer
