"""Which link belongs to which pump: five ids, given out so that late events of an old link reach no new one.

An id is free when the session says so and no pump holds it. The one that has been free longest is given
out first, from 4 downwards, since a server hands out ids from 0 upwards (at-dialects 7.9). While there is
one, the lowest free ids are left to it, as many as it may still accept: an older link may hold a low one.
"""

from __future__ import annotations

import errno
import logging
import math
from collections import deque
from typing import TYPE_CHECKING, Protocol, Self

import trio

from esp32sock.at.framing import LINKS
from esp32sock.at.state import LinkState
from esp32sock.engine.link_use import LinkUse
from esp32sock.errors import Error

if TYPE_CHECKING:
    from esp32sock.at.commands.tcpip import LinkStatus
    from esp32sock.at.framing import Demux
    from esp32sock.at.session import Session

log = logging.getLogger(__name__)

MIN_FREE_BESIDE_A_SERVER = 2
"""Where the server may take any id, CIPSTART must not race it for the last one (known-bugs 13)."""


class Pump(Protocol):
    """What carries the bytes of one link; `tcp_pump.py` has that of streams, `udp_link.py` that of UDP."""

    @property
    def link_id(self) -> int: ...
    @property
    def unread_bytes(self) -> int: ...
    @property
    def sent_bytes(self) -> int: ...
    @property
    def received_bytes(self) -> int: ...
    @property
    def idle_since(self) -> float:
        """When a byte moved last; infinity where that is no reason to end it."""

    @property
    def running(self) -> bool:
        """Whether its bytes are counted here, not yet by the module."""

    def collect(self, demux: Demux) -> None:
        """Take what lies in the demultiplexer for its link."""

    def announce(self) -> None:
        """Passive receive: the module holds something for its link."""

    def peer_closed(self) -> None: ...
    def fail(self, error: Error) -> None: ...
    def finish(self) -> None:
        """Deliver what the application has sent, then end."""


class LoopbackEnd(Pump, Protocol):
    """A pump whose link may lead to the module itself."""

    def pair(self, peer: Self) -> None:
        """The link of `peer` is the other end."""


class LinkPool:
    """The links of one channel and the pumps on them."""

    def __init__(self, session: Session, reclaim_idle_s: float | None = None) -> None:
        self._session = session
        self._reclaim_idle_s = reclaim_idle_s
        self._reclaimed: Pump | None = None
        self._uses: dict[int, LinkUse] = {}
        self._server_links: int | None = 0
        self.server_port: int | None = None
        self._order = deque(reversed(range(LINKS)))
        self._taken: set[int] = set()
        self._accepted: set[int] = set()
        self._changed = trio.Event()
        self.pumps: dict[int, Pump] = {}
        self._own_ports: dict[int, LoopbackEnd] = {}
        self.secure: set[int] = set()
        """The SSL links among them."""
        self.listed: dict[int, LinkStatus] = {}
        """Open links as the module listed them when they were new."""

    async def take(self, wait_s: float, *, secure: bool = False) -> int:
        """Take a free id for a TCP or an SSL link; Error(EMFILE) if none becomes free within `wait_s`.

        With `reclaim_idle_s` the stream on which nothing moved for longest, and for so long, ends meanwhile.
        """
        alone = secure and self._session.firmware.one_ssl_link
        with trio.move_on_after(wait_s):
            while self._next_free() is None or (alone and self.secure):
                with trio.move_on_at(self._reclaim()):
                    await self._changed.wait()
        if alone and self.secure:
            raise Error(
                f"{self._session.firmware.release} has one SSL link at a time, now link {min(self.secure)}: "
                "close that connection first, or let the socket wait longer (interface.wait_for_link_s)",
                errno=errno.EMFILE,
            )
        link_id = self._next_free()
        if link_id is not None:
            self._taken.add(link_id)
            if secure:
                self.secure.add(link_id)
            return link_id
        kept = "" if self._server_links == 0 else ", or kept for connections to its server (server_links)"
        uses = "; ".join(f"{link_id}: {use}" for link_id, use in sorted(self._uses.items()))
        raise Error(
            f"all {LINKS} links of the module are in use{kept} ({uses}); close a connection, let the socket "
            "wait longer for one (interface.wait_for_link_s), or let idle ones go (reclaim_idle_s)",
            errno=errno.EMFILE,
        )

    def _reclaim(self) -> float:
        """End the stream that has been idle long enough, one at a time; when there may be one to end."""
        if self._reclaim_idle_s is None or self._reclaimed in self.pumps.values():
            return math.inf
        open_ = [pump for pump in self.pumps.values() if pump.running]
        idle = min(open_, key=lambda pump: pump.idle_since, default=None)
        if idle is None:
            return math.inf
        due = idle.idle_since + self._reclaim_idle_s
        if due <= trio.current_time():
            log.info("link %d gives way: nothing moved on it for %g s", idle.link_id, self._reclaim_idle_s)
            self._reclaimed = idle
            idle.peer_closed()
            return math.inf
        return due if due < math.inf else trio.current_time() + self._reclaim_idle_s

    def use(self, pump: Pump, peer: str) -> None:
        """This pump has the link that was taken for it, to this peer."""
        self.pumps[pump.link_id] = pump
        self._uses[pump.link_id] = LinkUse(peer)

    @property
    def has_free_link(self) -> bool:
        """Whether `take` would not wait. May be asked from any thread."""
        return self._next_free() is not None

    async def server_has_room(self, wait_s: float) -> None:
        """Until the module's server may accept one more, at most so long: it refuses without a word."""
        with trio.move_on_after(wait_s):
            while self.is_server_full:
                await self._changed.wait()

    @property
    def spare(self) -> int | None:
        """The highest free id, away from the server's, for use while holding the channel; None without."""
        free = [n for n in range(LINKS) if n not in self._taken and self._is_free(n)]
        return max(free, default=None)

    def _is_free(self, link_id: int) -> bool:
        record = self._session.links[link_id]
        return record.state is LinkState.FREE and not record.is_unsettled

    def adopt(self, pump: Pump, peer: str) -> None:
        """The module opened this link itself: an accepted connection."""
        self._taken.add(pump.link_id)
        self._accepted.add(pump.link_id)
        self.use(pump, peer)

    @property
    def is_server_full(self) -> bool:
        """Whether the module's server has all the connections that it may accept."""
        return self._server_links is not None and self._server_links <= len(self._accepted)

    def was_accepted(self, pump: Pump) -> bool:
        """Whether its link came by the module's server."""
        return self.pumps.get(pump.link_id) is pump and pump.link_id in self._accepted

    def pair_loopback(self, port: int, pump: LoopbackEnd) -> None:
        """The module connects to itself from this port: one of two ends, paired when the second comes."""
        peer = self._own_ports.pop(port, None)
        if peer is None:
            self._own_ports[port] = pump
        else:
            pump.pair(peer)

    def reserve_for_server(self, links: int | None) -> None:
        """Leave the ids below `links` to the module's server; None: it may take any, so be careful."""
        self._server_links = links
        self.changed()

    def release(self, pump: Pump) -> None:
        """Its pump is done with it; it is given out again once the module is, too. Idempotent."""
        link_id = pump.link_id
        if self.pumps.get(link_id) is not pump:
            return
        del self.pumps[link_id]
        self._uses.pop(link_id, None)
        self._own_ports = {port: each for port, each in self._own_ports.items() if each is not pump}
        self._taken.discard(link_id)
        self._accepted.discard(link_id)
        self.secure.discard(link_id)
        self.listed.pop(link_id, None)
        self._order.remove(link_id)
        self._order.append(link_id)
        self.changed()

    async def wait_released(self, pump: Pump) -> None:
        """Until this pump has no link any more."""
        while self.pumps.get(pump.link_id) is pump:
            await self._changed.wait()

    def changed(self) -> None:
        """Some link may have become free."""
        self._changed.set()
        self._changed = trio.Event()

    def _next_free(self) -> int | None:
        free = [n for n in tuple(self._order) if n not in self._taken and self._is_free(n)]
        if self._server_links is None:
            return max(free) if len(free) >= MIN_FREE_BESIDE_A_SERVER else None
        servers = sorted(free)[: max(0, self._server_links - len(self._accepted))]
        return next((link_id for link_id in free if link_id not in servers), None)
