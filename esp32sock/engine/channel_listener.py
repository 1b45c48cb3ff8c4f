"""The receiver of a channel's events, as the channel calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from esp32sock.at.events import ModuleEvent
    from esp32sock.errors import PortError


class ChannelListener(Protocol):
    """Hears what the module sends unasked; called in the reading task, must return at once."""

    def payload(self, link_id: int) -> None:
        """Bytes for this link lie in the demultiplexer."""

    def event(self, event: ModuleEvent) -> None:
        """Anything that is not the result of a command."""

    def port_lost(self, error: PortError) -> None:
        """The channel is over."""
