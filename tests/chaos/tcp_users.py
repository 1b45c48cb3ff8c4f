"""Applications with TCP sockets: they connect or accept, send, read and close."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import trio

from esp32sock.engine.requests import ListenRequest, Opening, StreamRequest
from tests.chaos.content import content
from tests.chaos.peers import peer_of

if TYPE_CHECKING:
    from esp32sock.engine.requests import AcceptedStream, Listening, StreamOpened
    from esp32sock.errors import Error
    from tests.chaos.ledger import Conversation
    from tests.chaos.plan import TcpPlan
from tests.chaos.world import CLIENT_PORTS, CLOSED_S, CONNECT_S, HOST, LISTEN_PORT, World, describe, pair

HOLE_S = 30.0
"""How long an application waits for what was lost on the line."""


class StreamUser:
    """A stream's listener: what the engine told."""

    def __init__(self, world: World, conversation: Conversation, engines: socket.socket | None) -> None:
        self._world = world
        self._engines = engines
        self._conversation = conversation
        self.decided = trio.Event()
        self.over = trio.Event()
        self.failure: Error | None = None

    def opened(self, opened: StreamOpened) -> None:
        self._conversation.state = "open"
        self._world.trace.note(f"{self._conversation.name}: open, link {opened.link_id}")
        self.decided.set()

    def failed(self, error: Error) -> None:
        if self._engines is not None:
            self._engines.close()
        self.failure = error
        self._conversation.state = "failed"
        self._conversation.error = describe(error)
        self._world.trace.note(f"{self._conversation.name}: failed: {describe(error)}")
        self.decided.set()
        self.over.set()

    def ended(self, error: Error | None) -> None:
        if error is not None:
            self._conversation.error = describe(error)
        self._world.trace.note(f"{self._conversation.name}: ended: {describe(error)}")
        self.over.set()


async def tcp_client(world: World, plan: TcpPlan) -> None:
    """Connect, talk, close."""
    conversation = world.conversations[plan.number]
    await world.until(plan.starts_s)
    engines, ours = pair()
    user = StreamUser(world, conversation, engines)
    host = "one.test" if plan.by_name else HOST
    opening = Opening(trio.CancelScope())
    request = StreamRequest(engines, (host, plan.port), user, opening, timeout=plan.connect_timeout_s)
    world.engine.open_stream(request)
    try:
        bound_s = CONNECT_S if plan.connect_timeout_s is None else plan.connect_timeout_s + 1.0
        with world.ledger.waiting(f"{conversation.name}: connect", bound_s):
            if plan.gives_up_s is not None:
                with trio.move_on_after(plan.gives_up_s):
                    await user.decided.wait()
                if not user.decided.is_set():
                    opening.scope.cancel()
            await user.decided.wait()
        if user.failure is not None:
            return
        await talk(world, conversation, user, ours)
    finally:
        ours.close()


async def talk(world: World, conversation: Conversation, user: StreamUser, ours: socket.socket) -> None:
    """An open stream until its end."""
    plan = conversation.plan
    end = trio.socket.from_stdlib_socket(ours)
    async with trio.open_nursery() as nursery:

        async def write() -> None:
            try:
                for size in plan.up:
                    data = memoryview(content(plan.up_origin, conversation.up.sent, size))
                    while data:
                        with world.ledger.waiting(f"{conversation.name}: send"):
                            sent = await end.send(data)
                        conversation.up.sent += sent
                        data = data[sent:]
                    await trio.sleep(plan.pause_s)
                if plan.closing == "half":
                    end.shutdown(socket.SHUT_WR)
                    conversation.shut = True
                    world.trace.note(f"{conversation.name}: shuts its writing half")
            except OSError as error:
                world.trace.note(f"{conversation.name}: sending: {error}")
            if plan.closing == "leave":
                _close(world, conversation, end)
                nursery.cancel_scope.cancel()

        async def read() -> None:
            await trio.sleep(plan.read_pause_s)
            try:
                while True:
                    if plan.closing == "user" and conversation.down.arrived >= sum(plan.down):
                        break
                    with world.ledger.waiting(f"{conversation.name}: receive"):
                        data = await end.recv(4096)
                    if not data:
                        conversation.state = "clean"
                        break
                    conversation.down.take(data)
                    if conversation.down.wrong:
                        world.trace.note(f"{conversation.name}: WRONG down {conversation.down.wrong}")
            except OSError as error:
                conversation.state = "error"
                world.trace.note(f"{conversation.name}: receiving: {error}")

        nursery.start_soon(write)
        if plan.closing != "leave":
            with trio.move_on_after(world.plan.patience_s) as patience:
                async with trio.open_nursery() as reading:
                    if "lost-block" in world.plan.faults:
                        reading.start_soon(_give_up, world, plan.number, patience)
                    await read()
                    reading.cancel_scope.cancel()
            if plan.closing == "user" and conversation.state == "open" and not patience.cancelled_caught:
                await trio.lowlevel.checkpoint()  # the writer goes on to its end
            else:
                nursery.cancel_scope.cancel()
    _close(world, conversation, end)
    with world.ledger.waiting(f"{conversation.name}: end of a closed socket", CLOSED_S):
        await user.over.wait()


async def _give_up(world: World, number: int, reading: trio.CancelScope) -> None:
    """What waits for bytes of which nobody can know that they were lost waits for ever."""
    while number not in world.holes:  # noqa: ASYNC110  (it is a set of the simulated line)
        await trio.sleep(1.0)
    await trio.sleep(HOLE_S)
    reading.cancel()


def _close(world: World, conversation: Conversation, end: trio.socket.SocketType) -> None:
    if end.fileno() >= 0:
        if conversation.state == "open":
            conversation.state = "closed"
        world.trace.note(f"{conversation.name}: closes, {conversation.state}")
        end.close()


class Listener:
    """An application's listener, which accepts at once; clients are told apart by their ports."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.decided = trio.Event()
        self.over = trio.Event()
        self.failure: Error | None = None
        self.is_listening = False
        self.probes: list[trio.socket.SocketType] = []
        engines, self._ours = pair()
        self._engines = engines
        self.request = ListenRequest(
            engines, LISTEN_PORT, self, Opening(trio.CancelScope()), pair, lambda accepted: accepted
        )

    def listening(self, listening: Listening) -> None:
        self.is_listening = True
        self._world.trace.note("listener: listens")
        self.decided.set()

    def failed(self, error: Error) -> None:
        self.failure = error
        self._world.trace.note(f"listener: failed: {describe(error)}")
        self._engines.close()
        self.decided.set()
        self.over.set()

    def accepted(self, user_end: socket.socket, opened: StreamOpened, events_to: AcceptedStream) -> None:
        remote = opened.remote
        number = remote[1] - CLIENT_PORTS
        conversation = self._world.conversations.get(number)
        self._world.trace.note(f"listener: accepted {remote} on link {opened.link_id}")
        if number == -1:
            self._world.nursery.start_soon(self._echo, user_end)
            return
        if conversation is None or not conversation.plan.accepted or conversation.state != "new":
            if remote[1] and not self._world.text_damaged:  # a digit of the port may have been turned over
                self._world.ledger.violate("wrong-peer", f"accepted from {remote}, where nobody is")
            user_end.close()
            return
        user = StreamUser(self._world, conversation, None)
        user.opened(opened)
        events_to.attach(user)
        self._world.nursery.start_soon(self._talk, conversation, user, user_end)

    async def _talk(self, conversation: Conversation, user: StreamUser, end: socket.socket) -> None:
        with end:
            await talk(self._world, conversation, user, end)

    async def _echo(self, end: socket.socket) -> None:
        with trio.socket.from_stdlib_socket(end) as ours:
            try:
                while data := await ours.recv(4096):
                    await ours.send(data)
            except OSError:
                pass

    def accept_failed(self, user_end: socket.socket) -> None:
        user_end.close()

    def ended(self, error: Error | None) -> None:
        self.is_listening = False
        self.failure = error
        self._world.trace.note(f"listener: ended: {describe(error)}")
        self.over.set()

    def close(self) -> None:
        """The application closes its listener."""
        self._ours.close()


async def listen(world: World) -> None:
    """Listen, and keep trying where it fails."""
    listener = world.listener = Listener(world)
    world.engine.listen(listener.request)
    with world.ledger.waiting("listen", CONNECT_S):
        await listener.decided.wait()


async def tcp_accepted(world: World, plan: TcpPlan) -> None:
    """A client comes to the application's listener."""
    conversation = world.conversations[plan.number]
    await world.until(plan.starts_s)
    peer = peer_of(conversation, world.network, world.trace)
    port = CLIENT_PORTS + plan.number
    came = world.opened.runner.perform(lambda: world.network.connect(LISTEN_PORT, peer, from_port=port))
    if not came:
        world.trace.note(f"{conversation.name}: nobody listens")
