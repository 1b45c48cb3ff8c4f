"""What is known of one link id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esp32sock.at.framing import DISCARD
from esp32sock.at.state import link_machine

if TYPE_CHECKING:
    from esp32sock.at.state import LinkState
    from esp32sock.at.urcs import LinkUp


class LinkRecord:
    """One link id: where its machine stands and how often it was given out."""

    __slots__ = (
        "blocks_at_accept",
        "blocks_at_prompt",
        "came_up",
        "closed_open",
        "confirming",
        "discarded_bytes",
        "ends",
        "generation",
        "is_accepted",
        "is_known_orphan",
        "is_unsettled",
        "machine",
        "may_be_deaf",
        "received_while_sending",
        "shown",
        "sink",
        "was_cancelled",
        "was_down",
    )  # fmt: skip

    def __init__(self, link_id: int) -> None:
        self.machine = link_machine(link_id)
        self.generation = 0
        self.closed_open = False  # a CIPCLOSE is in flight for it, and it was open
        self.was_down = False  # CLOSED was read since that went out
        self.came_up = False  # while it was closed or given up here: what it received was dropped
        self.ends = 0  # how often CLOSED was read for it
        self.is_accepted = False  # by the server, in its present generation
        self.confirming = False  # the module printed OK without CONNECT
        self.discarded_bytes = 0  # as last seen
        self.is_known_orphan = False  # it was reported, and nothing has happened to it since
        self.is_unsettled = False  # free here, but the module may have it open still
        self.blocks_at_prompt: int | None = None  # None: not between a prompt and `Recv`
        self.received_while_sending = False
        self.blocks_at_accept: int | None = None  # None: not between the OK of a send and its end
        self.may_be_deaf = False
        self.was_cancelled = False  # a send was, and none was complete since
        self.shown: LinkUp | None = None
        """What the module said when it came up."""
        self.sink = DISCARD

    @property
    def state(self) -> LinkState:
        return self.machine.state
