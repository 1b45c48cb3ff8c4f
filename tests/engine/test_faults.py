"""Firmware faults that the engine absorbs, each on the profiles that show it.

Sources: known-bugs, real-firmware.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest
import trio

from esp32sock.errors import Error
from esp32sock.simulator import Settings
from tests.engine.harness import echo, network, running, sink

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio.testing import MockClock

    from esp32sock.engine.transports import Port
    from esp32sock.simulator.network.memory import Connection
    from tests.engine.harness import Harness


class Line:
    """The serial line of a rig, where bytes of the host may be lost; and all that was written, and when."""

    def __init__(self, harness: Harness, lose: Callable[[bytes], bytes] = bytes) -> None:
        self.written: list[tuple[float, bytes]] = []
        self.lose = lose
        port = harness.engine.context.channel.port
        send = port.send

        async def send_what_is_not_lost(piece: bytes | memoryview) -> None:
            data = bytes(piece)
            self.written.append((trio.current_time(), data))
            if arrives := self.lose(data):
                await send(arrives)

        port.send = send_what_is_not_lost  # type: ignore[method-assign]


def deaf_to(port: Port, text: bytes) -> None:
    """From now on the host does not hear this, which must come in one piece."""
    receive = port.receive

    async def hear() -> bytes:
        while not (data := (await receive()).replace(text, b"")):
            pass
        return data

    port.receive = hear  # type: ignore[method-assign]


async def works(harness: Harness) -> None:
    """A new connection carries bytes both ways."""
    user = await harness.connect(7000, wait_for_link_s=30)
    await user.end.send_all(b"after all")
    received = b""
    while len(received) < 9:
        received += await user.end.receive_some(100)
    assert received == b"after all"
    await user.end.aclose()


# -- known-bugs 1: bytes of a payload are lost


@pytest.mark.parametrize("profile", ["1.0", "2.0", "2.4", "4.1", "4.2"])
async def test_a_missing_recv_is_cancelled_by_plus_signs_that_stand_alone(
    profile: str, autojump_clock: MockClock
) -> None:
    async with running(Settings(profile=profile), network(p7000=echo, p7004=sink)) as harness:
        user = await harness.connect(7004)
        line = Line(harness, lambda data: data[:-5] if len(data) == 1000 else data)
        await user.end.send_all(b"p" * 1000)
        await user.over.wait()
        assert user.error is not None
        assert user.error.errno == errno.EIO or user.error.errno == errno.ECONNRESET
        times = {data: when for when, data in line.written}
        assert times[b"+++"] - times[b"p" * 1000] >= 0.05
        before = line.written[[data for _, data in line.written].index(b"+++") - 1]
        assert times[b"+++"] - before[0] >= 0.05
        assert not [data for _, data in line.written if data.startswith(b"0")]  # nothing had to be fed
        await works(harness)
        assert harness.engine.stats()["restarts"] == 0


@pytest.mark.parametrize("profile", ["1.0", "2.0", "2.4", "4.1"])
async def test_what_plus_signs_do_not_cancel_is_fed_until_recv(
    profile: str, autojump_clock: MockClock
) -> None:
    """The `+++` is lost too, or counts as data: the rest is fed in small steps, and the socket is reset."""
    received = bytearray()

    async def peer(connection: Connection) -> None:
        while data := await connection.receive():
            received.extend(data)

    def lose(data: bytes) -> bytes:
        return {b"+++": b"", b"p" * 1000: b"p" * 400}.get(data, data)

    async with running(Settings(profile=profile), network(p7000=echo, p7004=peer)) as harness:
        user = await harness.connect(7004)
        line = Line(harness, lose)
        await user.end.send_all(b"p" * 1000)
        await user.over.wait()
        assert user.error is not None
        fed = [data for _, data in line.written if data.strip(b"0") == b""]
        assert 256 * 2 < sum(map(len, fed)) <= 1000
        assert max(map(len, fed)) <= 256
        line.lose = bytes
        await works(harness)
        assert harness.engine.stats()["restarts"] == 0


# -- a lone +++ is never sent as payload


@pytest.mark.parametrize("profile", ["1.0", "2.0", "2.4", "4.1", "4.2"])
@pytest.mark.parametrize(
    "pieces", [[b"+++"], [b"a+++"], [b"+", b"+", b"+"], [b"+" * 50], [b"x" * 2045 + b"+++"]]
)
async def test_plus_signs_of_a_program_arrive(
    profile: str, pieces: list[bytes], autojump_clock: MockClock
) -> None:
    async with running(Settings(profile=profile), network(p7000=echo)) as harness:
        user = await harness.connect(7000)
        line = Line(harness)
        for piece in pieces:
            await user.end.send_all(piece)
        received = b""
        while len(received) < len(b"".join(pieces)):
            received += await user.end.receive_some(65536)
        assert received == b"".join(pieces)
        payloads = [data for _, data in line.written if not data.startswith(b"AT")]
        assert not [data for data in payloads if data.endswith(b"+++")]
        await user.end.aclose()


# -- known-bugs 12: 2.0 stops receiving


@pytest.mark.parametrize("others", [0, 4], ids=["a free link", "five links"])
async def test_a_link_that_stopped_receiving_is_woken_also_with_five_links(
    others: int, autojump_clock: MockClock
) -> None:
    """By a UDP link of a moment; with all links taken, by a server of a moment."""

    async def both_ways(connection: Connection) -> None:
        await connection.receive()
        for number in range(200):
            connection.send(b"%07d\n" % number)
            await connection.sleep(0.002)
        while await connection.receive():
            pass

    net = network(p7000=both_ways, p7004=sink)
    async with running(Settings(profile="2.0", paced=True), net) as harness:
        idle = [await harness.connect(7004) for _ in range(others)]
        user = await harness.connect(7000)
        line = Line(harness)
        received = bytearray()

        async def read() -> None:
            while len(received) < 1600:
                received.extend(await user.end.receive_some(65536))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            for _ in range(40):
                await user.end.send_all(bytes(300))
        assert bytes(received) == b"".join(b"%07d\n" % number for number in range(200))
        cure = b"AT+CIPSERVER=1" if others else b',"UDP","127.0.0.1",9'
        assert [data for _, data in line.written if cure in data]
        for each in idle:
            await each.end.aclose()


# -- the wedge, and arguments that crash the module


async def test_no_second_cipstart_goes_to_an_open_link(autojump_clock: MockClock) -> None:
    """2.0 wedges on one. Ids are given out, taken back and given out again, ninety times, also at once."""
    async with running(Settings(profile="2.0"), network(p7000=echo)) as harness:
        line = Line(harness)

        async def one() -> None:
            for _ in range(10):
                await works(harness)

        async with trio.open_nursery() as nursery:
            for _ in range(9):
                nursery.start_soon(one)
        opened: set[bytes] = set()
        for _, data in line.written:
            link_id = data.partition(b"=")[2][:1]
            if data.startswith(b"AT+CIPSTART="):
                assert link_id not in opened
                opened.add(link_id)
            elif data.startswith(b"AT+CIPCLOSE="):
                opened.discard(link_id)
        assert harness.simulated.module.journal.links_opened == 90
        assert harness.engine.stats()["restarts"] == 0


@pytest.mark.parametrize("profile", ["1.0", "2.0"])
async def test_an_empty_host_name_is_never_sent(profile: str, autojump_clock: MockClock) -> None:
    """It would reset both firmwares; so would CIPCLOSE=-1 on 1.0, and a NUL makes that one deaf."""
    async with running(Settings(profile=profile), network(p7000=echo)) as harness:
        line = Line(harness)
        for name in ("", ".", "a\0b", "a\r\nAT+RST", "x" * 300):
            with pytest.raises((ValueError, Error)):
                await harness.engine.resolve(name)
            user = harness.begin(7000, host=name)
            await user.decided.wait()
            assert user.events == ["failed"]
        assert not [data for _, data in line.written if b'""' in data or b"\0" in data or len(data) > 256]
        await works(harness)
        assert harness.engine.stats()["restarts"] == 0


# -- late and missing CLOSED


@pytest.mark.parametrize("profile", ["2.0", "2.1", "2.4"])
async def test_a_late_closed_of_a_link_that_never_opened_hurts_nobody(
    profile: str, autojump_clock: MockClock
) -> None:
    """Known-bugs 6: `n,CLOSED` behind the ERROR of CIPSTART."""
    settings = Settings(profile=profile, faults="phantom-closed")
    async with running(settings, network(p7000=echo)) as harness:
        for _ in range(6):
            with pytest.raises(Error) as caught:
                await harness.connect(7999)
            assert caught.value.errno == errno.ECONNREFUSED
            await works(harness)


@pytest.mark.parametrize("profile", ["1.0", "2.0", "2.4", "4.1"])
async def test_a_closed_that_never_came_is_found_by_the_next_send(
    profile: str, autojump_clock: MockClock
) -> None:
    async with running(Settings(profile=profile), network(p7000=echo, p7002=hang_up)) as harness:
        deaf_to(harness.engine.context.channel.port, b"4,CLOSED\r\n")
        user = await harness.connect(7002)
        assert user.link_id == 4
        await user.end.send_all(b"x")
        await trio.sleep(1)
        assert user.events == ["opened"]
        await user.end.send_all(b"is anybody there")
        await user.over.wait()
        assert user.error is not None
        await works(harness)


async def hang_up(connection: Connection) -> None:
    await connection.receive()
    connection.close()
