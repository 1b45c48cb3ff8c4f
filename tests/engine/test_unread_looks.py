"""Looks at what the module holds: one for all links, ever later while they find nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import trio

from esp32sock.at.commands.passive import UnreadBytes
from esp32sock.engine.unread_looks import UnreadLooks
from esp32sock.simulator import Settings
from tests.engine.harness import network, running, sink

if TYPE_CHECKING:
    import pytest
    from trio.testing import MockClock

    from esp32sock.engine.channel import CommandChannel

LINKS = range(5)


class Channel:
    """Answers a look after a second with what it holds."""

    def __init__(self, held: dict[int, int] | None = None) -> None:
        self.held = held or dict.fromkeys(LINKS, 0)
        self.looked_at: list[float] = []

    async def execute(self, command: UnreadBytes, *, in_background: bool) -> dict[int, int]:
        assert in_background
        self.looked_at.append(trio.current_time())
        await trio.sleep(0.1)
        return self.held


async def until_there(looks: UnreadLooks, channel: Channel, link_id: int, found: list[int]) -> None:
    announced = trio.Event()
    while not await looks.wait(announced):
        if await looks.holds(cast("CommandChannel", channel), link_id):
            break
    found.append(link_id)


async def test_one_look_serves_all_links_ever_later(autojump_clock: MockClock) -> None:
    looks, channel, found = UnreadLooks(), Channel(), []
    looks.came()
    async with trio.open_nursery() as nursery:
        for link_id in LINKS:
            nursery.start_soon(until_there, looks, channel, link_id, found)
        await trio.sleep(40)
        channel.held = {0: 0, 1: 7, 2: 0, 3: 0}  # the number of link 4 was cut off
        await trio.sleep(8.2)
        nursery.cancel_scope.cancel()
    assert sorted(found) == [1, 4]
    pauses = [
        later - earlier for earlier, later in zip(channel.looked_at, channel.looked_at[1:], strict=False)
    ]
    assert [round(pause, 1) for pause in pauses[:5]] == [2.1, 4.1, 8.1, 8.1, 8.1]


async def test_a_sign_of_life_brings_the_next_look_near(autojump_clock: MockClock) -> None:
    looks, channel = UnreadLooks(), Channel()
    looks.came()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(until_there, looks, channel, 0, [])
        await trio.sleep(20)
        looks.came()
        moved_at = trio.current_time()
        channel.looked_at.clear()
        await trio.sleep(30)
        nursery.cancel_scope.cancel()
    assert channel.looked_at[0] - moved_at < 8.2
    assert [round(at - channel.looked_at[0], 1) for at in channel.looked_at[1:3]] == [2.1, 6.2]


async def test_five_idle_passive_links_cost_few_exchanges(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[float] = []
    line = UnreadBytes.line
    monkeypatch.setattr(
        UnreadBytes,
        "line",
        lambda self, firmware: (looked.append(trio.current_time()), line(self, firmware))[1],
    )
    peers = {f"p700{number}": sink for number in LINKS}
    async with running(Settings(profile="4.1"), network(**peers)) as harness:
        for number in LINKS:
            await harness.connect(7000 + number)
        await trio.sleep(120)
    assert len(looked) <= 18
