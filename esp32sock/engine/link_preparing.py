"""Just before a link opens: the module is ready for it, and still the one that was asked."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from esp32sock.engine.channel import CommandChannel
    from esp32sock.engine.context import Context


@asynccontextmanager
async def prepared(
    context: Context, channel: CommandChannel, link_id: int, host: str | None, *, stream: bool
) -> AsyncIterator[None]:
    """Hold the channel with what this kind of link relies on set, and a network, also after a restart.

    Error(ENETUNREACH) without a network for this address, or for names if None, after NETWORK_S.
    """
    while True:
        await context.wait_for_network(host)
        era = channel.era
        await context.receive_mode.prepare(channel, link_id, stream=stream)
        if not stream:
            await context.enable_peer_info()
        async with channel.exclusive():
            if channel.era == era and context.may_reach(host):
                yield
                return
