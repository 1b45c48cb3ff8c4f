"""UDP: one link joined to one end of a SOCK_SEQPACKET pair, a message a datagram.

Each message is an address header and a payload; towards the module the header says where to, from it where
from. A link receives from one peer (mode 0 of CIPSTART) or any (mode 2); the latter always sends with an
explicit address, because the module would follow the last sender (known-bugs 15). What other hosts send to
the port of a link with one peer comes too (observed); so CIPDINFO has every header name its sender, and it is
dropped here. Datagrams are never merged or cut; those for which neither the pair nor the queue has room are
dropped and counted, as a kernel does.
"""

from __future__ import annotations

import errno
import logging
import math
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

import trio

from esp32sock._address_text import address_text
from esp32sock._constants import DATAGRAM_HEADER, ESCAPE_SEQUENCE
from esp32sock._hangup import hung_up
from esp32sock.at.commands import tcpip
from esp32sock.at.commands.sendex import SendMarked
from esp32sock.at.commands.udp import ANY_PEER, ANY_PEER_V6, OpenUdp, PeerMode
from esp32sock.at.framing import MAX_DATAGRAM_BYTES, datagram_chunk
from esp32sock.at.state import LinkState
from esp32sock.engine.context import ANY_V6, is_ipv6
from esp32sock.engine.datagram_peers import canonical_ipv6, packed_peer, unpacked_peer
from esp32sock.engine.hangup import HangupWatch
from esp32sock.engine.link_announcements import announced_link
from esp32sock.engine.link_closing import close_link, drop_link
from esp32sock.engine.link_ends import abandoned
from esp32sock.engine.link_preparing import prepared
from esp32sock.engine.repeating import list_links
from esp32sock.engine.requests import DatagramOpened
from esp32sock.engine.stall_workaround import StallWatch
from esp32sock.errors import CommandError, Error, LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from esp32sock.at.framing import Demux
    from esp32sock.engine.channel import CommandChannel
    from esp32sock.engine.context import Context
    from esp32sock.engine.link_pool import LinkPool
    from esp32sock.engine.requests import Address, DatagramRequest
    from esp32sock.engine.stats import Counters

log = logging.getLogger("esp32sock")

QUEUE_BYTES = 212_992
"""What waits for a slow reader; Linux has this much by default for a UDP socket."""
WAIT_FOR_LINK_S = 5.0
"""How long a link, or the port of one that is closing, is waited for."""


class DatagramPump:
    """The life of one open UDP link."""

    idle_since = math.inf
    """A datagram socket is no less in use for being quiet."""

    def __init__(
        self,
        channel: CommandChannel,
        pool: LinkPool,
        link_id: int,
        request: DatagramRequest,
        counters: Counters,
    ) -> None:
        self.link_id = link_id
        self.unread_bytes = 0
        self.sent_bytes = 0
        self.received_bytes = 0
        self.running = False
        self.local_port = request.local_port
        self._is_done = False
        self._channel = channel
        self._end = request.end
        self._remote = request.remote
        self._is_ipv6 = is_ipv6(request.remote[0]) if request.remote else request.ipv6
        self._events = request.events
        self._counters = counters
        self._unread: deque[bytes] = deque()
        self._more = trio.Event()
        self._finishing = trio.Event()
        self._error: Error | None = None
        self._scope = trio.CancelScope()
        self._stalls = StallWatch(channel, pool, link_id)

    def collect(self, demux: Demux) -> None:
        """Every complete datagram that lies there; never waits."""
        while (datagram := demux.take_datagram(self.link_id)) is not None:
            host, port, payload = datagram
            if host is not None and self._is_ipv6:
                host = canonical_ipv6(host)
            if host is not None and self._remote in (None, (host, port)):
                self._received((host, port), payload)
            else:
                log.debug(
                    "UDP link %d: datagram from a stranger, %s, dropped",
                    self.link_id,
                    address_text(host, port),
                )
                self._counters.datagrams_dropped += 1

    @property
    def is_ending(self) -> bool:
        """Whether its application is done with it, so that its port is about to be free."""
        return self._is_done or hung_up(self._end.fileno())

    def discard(self) -> None:
        """The link is not wanted; the end belongs to its owner again."""
        self._is_done = True

    def _received(self, peer: Address, payload: bytes) -> None:
        try:
            header = packed_peer(peer, ipv6=self._is_ipv6)
        except OSError:
            log.debug("UDP link %d: datagram from unexpected %r dropped", self.link_id, peer)
            self._counters.datagrams_dropped += 1
            return
        self.received_bytes += len(payload)
        self._put(header + payload)

    def _put(self, message: bytes) -> None:
        if self.unread_bytes + len(message) > QUEUE_BYTES:
            self._counters.datagrams_dropped += 1
            return
        self._unread.append(message)
        self.unread_bytes += len(message)
        self._more.set()

    def announce(self) -> None:
        """UDP is always received actively: there is nothing to fetch."""

    def peer_closed(self) -> None:
        """UDP has no end; the module closes such a link only when it loses its network."""
        self.fail(Error(f"the module closed UDP link {self.link_id}", errno=errno.ENETDOWN))

    def finish(self) -> None:
        """Send what the application has sent, then end, whether it has closed or not."""
        self._finishing.set()

    def fail(self, error: Error) -> None:
        if self._error is None and not self._scope.cancel_called:
            self._error = error
            self._scope.cancel()

    async def run(self) -> Error | None:
        """Pump until the application closes its end; the error if it ended otherwise."""
        self.running = True
        try:
            with self._scope, HangupWatch(self._end.fileno()) as hangup:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._down)
                    nursery.start_soon(self._up)
                    nursery.start_soon(self._stalls.run)
                    nursery.start_soon(self._end_after, hangup.wait, nursery.cancel_scope)
                    nursery.start_soon(self._end_after, self._finishing.wait, nursery.cancel_scope)
        except Error as error:  # no descriptor for the watch
            self.fail(error)
        finally:
            self.running = False
            self._is_done = True
            self._unread.clear()
        return self._error

    def close_end(self) -> None:
        trio.lowlevel.notify_closing(self._end)
        self._end.close()

    async def _down(self) -> None:
        while True:
            while self._unread:
                try:
                    self._end.send(self._unread[0])
                except BlockingIOError:
                    await trio.lowlevel.wait_writable(self._end)
                    continue
                except OSError:
                    return  # the application has closed
                self.unread_bytes -= len(self._unread.popleft())
            self._more = trio.Event()
            await self._more.wait()

    async def _up(self) -> None:
        while await self._send_one():
            await trio.lowlevel.wait_readable(self._end)

    async def _end_after(self, wait: Callable[[], Awaitable[None]], scope: trio.CancelScope) -> None:
        """What was sent before the end is still sent."""
        await wait()
        while await self._send_one() and HangupWatch.readable(self._end.fileno()):
            pass
        scope.cancel()

    async def _send_one(self) -> bool:
        """Send one datagram when the channel is free; False at the end."""
        try:
            async with self._channel.exclusive():
                return await self._send_first()
        except Error as error:  # the module is lost
            self.fail(error)
            return False

    async def _send_first(self) -> bool:
        """Send what the application sent first, if there is anything."""
        try:
            message = self._end.recv(DATAGRAM_HEADER.size + MAX_DATAGRAM_BYTES)
        except BlockingIOError:
            return not hung_up(self._end.fileno())
        except OSError:
            return False
        if len(message) < DATAGRAM_HEADER.size:
            return False
        await self._send(message)
        return True

    async def _send(self, message: bytes) -> None:
        payload = memoryview(message)[DATAGRAM_HEADER.size :]
        peer = unpacked_peer(message) if self._remote is None else None
        try:
            command = self._command(payload, peer)
            await self._channel.execute_exclusive(command)
            self.sent_bytes += len(payload)
            await self._stalls.sent(command)
        except (CommandError, LocalProtocolError) as error:
            self._doubt(f"a datagram was not sent: {error}")
            self._fail_if_deaf(error)
            return
        session = self._channel.session
        follows = self._remote is None and not session.firmware.at_least(2, 0)
        if follows and session.links.received_while_sending(command):
            self._doubt(
                "a datagram may have gone to another peer, whose datagram arrived then (firmware before 2.0)"
            )

    def _fail_if_deaf(self, error: Error) -> None:
        """On 2.0 a link whose send was cancelled receives nothing more: it must be closed (real-firmware)."""
        session = self._channel.session
        if session.firmware.stalls_on_receive_while_sending and session.links.was_cancelled(self.link_id):
            self.fail(Error(f"UDP link {self.link_id}: {error}", errno=errno.ECONNRESET))

    def _command(self, payload: memoryview, peer: Address | None) -> tcpip.Send | SendMarked:
        """What sends it whole; LocalProtocolError if nothing does.

        A final `+++` is data in one write with what stands before it (observed 2.0, 4.1, 4.2), but a port
        may take a write in pieces: where CIPSENDEX is known to work, a mark stands behind it.
        """
        data = bytes(payload)
        if data == ESCAPE_SEQUENCE:
            raise LocalProtocolError("a datagram that is just +++ would cancel its own sending")
        can_be_marked = b"\\" not in data and self._channel.session.firmware.ends_sending_at_mark
        if data.endswith(ESCAPE_SEQUENCE) and can_be_marked:
            return SendMarked(self.link_id, data, peer)
        return tcpip.Send(self.link_id, datagram_chunk(self.link_id, payload, peer, MAX_DATAGRAM_BYTES))

    def _doubt(self, why: str) -> None:
        self._counters.datagrams_doubtful += 1
        self._events.doubtful(Error(f"UDP link {self.link_id}: {why}"))


async def run_datagram(context: Context, request: DatagramRequest) -> None:
    """The whole life of a UDP link; every outcome goes to its events, none is raised."""
    pump: DatagramPump | None = None
    error = Error("the link was cancelled", errno=errno.ECONNABORTED)
    try:
        with request.opening.scope:
            pump, local = await _open(context, request)
    except Error as caught:
        error = caught
    except ValueError as caught:
        error = Error(str(caught), errno=errno.EINVAL)
    finally:
        if pump is None:  # also when the module ends meanwhile; the end is its owner's again
            request.failed(error)
    if pump is None:
        return
    request.events.opened(DatagramOpened(pump.link_id, local))
    request.opening.opened(partial(pump.fail, abandoned()))
    context.counters.links_opened += 1
    log.info("UDP link %d on port %d is open", pump.link_id, local[1])
    try:
        reason = await pump.run()
        request.events.ended(reason)
    finally:
        context.counters.add(pump)
        pump.close_end()
    context.counters.note_end(reason)
    log.info("UDP link %d ended: %s", pump.link_id, "closed" if reason is None else reason)
    await close_link(context, pump)


async def _open(context: Context, request: DatagramRequest) -> tuple[DatagramPump, Address]:
    channel = await context.ready()
    host = request.remote[0] if request.remote else ANY_V6 if request.ipv6 else None
    await context.wait_for_network(host)
    pool = context.pool
    await _wait_for_port(context, request.local_port)
    link_id = await pool.take(WAIT_FOR_LINK_S)
    pump = DatagramPump(channel, pool, link_id, request, context.counters)
    peer = "to any peer" if request.remote is None else f"to {address_text(*request.remote)}"
    pool.use(pump, f"UDP {peer}")
    try:
        command = _open_command(link_id, request)
        try:
            async with prepared(context, channel, link_id, host, stream=False):
                await _start_link(channel, command)
        except CommandError:
            if host is not None:
                await context.verify_network(host)
            raise
        links = channel.session.links
        announced = announced_link(links, link_id, "UDP", command.remote)
        if announced is not None:
            pool.listed[link_id] = announced
            pump.local_port = announced.local_port
            return pump, (context.local_ip(host or ""), pump.local_port)
        listed = await list_links(channel)
        if links.needs_confirmation(link_id):
            # before 2.4 the list may leave out UDP links (known-bugs 16): OK is all there is
            is_told = listed is not None and channel.session.firmware.at_least(2, 4)
            links.confirm(link_id, listed=not is_told or link_id in (listed or ()))
            if links[link_id].state is LinkState.FREE:
                raise CommandError("AT+CIPSTART", "OK, but it does not list the link")
        if listed is not None and link_id in listed:
            pool.listed[link_id] = listed[link_id]
            pump.local_port = listed[link_id].local_port
        return pump, (context.local_ip(host or ""), pump.local_port)
    except BaseException:
        pump.discard()
        drop_link(context, pump)
        raise


async def _start_link(channel: CommandChannel, command: OpenUdp) -> None:
    """To its end, also when it is given up: a link that opened late would hold its port unseen."""
    with trio.CancelScope(shield=True):
        await channel.execute_exclusive(command)


async def _wait_for_port(context: Context, port: int) -> None:
    """Until no link that is just closing has this local port (0: any); Error(EADDRINUSE) if one keeps it."""
    for pump in context.pumps():
        if not port or not isinstance(pump, DatagramPump) or pump.local_port != port:
            continue
        with trio.move_on_after(WAIT_FOR_LINK_S if pump.is_ending else 0):
            await context.pool.wait_released(pump)
            continue
        raise Error(f"UDP link {pump.link_id} has the local port {port}", errno=errno.EADDRINUSE)


def _open_command(link_id: int, request: DatagramRequest) -> OpenUdp:
    if request.remote is not None:
        return OpenUdp(link_id, request.remote, request.local_port or None)
    any_peer = ANY_PEER_V6 if request.ipv6 else ANY_PEER
    return OpenUdp(link_id, any_peer, request.local_port, PeerMode.FOLLOWS_LAST_SENDER)
