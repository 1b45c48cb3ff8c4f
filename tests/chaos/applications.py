"""What applications do in a run, and the peers that they talk to."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from esp32sock._constants import DATAGRAM_HEADER
from esp32sock.at.commands import basic, wifi
from esp32sock.engine.requests import DatagramRequest, ListenRequest, Opening, StreamRequest
from esp32sock.errors import Error
from tests.chaos.content import content, datagram
from tests.chaos.ledger import Conversation, Datagrams

if TYPE_CHECKING:
    from esp32sock.engine.engine import Engine
    from esp32sock.engine.requests import AcceptedStream, DatagramOpened, Listening, StreamOpened
    from esp32sock.simulator import Connection, MemoryNetwork
    from esp32sock.simulator.runtime.runner import Opened
    from tests.chaos.ledger import Ledger
    from tests.chaos.plan import AskPlan, Plan, TcpPlan, UdpPlan
    from tests.chaos.trace import Trace

HOST = "10.0.2.2"
STRANGER = "10.0.2.77"
NAMES = {"one.test": HOST, "two.test": "10.0.2.9"}
LISTEN_PORT = 80
PROBE_PORT = 6999
CLIENT_PORTS = 20000
UDP_PORTS = 30000
PAIR_BYTES = 4096
CONNECT_S = 100.0
"""The longest that an application may wait for a connection, a look-up or a command, faults or not."""
CLOSED_S = 60.0
"""From the application's close to the end of the link, beyond what the peer takes."""
LINGER_S = 3.0
"""How long a UDP socket stays open behind its last datagram."""


def pair(kind: socket.SocketKind = socket.SOCK_STREAM) -> tuple[socket.socket, socket.socket]:
    """The engine's end and the application's."""
    engines, ours = socket.socketpair(socket.AF_UNIX, kind)
    for end in (engines, ours):
        end.setblocking(False)
        if kind == socket.SOCK_STREAM:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PAIR_BYTES)
    return engines, ours


@dataclass
class World:
    """What all applications of a run share."""

    plan: Plan
    trace: Trace
    ledger: Ledger
    engine: Engine
    opened: Opened
    network: MemoryNetwork
    nursery: trio.Nursery
    started_s: float
    conversations: dict[int, Conversation] = field(default_factory=dict)
    datagrams: dict[int, Datagrams] = field(default_factory=dict)
    listener: Listener | None = None
    text_damaged: bool = False
    """Whether the answer to a question may be wrong because bytes were damaged."""

    async def until(self, since_start_s: float) -> None:
        """Wait until so long after the start."""
        await trio.sleep_until(self.started_s + since_start_s)


# -- peers -------------------------------------------------------------------------------------------------


def set_peers(network: MemoryNetwork, world: World) -> None:
    """Everything on the far side of the network."""
    network.listen(HOST, PROBE_PORT, _echo)
    for tcp in world.plan.tcp:
        world.conversations[tcp.number] = conversation = Conversation(tcp)
        if not (tcp.accepted or tcp.refused):
            network.listen(HOST, tcp.port, _peer_of(conversation, network, world.trace))
    for udp in world.plan.udp:
        world.datagrams[udp.number] = record = Datagrams(udp)
        network.answer_datagrams(HOST, udp.port, _datagram_peer(record))


async def _echo(connection: Connection) -> None:
    while data := await connection.receive():
        connection.send(data)


def _peer_of(conversation: Conversation, network: MemoryNetwork, trace: Trace):  # type: ignore[no-untyped-def]
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


# -- TCP ---------------------------------------------------------------------------------------------------


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
        self._conversation.error = _text(error)
        self._world.trace.note(f"{self._conversation.name}: failed: {_text(error)}")
        self.decided.set()
        self.over.set()

    def ended(self, error: Error | None) -> None:
        if error is not None:
            self._conversation.error = _text(error)
        self._world.trace.note(f"{self._conversation.name}: ended: {_text(error)}")
        self.over.set()


def _text(error: Error | None) -> str:
    if error is None:
        return "well"
    return f"{errno.errorcode.get(error.errno or 0, error.errno)} {error}"


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
                await read()
            if plan.closing == "user" and conversation.state == "open" and not patience.cancelled_caught:
                await trio.lowlevel.checkpoint()  # the writer goes on to its end
            else:
                nursery.cancel_scope.cancel()
    _close(world, conversation, end)
    with world.ledger.waiting(f"{conversation.name}: end of a closed socket", CLOSED_S):
        await user.over.wait()


def _close(world: World, conversation: Conversation, end: trio.socket.SocketType) -> None:
    if end.fileno() >= 0:
        if conversation.state == "open":
            conversation.state = "closed"
        world.trace.note(f"{conversation.name}: closes, {conversation.state}")
        end.close()


# -- listening ---------------------------------------------------------------------------------------------


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
        self._world.trace.note(f"listener: failed: {_text(error)}")
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
            if remote[1]:
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
        self._world.trace.note(f"listener: ended: {_text(error)}")
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
    peer = _peer_of(conversation, world.network, world.trace)
    port = CLIENT_PORTS + plan.number
    came = world.opened.runner.perform(lambda: world.network.connect(LISTEN_PORT, peer, from_port=port))
    if not came:
        world.trace.note(f"{conversation.name}: nobody listens")


# -- UDP ---------------------------------------------------------------------------------------------------


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
        self._record.error = _text(error)
        self._world.trace.note(f"{self._record.name}: failed: {_text(error)}")
        self.decided.set()
        self.over.set()

    def doubtful(self, error: Error) -> None:
        self._record.doubtful += 1
        self._world.trace.note(f"{self._record.name}: doubtful: {_text(error)}")

    def ended(self, error: Error | None) -> None:
        if error is not None:
            self._record.error = _text(error)
        self._world.trace.note(f"{self._record.name}: ended: {_text(error)}")
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
    header = DATAGRAM_HEADER.pack(socket.AF_INET, plan.port, socket.inet_aton(HOST))
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
            _, port, host = DATAGRAM_HEADER.unpack_from(message)
            data, source = message[DATAGRAM_HEADER.size :], (socket.inet_ntoa(host), port)
            record.user_got(data, source)
    except OSError as error:
        world.trace.note(f"{record.name}: receiving: {error}")
    await trio.sleep_forever()


# -- questions ---------------------------------------------------------------------------------------------


async def ask(world: World, plan: AskPlan) -> None:
    """Questions with known answers, one after the other."""
    await world.until(plan.starts_s)
    for question in plan.questions:
        with trio.move_on_after(float("inf") if plan.gives_up_s is None else plan.gives_up_s):
            with world.ledger.waiting(f"ask {question}", CONNECT_S):
                await _ask(world, question)


async def _ask(world: World, question: str) -> None:
    try:
        if question == "version":
            firmware = await world.engine.execute(basic.Version())
            got: object = ".".join(map(str, firmware.version[:2]))
            right: tuple[object, ...] = (world.plan.profile,)
        elif question == "joined":
            joined = await world.engine.execute(wifi.Joined())
            got, right = joined and joined.ssid, ("Espressif", None)
        else:
            got = await world.engine.resolve(question)
            right = ([NAMES.get(question)],)
    except Error as error:
        world.trace.note(f"ask {question}: {_text(error)}")
        return
    world.trace.note(f"ask {question}: {got!r}")
    if got not in right and not world.text_damaged:
        world.ledger.violate("wrong-answer", f"{question}: {got!r} instead of {right!r}")
