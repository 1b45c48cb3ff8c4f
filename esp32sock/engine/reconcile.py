"""Believed against shown: after a doubt the module is asked for all that the engine relies on.

Theory of operation: a doubt (an answer that was lost, a result that no command asked for, a line that cannot
be) is noted by the channel, and whatever gets the channel exclusively next runs the comparison first. It
begins with CIPMUX, whose answer cannot be mistaken and is 0 after a restart; then the links as the module
lists them, with kind, peer, port and side; then the addresses and the server. What is gone is reset with the
reason, what belongs to nothing here is closed, and a restart that was not seen is one large difference.
"""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING

from esp32sock.at.commands import servers, tcpip
from esp32sock.at.state import LinkState
from esp32sock.errors import CommandError, Error

if TYPE_CHECKING:
    from esp32sock.engine.channel import CommandChannel
    from esp32sock.engine.context import Context
    from esp32sock.engine.wifi import Station

log = logging.getLogger("esp32sock")


class Reconciler:
    """Compares one module with what the engine believes of it, and repairs the difference."""

    def __init__(self, context: Context, station: Station) -> None:
        self._context = context
        self._station = station

    async def compare(self, channel: CommandChannel, reason: str) -> None:
        """Ask, compare and repair; called with the channel held exclusively.

        A comparison that fails is repeated by the next one to hold the channel; an Error is not raised.
        """
        log.info("comparing with the module: %s", reason)
        self._context.counters.comparisons += 1
        if not await channel.execute_exclusive(tcpip.Multiplexed()) and channel.session.demux.mux:
            channel.missed_restart(f" unseen ({reason})")
            return
        listed = {link.link_id: link for link in await channel.execute_exclusive(tcpip.Links())}
        for link_id in range(len(channel.session.links)):
            await self._compare_link(channel, link_id, listed.get(link_id))
        await self._station.read_addresses(channel)
        await self._compare_server(channel)

    async def _compare_link(
        self, channel: CommandChannel, link_id: int, shown: tcpip.LinkStatus | None
    ) -> None:
        links = channel.session.links
        pump = self._context.pool.pumps.get(link_id)
        is_open = links[link_id].state is LinkState.OPEN or links.needs_confirmation(link_id)
        if shown is None:
            if is_open and self._is_listed_reliably(link_id):
                self._context.counters.repairs += 1
                links.down(link_id, _not_listed(link_id))
                channel.dispatch()
            return
        believed = self._context.pool.listed.get(link_id)
        if pump is not None and is_open and (believed is None or _is_same(believed, shown)):
            return
        self._context.counters.repairs += 1
        if pump is not None and is_open:
            pump.fail(_exchanged(link_id, shown))
        else:
            log.warning("link %d of the module belongs to nothing here and is closed", link_id)
        try:
            await channel.execute_exclusive(tcpip.Close(link_id))
        except CommandError as error:
            log.debug("%s", error)

    def _is_listed_reliably(self, link_id: int) -> bool:
        """Before 2.4 CIPSTATUS may leave out UDP links (known-bugs 16)."""
        if self._context.firmware.at_least(2, 4):
            return True
        believed = self._context.pool.listed.get(link_id)
        return believed is not None and believed.kind != "UDP"

    async def _compare_server(self, channel: CommandChannel) -> None:
        server = self._context.server
        if server is None or server.is_ending or not self._context.firmware.at_least(2, 2):
            return
        try:
            shown = await channel.execute_exclusive(servers.GetServer())
        except CommandError as error:
            log.debug("%s", error)
            return
        if shown is None or shown.port != server.port:
            self._context.counters.repairs += 1
            server.fail(Error("the module does not listen any more", errno=errno.ECONNRESET))


def _is_same(believed: tcpip.LinkStatus, shown: tcpip.LinkStatus) -> bool:
    """Whether it is the same connection; the peer of a UDP link may change (known-bugs 15)."""
    if believed.kind == shown.kind == "UDP":
        return True
    return believed == shown


def _not_listed(link_id: int) -> Error:
    return Error(f"the module does not list link {link_id} any more", errno=errno.ECONNRESET)


def _exchanged(link_id: int, shown: tcpip.LinkStatus) -> Error:
    host, port = shown.remote
    reason = f"the module has another connection on link {link_id}: {shown.kind} with {host}:{port}"
    return Error(reason, errno=errno.ECONNRESET)
