"""Links of 2.0 that stop receiving: an event is caused by position and by silence, for TCP and UDP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from esp32sock.at.commands.udp import OpenUdp
from esp32sock.simulator import Settings
from tests.engine.harness import HOST, echo, network, running, sink
from tests.engine.test_udp_link import open_udp

if TYPE_CHECKING:
    from trio.testing import MockClock

    from esp32sock.simulator.network.memory import Connection
    from tests.engine.harness import Harness


def events_caused(harness: Harness) -> list[float]:
    """When an event was caused, from now on."""
    session, times = harness.engine.context.channel.session, []
    send = session.send

    def note(command, now):  # type: ignore[no-untyped-def]
        if isinstance(command, OpenUdp) and command.remote[1] == 9:
            times.append(now)
        send(command, now)

    session.send = note  # type: ignore[method-assign]
    return times


def make_deaf(harness: Harness, link_id: int) -> None:
    """As the real firmware is after some sends, without any sign."""
    link = harness.simulated.module.firmware.links.get(link_id)
    assert link is not None
    link.stalled = True


@pytest.mark.parametrize("kind", ["tcp", "udp"])
@pytest.mark.parametrize("others", [0, 4])
async def test_a_link_that_went_deaf_without_a_sign_hears_again(
    kind: str, others: int, autojump_clock: MockClock
) -> None:
    net = network(p7000=echo, p7001=sink)
    net.answer_datagrams(HOST, 7005, lambda data: [data])
    async with running(Settings(profile="2.0"), net) as harness:
        idle = [await harness.connect(7001) for _ in range(others)]
        if kind == "tcp":
            user = await harness.connect(7000)
            for number in range(20):
                make_deaf(harness, user.link_id)
                await user.end.send_all(b"%d" % number)
                with trio.fail_after(1):
                    assert await user.end.receive_some(10) == b"%d" % number
            await user.end.aclose()
        else:
            udp = await open_udp(harness, (HOST, 7005))
            (link_id,) = set(harness.engine.context.pool.pumps) - {each.link_id for each in idle}
            for number in range(20):
                make_deaf(harness, link_id)
                await udp.send(b"%d" % number, 7005)
                with trio.fail_after(1):
                    assert (await udp.receive())[0] == b"%d" % number
            await udp.close()


async def test_a_link_that_sends_without_a_pause_hears_again(
    autojump_clock: MockClock,
) -> None:
    async def answer_late(connection: Connection) -> None:
        for _ in range(20):
            await connection.receive()
        connection.send(b"enough")
        await sink(connection)

    async with running(Settings(profile="2.0"), network(p7000=answer_late)) as harness:
        user = await harness.connect(7000)
        make_deaf(harness, user.link_id)
        heard = trio.Event()

        async def hear() -> None:
            assert await user.end.receive_some(10) == b"enough"
            heard.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hear)
            with trio.fail_after(5):
                while not heard.is_set():
                    await user.end.send_all(b"more")
                    await trio.sleep(0.1)


@pytest.mark.parametrize(("profile", "expected"), [("1.0", 0), ("2.0", 1), ("2.1", 0), ("4.1", 0)])
async def test_silence_behind_a_send_costs_one_event_on_2_0_alone(
    profile: str, expected: int, autojump_clock: MockClock
) -> None:
    net = network(p7000=sink)
    async with running(Settings(profile=profile), net) as harness:
        user = await harness.connect(7000)
        times = events_caused(harness)
        await user.end.send_all(b"request")
        await trio.sleep(60)
        assert len(times) == expected
        udp = await open_udp(harness, (HOST, 7005))
        await udp.send(b"nobody answers", 7005)
        await trio.sleep(60)
        assert len(times) == 2 * expected
        await udp.close()


async def test_answers_that_come_in_time_cost_nothing(autojump_clock: MockClock) -> None:
    async with running(Settings(profile="2.0"), network(p7000=echo)) as harness:
        user = await harness.connect(7000)
        times = events_caused(harness)
        for _ in range(50):
            await user.end.send_all(b"hello")
            assert await user.end.receive_some(10) == b"hello"
        assert len(times) <= 1


@pytest.mark.parametrize("after_s", [0.1, 0.29, 0.31, 0.35])
async def test_a_module_that_restarts_meanwhile_ends_the_links_alone(
    after_s: float, autojump_clock: MockClock
) -> None:
    net = network(p7000=sink)
    async with running(Settings(profile="2.0"), net) as harness:
        user = await harness.connect(7000)
        udp = await open_udp(harness, (HOST, 7005))
        await user.end.send_all(b"request")
        await udp.send(b"request", 7005)
        await trio.sleep(after_s)
        harness.simulated.module.firmware.crash()
        harness.look_at_the_network()
        await udp.over.wait()
        await user.over.wait()
        udp.end.close()
        await trio.sleep(30)
        again = await harness.connect(7000)
        await again.end.send_all(b"back")
        await trio.sleep(5)
        assert again.events == ["opened"]
