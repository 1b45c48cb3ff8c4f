"""Look-ups: what was found is used again, and a name without an answer does not hold the line for long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from esp32sock.at.commands import tcpip
from esp32sock.engine.name_cache import NameCache
from esp32sock.errors import CommandError
from esp32sock.simulator import Settings
from esp32sock.simulator.network.shaping import Name
from tests.engine.harness import echo, network, running

if TYPE_CHECKING:
    from trio.testing import MockClock


@pytest.mark.parametrize(
    ("dns_cache_s", "asked"), [(30.0, [1, 1, 1, 2]), (5.0, [1, 1, 2, 3]), (0, [1, 2, 3, 4])]
)
async def test_what_was_found_is_used_again_for_a_while(
    dns_cache_s: float, asked: list[int], autojump_clock: MockClock
) -> None:
    async with running(network=network(), dns_cache_s=dns_cache_s) as harness:
        session, lines = harness.engine.context.channel.session, 0
        send = session.send

        def count(command, now):  # type: ignore[no-untyped-def]
            nonlocal lines
            lines += isinstance(command, tcpip.Resolve)
            send(command, now)

        session.send = count  # type: ignore[method-assign]
        counts = []
        for wait_s in (4, 2, 30, 0):
            assert await harness.engine.resolve("example.test") == ["10.0.2.9"]
            counts.append(lines)
            await trio.sleep(wait_s)
        assert counts == asked
        for forget in (harness.engine._station.forget, harness.engine.context.names.forget_all):
            before = lines
            forget()
            async with harness.engine.context.channel.exclusive():
                await harness.engine._station.read_addresses(harness.engine.context.channel)
            await harness.engine.resolve("example.test")
            assert lines == before + 1


def test_the_cache_of_names_is_bounded() -> None:
    cache = NameCache(30)
    for number in range(1000):
        cache.put(f"n{number}.test", ["10.0.0.1"], 0.0)
    assert [cache.get(f"n{number}.test", 1.0) for number in (743, 744, 999)] == [None, *[["10.0.0.1"]] * 2]
    assert cache.get("N999.Test", 1.0) == ["10.0.0.1"]
    cache.put("none.test", [], 0.0)
    assert cache.get("none.test", 0.0) is None


@pytest.mark.parametrize(("profile", "at_most_s"), [("2.0", 40), ("4.1", 9), ("4.2", 9)])
async def test_a_name_without_an_answer_holds_the_line_no_longer_than_it_must(
    profile: str, at_most_s: float, autojump_clock: MockClock
) -> None:
    names = (Name("gone.test", None, 30.0),)
    async with running(Settings(profile=profile, names=names), network(p7000=echo)) as harness:
        started = trio.current_time()
        with pytest.raises(CommandError):
            await harness.engine.resolve("gone.test")
        assert trio.current_time() - started < at_most_s
