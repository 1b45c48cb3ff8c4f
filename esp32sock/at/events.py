"""What the session reports to its driver. All frozen; compared by type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from esp32sock._dataclass import dataclass

if TYPE_CHECKING:
    from esp32sock.at.commands import Command
    from esp32sock.at.urcs import Wifi
    from esp32sock.errors import Error


@dataclass(frozen=True, slots=True)
class CommandDone:
    """A command ended well; these were its response lines."""

    command: Command[Any]
    lines: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class CommandFailed:
    """A command was refused, failed, or was not answered in time."""

    command: Command[Any]
    error: Error
    lines: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class DataReceived:
    """Payload lies in the demultiplexer for the links of this bit mask; take it before the next event."""

    links: int


@dataclass(frozen=True, slots=True)
class LinkOpened:
    """A link is up; `accepted` when no command opened it."""

    link_id: int
    generation: int
    accepted: bool
    remote: tuple[str, int] | None = None
    local_port: int | None = None


@dataclass(frozen=True, slots=True)
class LinkClosed:
    """A link is gone; `error` when that was not the peer's orderly close."""

    link_id: int
    generation: int
    error: Error | None = None


@dataclass(frozen=True, slots=True)
class LinkFault:
    """The bytes of this link cannot be trusted any more; it must be closed."""

    link_id: int
    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class OrphanLink:
    """The module has a link open that has no owner here: it must be closed."""

    link_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class UnreadWaiting:
    """Passive receive: the module holds this much for a link."""

    link_id: int
    unread_bytes: int


@dataclass(frozen=True, slots=True)
class WifiChanged:
    """The station joined, got its address or lost the access point."""

    state: Wifi


@dataclass(frozen=True, slots=True)
class ModuleRestarted:
    """`ready` was seen: every link and every setting of the session is gone; set up again."""

    expected: bool


@dataclass(frozen=True, slots=True)
class ModuleBusy:
    """The module answered this command with `busy p...`; the session waits, and repeats it if needed."""

    label: str


@dataclass(frozen=True, slots=True)
class ModuleSilent:
    """The module answers nothing any more; or, `is_busy`, nothing but that it is busy, without an end."""

    label: str
    is_busy: bool = False


@dataclass(frozen=True, slots=True)
class DoubtSettled:
    """A barrier was answered after a doubt about this command; what the module has must be compared.

    `mux` is the module's CIPMUX: False, where the session has it on, proves a restart that was not seen.
    """

    label: str
    mux: bool | None


@dataclass(frozen=True, slots=True)
class Contradiction:
    """The module printed a line that contradicts the session: their states must be compared."""

    reason: str


@dataclass(frozen=True, slots=True)
class UnknownText:
    """A line that belongs to nothing known; harmless unless it is many."""

    text: bytes


ModuleEvent = (
    LinkOpened
    | LinkClosed
    | LinkFault
    | OrphanLink
    | UnreadWaiting
    | WifiChanged
    | ModuleRestarted
    | ModuleBusy
    | ModuleSilent
    | DoubtSettled
    | Contradiction
    | UnknownText
)
"""What is no part of a command's outcome: watchers of a module get these."""

Event = CommandDone | CommandFailed | DataReceived | ModuleEvent
