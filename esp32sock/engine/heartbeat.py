"""A look at the module now and then: what died or changed without a word is noticed though nothing is sent.

Theory of operation: an open socket whose peer sends nothing receives nothing, and no more from a module that
is gone, or whose `n,CLOSED` was lost. So every `heartbeat_s`, while the server is open or a link on which
nothing moved since, the module is asked for CIPMUX, for its links and for its server: two or three exchanges,
not more than 250 bytes.
No answer takes the way of every command without one: barriers, then silence.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from esp32sock.at.state import ModuleState
from esp32sock.errors import Error

if TYPE_CHECKING:
    from esp32sock.engine.channel import CommandChannel
    from esp32sock.engine.context import Context
    from esp32sock.engine.link_pool import Pump
    from esp32sock.engine.reconcile import Reconciler

log = logging.getLogger("esp32sock")


async def keep_heartbeat(context: Context, channel: CommandChannel, reconciler: Reconciler) -> None:
    """Look whenever it is due, until cancelled; returns at once where the option turns it off."""
    heartbeat_s = context.options.heartbeat_s
    if heartbeat_s is None:
        return
    moved: dict[Pump, int] = {}
    while True:
        await trio.sleep(heartbeat_s)
        before, moved = moved, {pump: pump.sent_bytes + pump.received_bytes for pump in context.pumps()}
        is_due = context.server is not None or any(moved[pump] == before.get(pump, 0) for pump in moved)
        if channel.state is ModuleState.READY and is_due:
            try:
                await reconciler.look(channel)
            except Error as error:
                log.debug("heartbeat: %s", error)
