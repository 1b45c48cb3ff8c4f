"""The link table: what is open, by id and by handle.

A link has an id (0 to 4), which is reused, and a handle, which never is. A link is in the table from the
moment the network has opened it; until it has been announced to the host, nothing received on it is
printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.link import LINK_COUNT, Link

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.board import Board

SSL_LINK_BYTES = 45_000
"""What an SSL link takes of the heap: 25 to 40 kB and more (at-dialects 7.4; chosen by taste)."""


class LinkTable:
    """All open links, and the ids of those that are being opened."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._links: list[Link | None] = [None] * LINK_COUNT
        self._by_handle: dict[int, Link] = {}
        self.opening: dict[int, int] = {}
        """Link ids that are being opened, by handle: the server may not give them away."""

    def get(self, link_id: int) -> Link | None:
        return self._links[link_id] if 0 <= link_id < LINK_COUNT else None

    def by_handle(self, handle: int) -> Link | None:
        return self._by_handle.get(handle)

    def all(self) -> list[Link]:
        return [link for link in self._links if link is not None]

    def accepted(self) -> list[Link]:
        return [link for link in self.all() if link.accepted]

    def holds(self, link: Link) -> bool:
        """Whether this very link is still open."""
        return self._links[link.link_id] is link

    def lowest_free(self) -> int | None:
        taken = set(self.opening.values())
        return next((n for n, link in enumerate(self._links) if link is None and n not in taken), None)

    def label(self, link_id: int) -> str:
        """What stands before CONNECT, CLOSED and the length of `+IPD`."""
        return f"{link_id}," if self._board.state.mux else ""

    def is_passive(self, link: Link) -> bool:
        """Whether passive receive holds for this link."""
        return self._board.state.passive or link.passive

    def heap_bytes(self) -> int:
        """What the links take of the memory that AT+SYSRAM shows."""
        return SSL_LINK_BYTES * sum(link.is_secure for link in self.all())

    def add(self, link: Link) -> None:
        self._links[link.link_id] = link
        self._by_handle[link.handle] = link

    def remove(self, link: Link) -> None:
        self._links[link.link_id] = None
        self._by_handle.pop(link.handle, None)
