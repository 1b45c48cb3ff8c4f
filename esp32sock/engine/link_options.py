"""The TCP options of the five link ids: they outlive the link, and the program, that set them.

Theory of operation (real-firmware): AT+CIPTCPOPT belongs to an id until the module restarts, so a socket
inherits what an earlier one asked for. What the module has is read when it is set up, and followed from then
on; a link whose id has something else than its socket asks for is set. Linger, TCP_NODELAY and the send
time-out have defaults that a socket relies on; of keep-alive none is known, so what was read is taken for it.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from esp32sock.at.commands import Raw
from esp32sock.at.commands.tcpoptions import GetTcpOptions, TcpOptions
from esp32sock.engine.repeating import execute_repeated
from esp32sock.engine.requests import DEFAULT_OPTIONS
from esp32sock.errors import CommandError

if TYPE_CHECKING:
    from esp32sock.at.commands import Command
    from esp32sock.at.firmware import Firmware
    from esp32sock.engine.channel import CommandChannel
    from esp32sock.engine.requests import StreamOptions

log = logging.getLogger("esp32sock")


class LinkOptions:
    """What each link id of one module is set to, since it was set up; before 2.1 nothing can be set."""

    def __init__(self, firmware: Firmware) -> None:
        self._exist = firmware.at_least(2, 1)
        self._have_keepalive = firmware.at_least(2, 4)
        self._known: dict[int, TcpOptions] = {}
        """By id; one that is missing may be set to anything."""
        self._default_keepalive_s: dict[int, int | None] = {}

    async def set_up(self, channel: CommandChannel) -> None:
        """Read what an earlier program left; called while holding the channel, with several links allowed."""
        if not self._exist:
            return
        try:
            self._known = await execute_repeated(channel, GetTcpOptions())
        except CommandError as error:
            log.debug("the options of links are not known: %s", error)
        self._default_keepalive_s = {link_id: each.keepalive_s for link_id, each in self._known.items()}

    def opened(self, link_id: int, keepalive_s: int | None) -> None:
        """CIPSTART sets the keep-alive of the id, too."""
        known = self._known.get(link_id)
        if known is not None and keepalive_s is not None and self._have_keepalive:
            self._known[link_id] = replace(known, keepalive_s=keepalive_s)

    def on_command_succeeded(self, command: Command[Any]) -> None:
        """A command of the user takes effect, or may: what it changes is not known from now on."""
        if isinstance(command, TcpOptions):
            self._known.pop(command.link_id, None)
        elif isinstance(command, Raw) and b"CIPTCPOPT=" in command.text.upper():
            self._known.clear()

    def are_applied(self, link_id: int, options: StreamOptions = DEFAULT_OPTIONS) -> bool:
        """Whether the link is known to be set so; what cannot be set counts as set."""
        return not self._exist or self._known.get(link_id) == self._wanted(link_id, options)

    async def apply(
        self, channel: CommandChannel, link_id: int, options: StreamOptions = DEFAULT_OPTIONS
    ) -> None:
        """Set the options of a link unless they are so already; called while holding the channel.

        What the firmware refuses stays as it is.
        """
        if self.are_applied(link_id, options):
            return
        self._known.pop(link_id, None)
        wanted = self._wanted(link_id, options)
        try:
            await channel.execute_exclusive(wanted)
        except CommandError as error:
            log.debug("link %d keeps its options: %s", link_id, error)
        else:
            self._known[link_id] = wanted

    def _wanted(self, link_id: int, options: StreamOptions) -> TcpOptions:
        keepalive_s = options.keepalive_s
        if keepalive_s is None:
            keepalive_s = self._default_keepalive_s.get(link_id)
        return TcpOptions(
            link_id,
            -1 if options.linger_s is None else options.linger_s,
            bool(options.nodelay),
            options.send_timeout_ms or 0,
            keepalive_s if self._have_keepalive else None,
        )
