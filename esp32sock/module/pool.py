"""Which link belongs to whom: five ids, given out so that a late word about an old link meets nobody new.

An id is free when the session says so and no pump holds it. The one that has been free longest is given
out first, from 4 downwards, since a server hands out ids from 0 upwards (at-dialects 7.9).
"""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING

import trio

from esp32sock.at.framing import LINKS
from esp32sock.at.state import LinkState
from esp32sock.errors import Error

if TYPE_CHECKING:
    from esp32sock.at.session import Session
    from esp32sock.module.pumps import StreamPump


class LinkPool:
    """The links of one dialogue and the pumps on them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._order = deque(reversed(range(LINKS)))
        self._taken: set[int] = set()
        self._changed = trio.Event()
        self.pumps: dict[int, StreamPump] = {}

    async def take(self, wait_s: float) -> int:
        """An id nobody has, waiting at most so long; Error(EMFILE) if there is none."""
        with trio.move_on_after(wait_s):
            while self._next_free() is None:
                self._changed = trio.Event()
                await self._changed.wait()
        link_id = self._next_free()
        if link_id is not None:
            self._taken.add(link_id)
            return link_id
        raise Error(
            f"all {LINKS} links of the module are in use; close a connection, or let the socket wait longer "
            "for one (wait_for_link)"
        ).means(errno.EMFILE)

    def give_back(self, pump: StreamPump) -> None:
        """Its pump is done with it; it is given out again once the module is, too. Idempotent."""
        link_id = pump.link_id
        if self.pumps.get(link_id) is not pump:
            return
        del self.pumps[link_id]
        self._taken.discard(link_id)
        self._order.remove(link_id)
        self._order.append(link_id)
        self.changed()

    def changed(self) -> None:
        """Some link may have become free."""
        self._changed.set()

    def _next_free(self) -> int | None:
        for link_id in self._order:
            if link_id not in self._taken and self._session.links[link_id].state is LinkState.FREE:
                return link_id
        return None
