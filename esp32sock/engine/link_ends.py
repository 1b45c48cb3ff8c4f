"""Why a link ends before its application and its peer are done: the errors that its socket gets."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from esp32sock.at.state import LinkState
from esp32sock.errors import Error, ModuleReset

if TYPE_CHECKING:
    from esp32sock.engine.channel import CommandChannel
    from esp32sock.engine.link_pool import LinkPool, Pump


def abandoned() -> Error:
    """Its application gave it up."""
    return Error("the link was given up", errno=errno.ECONNABORTED)


def detached() -> Error:
    """Its interface closes."""
    return Error("the interface was detached", errno=errno.ENETDOWN)


def unsent(count: int) -> Error:
    """Its peer closed before all bytes of the application were sent."""
    return Error(f"the peer closed before the last {count} bytes were sent", errno=errno.ECONNRESET)


def check_not_lost(channel: CommandChannel, pool: LinkPool, pump: Pump) -> None:
    """ModuleReset if the module restarted since this link was opened, before its pump could be told.

    A pump that was told of the end has given its link back.
    """
    has_link = pool.pumps.get(pump.link_id) is pump
    if has_link and channel.session.links[pump.link_id].state is LinkState.FREE:
        raise ModuleReset(f"the module restarted while link {pump.link_id} was opened")
