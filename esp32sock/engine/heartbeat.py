"""A question on an idle line now and then: a module that died is noticed though nothing is sent to it.

Theory of operation: an open socket whose peer says nothing hears nothing, and no more from a module that is
gone. So while a link or the server is open and nothing was heard for `heartbeat_s`, the module is asked for
CIPMUX, an exchange of 33 bytes. No answer takes the way of every command without one: barriers, then silence.
An answer of 0 is a restart that was not seen.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from esp32sock.at.commands import tcpip
from esp32sock.at.state import ModuleState
from esp32sock.errors import Error

if TYPE_CHECKING:
    from esp32sock.engine.channel import CommandChannel
    from esp32sock.engine.context import Context

log = logging.getLogger("esp32sock")


async def keep_heartbeat(context: Context, channel: CommandChannel) -> None:
    """Ask whenever it is due, until cancelled; returns at once where the option turns it off."""
    heartbeat_s = context.options.heartbeat_s
    if heartbeat_s is None:
        return
    while True:
        due_at = channel.session.heard_at + heartbeat_s
        if due_at > trio.current_time():
            await trio.sleep_until(due_at)
            continue
        if channel.state is ModuleState.READY and (context.pumps() or context.server is not None):
            await _ask(channel)
        await trio.sleep(heartbeat_s)


async def _ask(channel: CommandChannel) -> None:
    try:
        is_multiplexed = await channel.execute(tcpip.Multiplexed())
    except Error as error:
        log.debug("heartbeat: %s", error)
        return
    if not is_multiplexed and channel.session.demux.mux:
        channel.missed_restart(" unseen, as a heartbeat shows")
