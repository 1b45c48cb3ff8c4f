"""What waits for a module that falls silent ends within what its docstring says."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import trio

from esp32sock.at.commands import basic
from esp32sock.errors import Error
from esp32sock.simulator import Settings
from tests.engine.harness import HOST, Harness, network, running, sink
from tests.engine.line_proxy import LineProxy
from tests.engine.test_listener import listen
from tests.engine.test_udp_link import open_udp

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio.testing import MockClock

    Verb = Callable[[Harness], Awaitable[object]]

CLOSE_S = 10.0
"""The default of `Options.close_s`."""


async def connect(harness: Harness) -> None:
    await harness.connect(7000)


async def connect_udp(harness: Harness) -> None:
    await open_udp(harness, (HOST, 7005))


async def resolve(harness: Harness) -> None:
    await harness.engine.resolve("example.test")


async def execute(harness: Harness) -> None:
    await harness.engine.execute(basic.Test())


async def begin_to_listen(harness: Harness) -> None:
    host = await listen(harness, 8080)
    assert host.error is not None
    raise host.error


async def send(harness: Harness) -> None:
    """On a stream that is open: what the pair does not hold waits for the module."""
    (user,) = harness.users[:1]
    with suppress(trio.BrokenResourceError):
        await user.end.send_all(bytes(100_000))
    await user.over.wait()
    assert user.error is not None
    raise user.error


async def close_one(harness: Harness) -> None:
    await harness.users[0].end.aclose()


BOUNDS: dict[Verb, float] = {
    connect: 20,
    connect_udp: 20,
    resolve: 25,
    execute: 20,
    begin_to_listen: 20,
    send: 20,
}
"""Seconds, as the docstrings say."""


@pytest.mark.parametrize("profile", ["2.0", "4.1"])
@pytest.mark.parametrize("late_s", [0.0, 6.0, 13.0, 40.0])
@pytest.mark.parametrize("verb", BOUNDS, ids=lambda verb: verb.__name__)
async def test_a_wait_ends(verb: Verb, late_s: float, profile: str, autojump_clock: MockClock) -> None:
    """The verb begins so long after the module fell silent, beside a stream that is open."""
    line = LineProxy()
    async with running(Settings(profile=profile), network(p7000=sink), line.opener) as harness:
        await harness.connect(7000)
        line.replies[b""] = None
        await trio.sleep(late_s)
        with trio.fail_after(BOUNDS[verb]), pytest.raises(Error):
            await verb(harness)
        line.replies.clear()
        await trio.sleep(30)


@pytest.mark.parametrize("profile", ["2.0", "4.1"])
async def test_delivery_at_the_end_is_bounded(profile: str, autojump_clock: MockClock) -> None:
    line = LineProxy()
    async with running(Settings(profile=profile), network(p7000=sink), line.opener) as harness:
        user = await harness.connect(7000)
        await user.end.send_all(bytes(3000))
        line.replies[b""] = None
        with trio.fail_after(CLOSE_S + 0.1):
            await harness.engine.drain()
        line.replies.clear()
        await trio.sleep(30)


class BusyUntilRestarted(LineProxy):
    """Is busy, once it is told to be, until AT+RST: that gets through (at-dialects 3.4)."""

    def __init__(self) -> None:
        super().__init__()
        self.restarted = trio.Event()

    async def send(self, data: bytes | memoryview) -> None:
        if bytes(data) == b"AT+RST\r\n":
            self.replies.clear()
            self.restarted.set()
        await super().send(data)


BUSY_FOR_EVER: dict[Verb, float] = {
    connect: 147,
    resolve: 53,
    execute: 17,
    begin_to_listen: 21,
    send: 33,
    close_one: 31,
}
"""Seconds until the module is known to be stuck and restarted: the time of the command, 15 s, and 1 s."""
WORKS_S = 4.0
"""From there on; the restart takes 2 s of it."""


@pytest.mark.parametrize("profile", ["2.0", "4.1"])
@pytest.mark.parametrize("verb", BUSY_FOR_EVER, ids=lambda verb: verb.__name__)
async def test_a_module_that_is_busy_for_ever_is_restarted(
    verb: Verb, profile: str, autojump_clock: MockClock
) -> None:
    """It may be at work, so that it is left alone for a while."""

    async def attempt() -> None:
        with suppress(Error):
            await verb(harness)

    line = BusyUntilRestarted()
    async with running(Settings(profile=profile), network(p7000=sink), line.opener) as harness:
        await harness.connect(7000)
        line.replies[b"AT"] = b"\r\nbusy p...\r\n"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(attempt)
            with trio.fail_after(BUSY_FOR_EVER[verb]):
                await line.restarted.wait()
            context = harness.engine.context
            with trio.fail_after(WORKS_S):
                await context.until(lambda: not context.is_ready)
                await context.until(lambda: context.is_ready)
                await (await harness.connect(7000)).end.aclose()
            nursery.cancel_scope.cancel()


async def test_a_datagram_socket_waits_for_the_network_after_a_restart(autojump_clock: MockClock) -> None:
    """The restart comes while it waits for its turn: it opens once the station has an address again."""
    async with running(Settings(profile="2.0")) as harness, trio.open_nursery() as nursery:
        users = []

        async def begin() -> None:
            users.append(await open_udp(harness, (HOST, 7005)))

        channel = harness.engine.context.channel
        async with channel.exclusive():
            nursery.start_soon(begin)
            await trio.sleep(0.5)
            await channel.force_restart()
        with trio.fail_after(10):
            while not users:  # noqa: ASYNC110
                await trio.sleep(0.1)
        assert harness.engine.station_ip == "10.0.2.15"
        await users[0].close()
