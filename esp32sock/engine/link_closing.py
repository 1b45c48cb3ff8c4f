"""Closing a link: only while it is still the pump's own, and the id is released behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from esp32sock.at.commands import tcpip
from esp32sock.at.state import LinkState
from esp32sock.errors import Error

if TYPE_CHECKING:
    from esp32sock.engine.context import Context
    from esp32sock.engine.link_pool import Pump

PEER_CLOSES_S = 0.05
"""How long an accepted link is left to its peer, which mostly closes when the application does: a CIPCLOSE
still on the wire when the module gives the id to the next client (at-dialects 7.9) would end that one's."""


def drop_link(context: Context, pump: Pump) -> None:
    """Release the link of a failed or unwanted opening, once it is closed; does not wait."""
    if _may_be_open(context, pump):
        context.tasks.begin(close_link, context, pump)
    elif _is_its(context, pump):
        context.pool.release(pump)


async def close_link(context: Context, pump: Pump) -> None:
    """Close the link on the module, if it is still this pump's, and release its id.

    Checked again while holding the channel: meanwhile the server may have given the id to a new connection.
    """
    if not _is_its(context, pump):
        return
    if context.pool.was_accepted(pump):
        with trio.move_on_after(PEER_CLOSES_S):
            await context.pool.wait_released(pump)
            return
    try:
        channel = context.channel
        async with channel.exclusive():
            if _may_be_open(context, pump):
                await channel.execute_exclusive(tcpip.Close(pump.link_id))
    except Error:
        pass  # closed by the peer meanwhile, or the module is lost: in both cases the link is closed
    finally:
        if _is_its(context, pump):
            context.pool.release(pump)


async def close_orphan(context: Context, link_id: int) -> None:
    """Close a link that has no pump, unless it has one by the time the channel is free."""
    channel = await context.ready()
    async with channel.exclusive():
        if link_id not in context.pool.pumps:
            await channel.execute_exclusive(tcpip.Close(link_id))


def _is_its(context: Context, pump: Pump) -> bool:
    """Whether the link with this id is still this pump's."""
    return context.is_open and context.pool.pumps.get(pump.link_id) is pump


def _may_be_open(context: Context, pump: Pump) -> bool:
    """Whether it is, and open on the module; one that needs confirmation may be."""
    if not _is_its(context, pump):
        return False
    links = context.channel.session.links
    return links[pump.link_id].state is LinkState.OPEN or links.needs_confirmation(pump.link_id)
