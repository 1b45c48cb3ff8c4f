"""Looks at what the module holds for its passive links: one answer serves all of them.

An announcement can get lost, and does while something else goes on (known-bugs 11). So a look follows one
second after the last sign of life of any passive link, five seconds after the first, and the next ones ever
later if they find nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from esp32sock.at.commands.passive import UnreadBytes

if TYPE_CHECKING:
    from esp32sock.engine.channel import CommandChannel

FIRST_S, LAST_S = 1.0, 8.0
"""Between two looks: at first, and at most, twice as long each time; by taste."""
MOVING_S = 5.0
"""A link that never rests delays the look by no more than this: the loss may be another one's; by taste."""


class UnreadLooks:
    """The looks at one module."""

    def __init__(self) -> None:
        self._pause_s = FIRST_S
        self._next_at = 0.0
        self._moves_since = float("inf")
        """When something first moved since the last look."""
        self._held: dict[int, int] = {}
        self._under_way: trio.Event | None = None

    def came(self) -> None:
        """Something moved on a passive link: what is lost would be lost now."""
        now = trio.current_time()
        self._moves_since = min(self._moves_since, now)
        self._pause_s = FIRST_S
        self._next_at = min(now + FIRST_S, self._moves_since + MOVING_S)

    async def wait(self, announced: trio.Event) -> bool:
        """Wait for the announcement until the next look is due; whether it came."""
        while not announced.is_set() and trio.current_time() < self._next_at:
            with trio.move_on_at(self._next_at):
                await announced.wait()
        return announced.is_set()

    async def holds(self, channel: CommandChannel, link_id: int) -> bool:
        """Whether the module may hold something for a link, by a look that begins now or is under way."""
        if self._under_way is None:
            await self._look(channel)
        else:
            await self._under_way.wait()
        return self._held.get(link_id, 1) > 0  # a number that is not there may have been cut off

    async def _look(self, channel: CommandChannel) -> None:
        self._under_way = trio.Event()
        self._moves_since = float("inf")
        self._held = {}  # so that a look that fails leaves every link to look for itself
        try:
            self._held = await channel.execute(UnreadBytes(), in_background=True)
        finally:
            self._pause_s = min(2 * self._pause_s, LAST_S)
            self._next_at = trio.current_time() + self._pause_s
            self._under_way.set()
            self._under_way = None
