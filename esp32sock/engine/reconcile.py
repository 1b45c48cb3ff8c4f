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
from dataclasses import replace
from typing import TYPE_CHECKING

from esp32sock._address_text import address_text
from esp32sock.at.commands import servers, tcpip
from esp32sock.at.framing import LINKS, STREAM
from esp32sock.at.kinds import without_family
from esp32sock.at.state import LinkState
from esp32sock.at.urcs import LinkUp
from esp32sock.errors import CommandError, Error

if TYPE_CHECKING:
    from collections.abc import Container

    from esp32sock.engine.channel import CommandChannel
    from esp32sock.engine.context import Context
    from esp32sock.engine.wifi import Station

STREAMS = {"TCP", "SSL"}

log = logging.getLogger("esp32sock")


class Reconciler:
    """Compares one module with the engine's state of it, and repairs the difference."""

    def __init__(self, context: Context, station: Station) -> None:
        self._context = context
        self._station = station

    async def compare(self, channel: CommandChannel, reason: str) -> None:
        """Ask, compare and repair; called with the channel held exclusively.

        CommandError when the module refuses or does not answer part of it: it must be compared again.
        """
        log.info("comparing with the module: %s", reason)
        self._context.counters.comparisons += 1
        if await self._restarted(channel, reason):
            return
        await self._compare_peer_info(channel)
        await self._compare_links(channel)
        await self._station.read_addresses(channel)
        await self._compare_server(channel)

    async def look(self, channel: CommandChannel) -> None:
        """Compare what costs little and no event is sure to report: a restart, the links and the server."""
        async with channel.exclusive():
            if not await self._restarted(channel, "a heartbeat shows it"):
                await self._compare_links(channel)
                await self._compare_server(channel)

    @property
    def _lists_datagram_links(self) -> bool:
        """Before 2.4 CIPSTATUS may leave out UDP links (known-bugs 16)."""
        return self._context.firmware.at_least(2, 4)

    async def _restarted(self, channel: CommandChannel, reason: str) -> bool:
        """Whether CIPMUX, which is 0 after a restart, shows one that was not seen; it is handled then."""
        if await channel.execute_exclusive(tcpip.Multiplexed()) or not channel.session.demux.mux:
            return False
        channel.missed_restart(f" unseen ({reason})")
        return True

    async def _compare_peer_info(self, channel: CommandChannel) -> None:
        """Whether payload is announced with its sender: what CIPRECVDATA answers is read by that."""
        believed = channel.session.demux.recvdata_has_peer
        try:
            shown = await channel.execute_exclusive(tcpip.ShowsPeer())
        except CommandError as error:
            log.debug("%s", error)
            shown = not believed
        if shown is not believed:
            await channel.execute_exclusive(tcpip.ShowPeer(on=believed))

    async def _compare_links(self, channel: CommandChannel) -> None:
        """Only those that nothing happens to meanwhile: of others the list says what was."""
        before = [_seen(channel, link_id) for link_id in range(LINKS)]
        listed = await _listed(channel)
        if any(self._should_be_listed(channel, link_id) for link_id in set(range(LINKS)) - set(listed)):
            listed |= await _listed(channel)  # a line may have been damaged: a link is not given up for that
        for link_id in range(LINKS):
            if _seen(channel, link_id) == before[link_id]:
                await self._compare_link(channel, link_id, listed.get(link_id))

    async def _compare_link(
        self, channel: CommandChannel, link_id: int, shown: tcpip.LinkStatus | None
    ) -> None:
        links = channel.session.links
        pump = self._context.pool.pumps.get(link_id)
        is_open = _may_be_open(channel, link_id)
        if shown is None:
            if self._should_be_listed(channel, link_id):
                self._context.counters.repairs += 1
                links.down(link_id, _not_listed(link_id))
                channel.dispatch()
                await self._settle_unlisted(channel, link_id)
            elif links[link_id].is_unsettled:
                await self._settle_unlisted(channel, link_id)
            return
        believed = self._context.pool.listed.get(link_id)
        if pump is not None and is_open and (believed is None or _is_same(believed, shown)):
            return
        self._context.counters.repairs += 1
        if self._is_client(shown) and links.adopt(_link_up(shown)):
            channel.dispatch()
            return
        if pump is not None and is_open:
            pump.fail(_exchanged(link_id, shown))
        else:
            log.warning("link %d of the module belongs to nothing here and is closed", link_id)
        await channel.execute_exclusive(tcpip.Close(link_id))  # an ERROR: compared once more

    async def _settle_unlisted(self, channel: CommandChannel, link_id: int) -> None:
        """A link that is not listed may be open all the same: closed once more, it is not."""
        try:
            await channel.execute_exclusive(tcpip.Close(link_id))
        except CommandError as error:
            if error.result != "ERROR":
                raise
        channel.session.links.settle(link_id)
        self._context.pool.changed()

    def _is_client(self, shown: tcpip.LinkStatus) -> bool:
        """Whether it is a connection that the server accepted, and there is one."""
        server = self._context.server
        return server is not None and not server.is_ending and shown.accepted

    def _should_be_listed(self, channel: CommandChannel, link_id: int) -> bool:
        """Whether it is open here and of a kind that the list does not leave out."""
        is_told = self._lists_datagram_links or channel.session.links[link_id].sink == STREAM
        return is_told and _may_be_open(channel, link_id)

    async def _compare_server(self, channel: CommandChannel) -> None:
        server = self._context.server
        if server is None or server.is_ending or not self._context.firmware.at_least(2, 2):
            return
        try:
            shown = await channel.execute_exclusive(servers.GetServer())
        except CommandError as error:
            log.debug("%s", error)
            return
        if shown is None or (shown.port, shown.is_ipv6) != (server.port, server.is_ipv6):
            self._context.counters.repairs += 1
            if shown is not None:  # a module that listens does not change its port
                await channel.execute_exclusive(servers.StopListening())
            server.fail(Error("the module does not listen any more", errno=errno.ECONNRESET))


def expect_listed(context: Context, link_id: int, listed: Container[int] | None) -> None:
    """A stream is open here, and the module was asked for its links: if it has none such, compare soon."""
    channel = context.channel
    if listed is None or link_id in listed or channel.session.links[link_id].state is not LinkState.OPEN:
        return
    channel.comparison.need(f"it does not list link {link_id}, which is new")
    context.tasks.spawn(channel.settle)


async def _listed(channel: CommandChannel) -> dict[int, tcpip.LinkStatus]:
    return {link.link_id: link for link in await channel.execute_exclusive(tcpip.Links())}


def _seen(channel: CommandChannel, link_id: int) -> tuple[LinkState, int, int]:
    """What changes whenever the link opens or closes."""
    record = channel.session.links[link_id]
    return record.state, record.generation, record.ends


def _may_be_open(channel: CommandChannel, link_id: int) -> bool:
    """Whether it is open here, or was opened without a word that says so."""
    links = channel.session.links
    return links[link_id].state is LinkState.OPEN or links.needs_confirmation(link_id)


def _is_same(believed: tcpip.LinkStatus, shown: tcpip.LinkStatus) -> bool:
    """Whether it is the same connection; the peer of a UDP link may change (known-bugs 15)."""
    if believed.kind == shown.kind and without_family(shown.kind) == "UDP":
        return True
    if shown.remote[0].is_unspecified:  # 1.0 forgets the peers of accepted links at CIPSERVER=0 (observed)
        shown = replace(shown, remote=believed.remote)
    if {without_family(believed.kind), without_family(shown.kind)} <= STREAMS:  # the list may show SSL as TCP
        shown = replace(shown, kind=believed.kind)
    return believed == shown


def _link_up(shown: tcpip.LinkStatus) -> LinkUp:
    host, port = shown.remote
    return LinkUp(shown.link_id, shown.accepted, (str(host), port), shown.local_port)


def _not_listed(link_id: int) -> Error:
    return Error(f"the module does not list link {link_id} any more", errno=errno.ECONNRESET)


def _exchanged(link_id: int, shown: tcpip.LinkStatus) -> Error:
    host, port = shown.remote
    reason = (
        f"the module has another connection on link {link_id}: {shown.kind} with {address_text(host, port)}"
    )
    return Error(reason, errno=errno.ECONNRESET)
