"""Passthrough as a stream: whole both ways whatever is in it, and the module as it was afterwards."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio

from esp32sock.at.commands import tcpip, transparent
from esp32sock.errors import CommandError, Error
from esp32sock.module.passthrough import Passthrough, passthrough
from esp32sock.module.ports import StreamPort
from esp32sock.module.talk import Talk, talking
from esp32sock.simulator import Settings, open_module
from tests.module.rig import HOST, echo, network

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from esp32sock.module.ports import Port

PROFILES = ["0.10", "1.0", "1.2", "2.0", "2.1", "2.2", "2.4", "3.4", "4.1", "4.2"]


@asynccontextmanager
async def talk(profile: str = "2.4") -> AsyncIterator[Talk]:
    async with open_module(Settings(profile=profile), network(p7000=echo, p7001=greet)) as simulated:

        async def opener(url: str, baud: int) -> Port:
            return StreamPort(simulated.stream, url)

        async with talking("memory", 115200, opener=opener) as one:
            yield one


async def greet(connection: object) -> None:
    connection.send(b"220 ready\r\n")  # type: ignore[attr-defined]
    await echo(connection)  # type: ignore[arg-type]


async def exactly(stream: Passthrough, count: int) -> bytes:
    received = b""
    with trio.fail_after(600):
        while len(received) < count:
            received += await stream.receive()
    return received


async def echoed(stream: Passthrough, pieces: list[tuple[float, bytes]]) -> None:
    """Send each piece after its pause; all of it comes back."""
    sent = b"".join(piece for _, piece in pieces)
    received: list[bytes] = []

    async def receive() -> None:
        received.append(await exactly(stream, len(sent)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        for pause_s, piece in pieces:
            await trio.sleep(pause_s)
            await stream.send(piece)
    assert received == [sent]


@pytest.mark.parametrize("profile", PROFILES)
async def test_there_and_back(profile: str, autojump_clock: trio.testing.MockClock) -> None:
    async with talk(profile) as one:
        async with passthrough(one, HOST, 7000) as stream:
            await echoed(stream, [(0, b"hello"), (1, b"+++"), (1, b"\r\nOK\r\n+IPD,0,5:\x00\xff")])
        assert await one.execute(transparent.Passthrough()) is False
        assert await one.execute(tcpip.Links()) == []
        assert await one.execute(tcpip.Multiplexed()) is False


async def test_several_links_are_allowed_again_afterwards(autojump_clock: trio.testing.MockClock) -> None:
    async with talk() as one:
        await one.execute(tcpip.SetMultiplexed(on=True))
        async with passthrough(one, HOST, 7000) as stream:
            await echoed(stream, [(0, b"hello")])
        assert await one.execute(tcpip.Multiplexed()) is True


PLUSES: dict[str, Callable[[random.Random], tuple[float, bytes]]] = {
    "three after a silence": lambda chance: (0.02 + chance.random() / 10, b"+++"),
    "runs of any length, after any pause": lambda chance: (
        chance.choice([0, 0, 0.001, 0.006, 0.02, 0.05]),
        b"+" * chance.randint(1, 7),
    ),
    "one by one": lambda chance: (chance.choice([0, 0.004, 0.019, 0.021]), b"+"),
    "at the end of a piece": lambda chance: (
        chance.choice([0, 0.03]),
        b"abc" * chance.randint(0, 3) + b"+++",
    ),
}


@pytest.mark.parametrize("kind", PLUSES)
async def test_pluses_are_payload(kind: str, autojump_clock: trio.testing.MockClock) -> None:
    chance = random.Random(kind)
    async with talk() as one, passthrough(one, HOST, 7000) as stream:
        await echoed(stream, [PLUSES[kind](chance) for _ in range(300)])


async def test_a_megabyte_with_pluses_at_every_20_ms(autojump_clock: trio.testing.MockClock) -> None:
    chance = random.Random(1)
    pieces = []
    for _ in range(500):
        pieces += [(0.0, chance.randbytes(2100)), (0.02, b"+++"), (0.02, b"+++tail")]
    assert sum(len(piece) for _, piece in pieces) > 1_000_000
    async with talk() as one, passthrough(one, HOST, 7000) as stream:
        await echoed(stream, pieces)


async def test_udp(autojump_clock: trio.testing.MockClock) -> None:
    net = network()
    net.answer_datagrams(HOST, 7005, lambda data: [data])
    async with open_module(Settings(), net) as simulated:

        async def opener(url: str, baud: int) -> Port:
            return StreamPort(simulated.stream, url)

        async with (
            talking("memory", 115200, opener=opener) as one,
            passthrough(one, HOST, 7005, "UDP") as stream,
        ):
            await echoed(stream, [(0, b"hello"), (0.1, b"+++")])


async def test_a_host_that_refuses(autojump_clock: trio.testing.MockClock) -> None:
    async with talk() as one:
        await one.execute(tcpip.SetMultiplexed(on=True))
        with pytest.raises(CommandError):
            async with passthrough(one, HOST, 1):
                pytest.fail("nobody is there")
        assert await one.execute(tcpip.Multiplexed()) is True


async def test_what_others_have_open_is_not_touched(autojump_clock: trio.testing.MockClock) -> None:
    async with talk() as one:
        await one.execute(tcpip.OpenTcp(None, HOST, 7000))
        with pytest.raises(Error, match="links open"):
            async with passthrough(one, HOST, 7000):
                pytest.fail("the link is somebody's")
        assert len(await one.execute(tcpip.Links())) == 1


async def test_an_interrupt_leaves_the_mode(autojump_clock: trio.testing.MockClock) -> None:
    async with talk() as one:
        with trio.move_on_after(5):
            async with passthrough(one, HOST, 7000) as stream:
                await stream.receive()
        assert await one.execute(transparent.Passthrough()) is False
