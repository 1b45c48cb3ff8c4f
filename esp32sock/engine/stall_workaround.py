"""Firmware 2.0 stops receiving on a link that sends: found by position and by silence, and ended by an event.

Theory of operation (real-firmware, walks): a link counts as sending from its prompt to SEND OK, and after a
send that was cancelled, too. At any event of any link (a block, an opening, a closing) the firmware chooses
anew which links it listens to, and leaves out those that send. Nothing is lost: an event after a complete
send brings everything. Opening and closing a UDP link is the smallest event; with all links taken, starting
and stopping the server is. Nothing else helps.

So an event is caused at once when a block of the link came between the OK and the SEND OK of its send, or a
send was cancelled before; and when a send was followed by silence on every link, since the block may have
been another link's, or none at all is seen (4 of 77 stalls). A link that sends without a pause gets one now
and then.
Source: real-firmware (duplex-wake, soak), known-bugs 12.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from esp32sock.at.commands import servers, tcpip
from esp32sock.at.commands.udp import OpenUdp
from esp32sock.errors import CommandError, Error

if TYPE_CHECKING:
    from esp32sock.at.commands import Command, SimpleCommand
    from esp32sock.engine.channel import CommandChannel
    from esp32sock.engine.link_pool import LinkPool

SILENCE_S = 0.3
"""After a send: an answer is late, or a link stalled (real-firmware: with this, 1 of 57 transfers hung)."""
WHILE_SENDING_S = 1.5
"""The same while the link goes on sending; longer, since each event costs two exchanges: 2 % of the line."""
DISCARD_PEER = ("127.0.0.1", 9)
"""Nothing is ever sent there."""
SPARE_PORT = 49151
"""For a server that is stopped at once."""

log = logging.getLogger("esp32sock")


class StallWatch:
    """Keeps one link of a 2.0 receiving; on other firmware it does nothing."""

    def __init__(self, channel: CommandChannel, pool: LinkPool, link_id: int) -> None:
        self._channel = channel
        self._pool = pool
        self._link_id = link_id
        self._is_needed = channel.session.firmware.stalls_on_receive_while_sending
        self._links = channel.session.links
        self._sends = 0
        self._sent = trio.Event()
        self._seen = self._links.events_seen
        self._silent_since = trio.current_time()

    async def sent(self, send: Command[None]) -> None:
        """A chunk or a datagram was sent; called behind it, holding the channel."""
        if not self._is_needed:
            return
        self._sends += 1
        now = trio.current_time()
        if self._seen != self._links.events_seen:
            self._seen, self._silent_since = self._links.events_seen, now
        if self._links.may_be_deaf(send) or now - self._silent_since > WHILE_SENDING_S:
            await self._cause_event()
        self._sent.set()

    async def run(self) -> None:
        """Cause an event when a send is followed by silence; ends with the module."""
        if not self._is_needed:
            return
        while True:
            await self._sent.wait()
            self._sent = trio.Event()
            sends, seen = self._sends, self._links.events_seen
            await trio.sleep(SILENCE_S)
            if sends != self._sends:
                self._sent.set()
            elif seen == self._links.events_seen:
                try:
                    async with self._channel.exclusive():
                        if sends == self._sends and seen == self._links.events_seen:
                            await self._cause_event()
                except Error as error:  # the module is lost, and every link with it
                    log.debug("%s", error)
                    return

    async def _cause_event(self) -> None:
        """Both halves of it, also when the link ends meanwhile: else the other link stays open."""
        log.debug("link %d may have stopped receiving; recovering it", self._link_id)
        with trio.CancelScope(shield=True):
            for command in _event(self._pool):
                try:
                    await self._channel.execute_exclusive(command)
                except CommandError as error:
                    log.debug("recovering link %d: %s", self._link_id, error)
        self._seen, self._silent_since = self._links.events_seen, trio.current_time()


def _event(pool: LinkPool) -> tuple[SimpleCommand, ...]:
    link_id = pool.spare
    if link_id is not None:
        return OpenUdp(link_id, DISCARD_PEER), tcpip.Close(link_id)
    if pool.server_port is not None:
        return servers.StopListening(), servers.Listen(pool.server_port)
    return servers.Listen(SPARE_PORT), servers.StopListening()
