"""Commands that do no harm when they run twice: tried again when their answer was lost or spoilt."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from esp32sock.at.commands import tcpip
from esp32sock.at.state import ModuleState
from esp32sock.errors import CommandError, CommandTimeout

if TYPE_CHECKING:
    from esp32sock.at.commands import Command
    from esp32sock.engine.channel import CommandChannel

R = TypeVar("R")

TRIES = 3

log = logging.getLogger("esp32sock")


async def execute_repeated(channel: CommandChannel, command: Command[R]) -> R:
    """Run a query or a setting while holding the channel, up to TRIES times; raises what the last try did.

    CommandTimeout at once where the module is looked for then: it may take each try as payload.
    """
    for _ in range(TRIES - 1):
        try:
            return await channel.execute_exclusive(command)
        except CommandError as error:
            if isinstance(error, CommandTimeout) and is_looked_for(channel):
                raise
            channel.session.count_repeat()
            log.debug("%s; trying again", error)
    return await channel.execute_exclusive(command)


def is_looked_for(channel: CommandChannel) -> bool:
    """Whether a module that does not answer is looked for: it was known, and is being set up again."""
    return channel.is_found and channel.state is ModuleState.SYNCING


async def list_links(channel: CommandChannel) -> dict[int, tcpip.LinkStatus] | None:
    """The links that the module has open, by id; None if it does not say.

    2.0 answers ERROR while a link that stopped receiving has lost its peer (real-firmware, duplex-wake).
    """
    async with channel.exclusive():
        try:
            return {link.link_id: link for link in await execute_repeated(channel, tcpip.Links())}
        except CommandError as error:
            if error.result != "ERROR":
                raise
            return None
