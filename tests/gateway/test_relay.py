"""Two connections made one: every end and every error is passed on as what it is, in virtual time."""

from __future__ import annotations

import errno
import math
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from esp32sock.gateway.limits import Limits
from esp32sock.gateway.relay import Relay, RelayBrokenError
from tests.gateway.harness import LIMITS, pair, read_to_end, read_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio.testing import MockClock


class Relayed:
    """A relay, and the far ends of its two sides."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.near_client, self.client = pair()
        self.near_target, self.target = pair()
        self.relay = Relay(self.near_client, self.near_target, limits)
        self.error: OSError | None = None
        self.took_s = math.nan

    async def run(self, trailing: bytes = b"") -> None:
        began = trio.current_time()
        try:
            await self.relay.run(trailing)
        except RelayBrokenError as error:
            self.error = error
        self.took_s = trio.current_time() - began
        assert self.near_client.is_closed
        assert self.near_target.is_closed

    def assert_reset(self, code: int) -> None:
        assert self.error is not None
        assert self.error.errno == code
        assert self.near_client.was_reset
        assert self.near_target.was_reset

    def assert_clean(self) -> None:
        assert self.error is None
        assert not self.near_client.was_reset
        assert not self.near_target.was_reset


@contextmanager
def ended_by_test(*streams: trio.SocketStream) -> Iterator[None]:
    try:
        yield
    finally:
        for stream in streams:
            stream.socket.close()


async def test_bytes_and_ends_go_both_ways(autojump_clock: MockClock) -> None:
    relayed = Relayed()
    with ended_by_test(relayed.client, relayed.target):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(relayed.run, b"first ")
            await relayed.client.send_all(b"request")
            await relayed.client.send_eof()
            assert await read_to_end(relayed.target) == b"first request"
            await trio.sleep(20)
            await relayed.target.send_all(b"answer")
            await relayed.target.send_eof()
            assert await read_to_end(relayed.client) == b"answer"
        relayed.assert_clean()
    assert (relayed.relay.transfer.bytes_sent, relayed.relay.transfer.bytes_received) == (13, 6)


async def test_the_target_may_end_first(autojump_clock: MockClock) -> None:
    relayed = Relayed()
    with ended_by_test(relayed.client, relayed.target):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(relayed.run)
            await relayed.target.send_eof()
            assert await read_to_end(relayed.client) == b""
            await trio.sleep(LIMITS.half_close_s - 1)
            await relayed.client.send_all(b"late")
            await trio.sleep(LIMITS.half_close_s - 1)
            await relayed.client.send_all(b"r")
            await relayed.client.send_eof()
            assert await read_to_end(relayed.target) == b"later"
        relayed.assert_clean()


@pytest.mark.parametrize("who", ["client", "target"])
async def test_a_reset_of_one_side_resets_the_other(autojump_clock: MockClock, who: str) -> None:
    relayed = Relayed()
    with ended_by_test(relayed.client, relayed.target):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(relayed.run)
            await relayed.client.send_all(b"x")
            await read_until(relayed.target, b"x")
            near = relayed.near_client if who == "client" else relayed.near_target
            far = relayed.client if who == "client" else relayed.target
            await near.send_all(b"never read")
            far.socket.close()
        relayed.assert_reset(errno.ECONNRESET)


async def test_a_side_that_does_not_read_holds_the_other_one_back(autojump_clock: MockClock) -> None:
    relayed = Relayed()
    size = 1 << 20
    taken = 0

    async def send() -> None:
        nonlocal taken
        while taken < size:
            taken += await relayed.target.socket.send(bytes(min(4096, size - taken)))
        await relayed.target.send_eof()

    with ended_by_test(relayed.client, relayed.target):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(relayed.run)
            nursery.start_soon(send)
            await trio.testing.wait_all_tasks_blocked()
            before = taken
            await trio.sleep(1000)
            assert taken == before < size // 2
            await relayed.client.send_eof()
            assert len(await read_to_end(relayed.client)) == size
        relayed.assert_clean()


async def test_half_of_a_connection_is_not_kept_for_ever(autojump_clock: MockClock) -> None:
    relayed = Relayed()
    with ended_by_test(relayed.client, relayed.target):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(relayed.run)
            await relayed.client.send_eof()
            await trio.sleep(LIMITS.half_close_s - 1)
            await relayed.target.send_all(b"still there")
        relayed.assert_reset(errno.ETIMEDOUT)
    assert relayed.took_s == pytest.approx(2 * LIMITS.half_close_s - 1)


async def test_an_idle_connection_ends_where_that_is_asked_for(autojump_clock: MockClock) -> None:
    relayed = Relayed(Limits(idle_s=20))
    with ended_by_test(relayed.client, relayed.target):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(relayed.run)
            await trio.sleep(15)
            await relayed.target.send_all(b"x")
        relayed.assert_reset(errno.ETIMEDOUT)
    assert relayed.took_s == pytest.approx(35)


async def test_the_last_bytes_of_a_target_that_takes_no_more_arrive(autojump_clock: MockClock) -> None:
    """As a server that answers 413 and closes: the client, which goes on sending, reads the answer first."""
    relayed = Relayed()

    async def upload() -> None:
        with suppress(trio.BrokenResourceError):
            while True:
                await relayed.client.send_all(bytes(1000))
                await trio.sleep(0.1)

    with ended_by_test(relayed.client, relayed.target):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(relayed.run)
            await relayed.target.send_all(b"too large")
            relayed.target.socket.close()
            nursery.start_soon(upload)
            assert await read_to_end(relayed.client) == b"too large"
        relayed.assert_reset(errno.EPIPE)
    assert relayed.took_s == pytest.approx(LIMITS.linger_s, abs=0.5)


async def test_a_client_that_ends_then_is_not_waited_for(autojump_clock: MockClock) -> None:
    relayed = Relayed()
    with ended_by_test(relayed.client, relayed.target):
        relayed.target.socket.close()
        await relayed.client.send_all(b"lost")
        relayed.client.socket.close()
        await relayed.run()
        relayed.assert_reset(errno.EPIPE)
    assert relayed.took_s == 0


async def test_what_is_cut_is_reset(autojump_clock: MockClock) -> None:
    relayed = Relayed()
    with ended_by_test(relayed.client, relayed.target):
        with trio.move_on_after(5):
            await relayed.run()
        assert relayed.near_client.was_reset
        assert relayed.near_target.was_reset
