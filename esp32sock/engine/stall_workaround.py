"""Firmware 2.0 stops receiving on a link when a `+IPD` of that link falls between its prompt and its payload.

The data is not lost: it comes when something happens on another link. Opening and closing a UDP link is the
smallest such thing; with all links taken, starting and stopping the server is. Nothing else helps.
Source: real-firmware (duplex-wake), known-bugs 12.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from esp32sock.at.commands import servers, tcpip
from esp32sock.at.commands.udp import OpenUdp
from esp32sock.errors import CommandError

if TYPE_CHECKING:
    from esp32sock.at.commands import SimpleCommand
    from esp32sock.engine.channel import CommandChannel
    from esp32sock.engine.link_pool import LinkPool

DISCARD_PEER = ("127.0.0.1", 9)
"""Nothing is ever sent there."""
SPARE_PORT = 49151
"""For a server that is stopped at once."""

log = logging.getLogger("esp32sock")


async def recover_stalled_receive(channel: CommandChannel, pool: LinkPool, sent: tcpip.Send) -> None:
    """Cause an event if this link may have stopped receiving; called behind a chunk, holding the channel."""
    session = channel.session
    if not session.firmware.stalls_on_receive_while_sending or not session.links.received_while_sending(sent):
        return
    log.debug("link %d may have stopped receiving; recovering it", sent.link_id)
    for command in _event(pool):
        try:
            await channel.execute_exclusive(command)
        except CommandError as error:
            log.debug("recovering link %d: %s", sent.link_id, error)


def _event(pool: LinkPool) -> tuple[SimpleCommand, ...]:
    link_id = pool.spare
    if link_id is not None:
        return OpenUdp(link_id, DISCARD_PEER), tcpip.Close(link_id)
    if pool.server_port is not None:
        return servers.StopListening(), servers.Listen(pool.server_port)
    return servers.Listen(SPARE_PORT), servers.StopListening()
