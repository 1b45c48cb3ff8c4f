"""A broker's side of its protocol: whatever a client sends, with whatever descriptors, in whatever order.

An input is steps: a record of raw bytes, a call with one of its values replaced, descriptors of any kind
with it, time, a peer that connects to the module, or the end of the client. The broker's session, the engine
and the simulated module behind it are the real ones, in virtual time. What holds:

- the client is answered, or refused with a reason: an error of the protocol, and no fault of the broker;
- after it is gone its tasks are, and no descriptor of any kind is left in the broker;
- the engine goes on: it answers a command, and has no link.
"""

from __future__ import annotations

import _socket
import json
import logging
import os
import select
from contextlib import closing, suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import trio
import trio.testing

from esp32sock.at.commands import basic, wifi
from esp32sock.broker import protocol, records, values
from esp32sock.broker.access import Access, Peer, Right
from esp32sock.broker.server import Broker, ServedModule
from esp32sock.broker.session import Session
from esp32sock.engine.engine import Engine
from esp32sock.engine.options import Options
from esp32sock.engine.requests import DEFAULT_OPTIONS, StreamOptions
from esp32sock.engine.transports import StreamPort
from esp32sock.simulator import MemoryNetwork, Settings, open_module
from fuzz.controls import Controls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esp32sock.engine.transports import Port
    from esp32sock.simulator.network.memory import Connection

UNIT = "bytes"
MAX_BYTES = 600

HOST = "10.0.2.2"
GONE_S = 400.0
"""Longer than any verb of the client may go on behind its end."""
KEY = (1, 2)
SERVER_PORT = 8080
FAULT = "fault of the broker"

VERBS: tuple[Any, ...] = (
    protocol.OpenStream(3, KEY, (HOST, 7000), DEFAULT_OPTIONS, 0, None, None, None),
    protocol.OpenStream(4, KEY, (HOST, 7001), StreamOptions(), 100, 5.0, 2.0, 3),
    protocol.OpenDatagram(5, KEY, 5000, (HOST, 7005)),
    protocol.OpenDatagram(6, KEY, 5001, None),
    protocol.Listen(7, KEY, SERVER_PORT, 5),
    protocol.NoteBound(KEY, ("", 80)),
    protocol.Accept(8, KEY),
    protocol.Announce(KEY),
    protocol.Find(KEY),
    protocol.Abandon(3),
    protocol.Cancel(1),
    protocol.Watch(True),
    protocol.GetStatus(),
    protocol.GetStats(),
    protocol.SetOptions(3, StreamOptions()),
    protocol.Resolve("example.test"),
    protocol.Execute(basic.Test(), 5.0, False),
    protocol.Execute(wifi.Join("a", "b"), None, False),
    protocol.Join("a network", "12345678", None, 5.0, False),
    protocol.Finish(),
)

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, 1e300, 1e999, -1e999, -0.5, "", "x", "é" * 300,
    "10.0.2.2", "a\r\nAT+RST", "\0", "\ud800", [], [1], {}, {"a": 1}, {"bytes": "x"}, {"tuple": []},
    {"tuple": [1, 2]},
    {"tuple": ["10.0.2.2", 7000]}, {"mapping": [[[], 1]]}, {"mapping": [1]}, {"enum": "x", "value": 1},
    {"error": "Error", "fields": 5}, {"error": "Error", "fields": {"mapping": [["args", 5]]}},
    {"error": "CommandError", "fields": {"mapping": []}}, {"data": "protocol.GetStatus", "fields": {}},
    {"data": "wifi.Scan", "fields": {"ssid": 5}}, {"data": "basic.Test", "fields": {}}, {"datetime": "x"},
    {"ipv4": "300.1.1.1"}, {"microseconds": 10**30}, "OpenStream", {"data": "x", "fields": {}},
)  # fmt: skip

DESCRIPTORS = ("stream", "stream", "packets", "datagrams", "inet", "pipe", "null", "epoll")


@cache
def calls() -> tuple[str, ...]:
    return tuple(values.dumps(protocol.Call(number % 4, verb)).decode() for number, verb in enumerate(VERBS))


HELLO = values.dumps(protocol.Hello(protocol.VERSION, "fuzz"))


def dictionary() -> list[bytes]:
    return [
        bytes([1, number, place, odd]) for number in range(len(VERBS)) for place in (3, 5) for odd in (3, 9)
    ]


def seeds() -> Iterator[bytes]:
    plain = len(ODD)
    for number in range(len(VERBS)):
        for ends in (0, 1, 2, 0x11, 0x21):
            yield bytes([1, number, 255, plain, ends, 3, 2, 1, 9, 3, plain, 0, 3, 1])
        for odd in range(len(ODD)):
            yield bytes([1, number, 3 + odd % 7, odd, 2, 3, 1, 1, 9, 255, plain, 0])
    for kinds in (1, 2, 0x11):
        listen, accept, announce = (bytes([1, verb, 255, plain]) for verb in (4, 6, 7))
        steps = (
            listen + bytes([kinds]),
            b"\7",
            accept + b"\0",
            announce + b"\0",
            b"\7",
            accept + b"\0",
            b"\2",
        )
        yield b"\3\x50".join(steps)
    for record in (HELLO, b"", b"[1]", b'{"data":"x"}', b"[" * 200, values.dumps(protocol.Reply(1, None))):
        yield bytes([0, 0, len(record)]) + record
        yield bytes([4, 0, 0, len(record)]) + record


def run(data: bytes) -> int:
    trio.run(_serve, Controls(data), clock=trio.testing.MockClock(autojump_threshold=0))
    return len(data)


async def _serve(controls: Controls) -> None:
    """One client of a broker, and then none."""
    faults = Faults()
    log = logging.getLogger("esp32sock")
    level, propagates = log.level, log.propagate
    log.addHandler(faults)
    log.propagate = False
    network = MemoryNetwork(names={"example.test": "10.0.2.9"})
    network.listen(HOST, 7000, _echo)
    try:
        async with open_module(Settings(), network) as simulated:

            async def opener(url: str, baud: int) -> Port:
                return StreamPort(simulated.stream, "memory")

            engine = Engine(Options("memory"), opener)
            async with trio.open_nursery() as nursery:
                await nursery.start(engine.run)
                await engine.execute(basic.Test())
                before = descriptors()
                await _be_served(engine, controls, network)
                with trio.fail_after(GONE_S):
                    await engine.execute(basic.Test())
                for _ in range(int(GONE_S)):
                    if not engine.context.pool.pumps:
                        break
                    await trio.sleep(1)
                assert not engine.context.pool.pumps, "a link outlives the client that had it"
                left = descriptors() - before
                assert not left, f"descriptors are left: {left}"
                nursery.cancel_scope.cancel()
    finally:
        log.removeHandler(faults)
        log.setLevel(level)
        log.propagate = propagates
    assert not faults.said, faults.said


async def _be_served(engine: Engine, controls: Controls, network: MemoryNetwork) -> None:
    served = ServedModule("memory", engine)
    broker = Broker([served], Access())
    theirs, ours = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    theirs.setblocking(False)
    session = Session(ours, Peer(os.getpid(), 0, 0), frozenset(Right))
    client = Client(theirs, controls, network)
    over = trio.Event()

    async def serve() -> None:
        await session.run(broker._module)
        over.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        with closing(theirs):
            await client.play()
        client.close()
        with trio.move_on_after(GONE_S) as scope:
            await over.wait()
        assert not scope.cancelled_caught, "a session outlives its client"


class Client:
    """What it sends, and the ends that it keeps."""

    def __init__(self, sock: _socket.socket, controls: Controls, network: MemoryNetwork) -> None:
        self._sock = sock
        self._controls = controls
        self._network = network
        self._kept: list[int] = []

    async def play(self) -> None:
        controls = self._controls
        says_hello = True
        while not controls.is_over:
            match controls.byte() & 7:
                case 0:
                    await self._hello(says_hello)
                    await self._send(controls.take(controls.word() % 400), ())
                case 4:  # before it has said Hello, if nothing came before
                    await self._send(controls.take(controls.word() % 400), ())
                case 1 | 5 | 6:
                    await self._hello(says_hello)
                    record = changed(calls()[controls.byte() % len(calls())], controls)
                    await self._send(record, self._ends(controls.byte()))
                case 2:
                    while self._kept:
                        os.close(self._kept.pop())
                case 7:
                    self._network.connect(SERVER_PORT, _echo)
                    await trio.sleep(0.1)
                case _:
                    await trio.sleep(controls.byte() / 8)
                    self._read()
                    continue
            says_hello = False

    def close(self) -> None:
        for fd in self._kept:
            os.close(fd)

    async def _hello(self, wanted: bool) -> None:
        if wanted:
            await self._send(HELLO, ())

    async def _send(self, record: bytes, ends: tuple[int, ...]) -> None:
        rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, b"".join(fd.to_bytes(4, "little") for fd in ends))]
        with suppress(OSError):
            self._sock.sendmsg([record], rights if ends else [], _socket.MSG_NOSIGNAL)
        for fd in ends:
            os.close(fd)
        await trio.sleep(0.001)

    def _read(self) -> None:
        """Read what was answered; what came with it is closed, or kept."""
        with suppress(OSError):
            for _ in range(1000):
                received = records.receive(self._sock)
                if received is None:
                    return
                for end in received[1]:
                    self._kept.append(end.detach())

    def _ends(self, chosen: int) -> tuple[int, ...]:
        """Some descriptors to send: by the low bits how many, by the high ones of which kinds."""
        kinds = [(chosen >> 2) + number * (chosen >> 5) & 7 for number in range(chosen & 3)]
        return tuple(self._made(DESCRIPTORS[kind]) for kind in kinds)

    def _made(self, kind: str) -> int:
        """A descriptor of this kind; its other end is kept by the client."""
        match kind:
            case "pipe":
                one, other = os.pipe()
            case "null":
                return os.open(os.devnull, os.O_RDWR)
            case "inet":
                return _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM).detach()
            case "epoll":
                with select.epoll() as epoll:
                    return os.dup(epoll.fileno())
            case _:
                number = {"stream": _socket.SOCK_STREAM, "packets": _socket.SOCK_SEQPACKET}
                pair = _socket.socketpair(_socket.AF_UNIX, number.get(kind, _socket.SOCK_DGRAM))
                one, other = (end.detach() for end in pair)
        self._kept.append(other)
        return one


class Faults(logging.Handler):
    """What the broker and the engine call their own fault."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(logging.Formatter().format(record))


def changed(record: str, controls: Controls) -> bytes:
    """The record with one of its values, counted through it, replaced by an odd one, or as it was."""
    place, odd = controls.byte(), controls.byte()
    found: Any = json.loads(record)
    if odd < len(ODD):
        slots = list(_slots(found))
        holder, key = slots[place % len(slots)]
        holder[key] = ODD[odd]
    return json.dumps(found).encode("utf-8", "surrogatepass")


def _slots(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _slots(inner)


def descriptors() -> set[tuple[str, str]]:
    """What is open, and of which kind."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # that of the folder
            found.add((number, os.readlink(f"/proc/self/fd/{number}")))
    return found


async def _echo(connection: Connection) -> None:
    while data := await connection.receive():
        connection.send(data)
