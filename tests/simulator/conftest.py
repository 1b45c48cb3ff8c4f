"""A simulated module driven by hand: no trio, no time but the one that a test lets pass."""

from __future__ import annotations

import itertools

import pytest

from esp32sock.simulator.device import Device
from esp32sock.simulator.environment.settings import Settings
from esp32sock.simulator.network.memory import MemoryNetwork

GATEWAY = "10.0.2.2"


async def echo(connection):
    while data := await connection.receive():
        connection.send(data)


async def greet(connection):
    connection.send(b"HELLO\r\n")
    await echo(connection)


async def send_5000(connection):
    connection.send(bytes(i % 26 + 65 for i in range(5000)))
    await connection.sleep(0.2)
    connection.close()


async def obey(connection):
    """The line-controlled server of the captures, as far as tests need it."""
    while data := await connection.receive():
        words = data.split()
        match words:
            case [b"send", count]:
                connection.send(bytes(i * 7 & 255 for i in range(int(count))))
            case [b"later", seconds]:
                await connection.sleep(float(seconds))
                connection.send(b"LATER")
            case [b"close"]:
                connection.close()
            case [b"rst"]:
                connection.reset()


async def sink(connection):
    while await connection.receive():
        pass


class Bench:
    """One module and the network of the captures. `say` writes and gives back what is said within a time."""

    def __init__(self, profile, *, network=None, observers=(), **settings):
        if network is None:
            network = MemoryNetwork(names={"host.test": GATEWAY})
            for port, peer in ((7000, echo), (7001, greet), (7002, send_5000), (7003, obey), (7004, sink)):
                network.listen(GATEWAY, port, peer)
            network.answer_datagrams(GATEWAY, 7005, lambda data: [data])
            network.unreachable("10.0.2.99")
        self.network = network
        self.module = Device(Settings(profile=profile, **settings), network, observers=observers)
        self.now = 0.0

    def passes(self, seconds):
        """Let time pass; what the module says meanwhile."""
        end = self.now + seconds
        said = []
        for _ in itertools.count():
            while data := self.module.take_output(self.now, 1 << 20):
                said.append(data)
            due = [t for t in (self.module.deadline(), self.module.output_deadline()) if t is not None]
            if not due or min(due) > end:
                break
            self.now = max(self.now, min(due))
            self.module.advance(self.now)
        self.now = end
        self.module.advance(end)
        said.append(self.module.take_output(end, 1 << 20))
        return b"".join(said)

    def writes(self, data):
        """The host writes, and no time passes."""
        self.module.host_wrote(data, self.now)

    def say(self, data, within=30.0):
        self.writes(data)
        return self.passes(within)

    def do(self, *lines):
        """Commands that must succeed, echo or not."""
        for line in lines:
            answer = self.say(line.encode() + b"\r\n")
            assert answer.rstrip(b" ").endswith((b"\r\nOK\r\n", b"\r\n>")), (line, answer)


@pytest.fixture
def power_on():
    """Make a `Bench`: a module of that profile, with echo on."""
    return Bench


@pytest.fixture
def quiet():
    """Make a `Bench` with echo off."""

    def make(profile, **settings):
        bench = Bench(profile, **settings)
        assert bench.say(b"ATE0\r\n").endswith(b"\r\nOK\r\n")
        return bench

    return make
