"""The command in flight: what was sent, what came back so far, and by when something must happen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from esp32sock.at.results import Result
from esp32sock.errors import CommandBusy, CommandError, CommandTimeout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esp32sock.at.commands import Command
    from esp32sock.at.recovery import Step

NEVER = float("inf")


@dataclass(slots=True)
class Flight:
    """One command between its line and its final result."""

    command: Command[Any]
    line: bytes
    deadline: float
    """When the caller is told that it took too long."""
    echo: bytes = b""
    """What of the line the module has not repeated yet, while echo is on."""
    lines: list[bytes] = field(default_factory=list)
    reason: str = ""
    error_code: int | None = None
    retry_at: float = NEVER
    """Set by `busy p...`: when to send the line again, if no real answer came."""
    was_busy: bool = False
    wanted: bool = True
    """Whether somebody still waits for the result."""
    recovery: Iterator[Step] | None = None
    """Set once the data phase went wrong; from then on the result can only be a failure."""
    flushing: bool = False
    """An empty line was sent to clear the module's line buffer; its ERROR may or may not come."""

    @property
    def next_deadline(self) -> float:
        return min(self.deadline, self.retry_at)

    def repeats(self, text: bytes) -> bool:
        """Whether this text is echo, whole or a piece; a piece is taken off what is still to come."""
        if not self.echo or not text or not self.echo.startswith(text):
            return False
        self.echo = self.echo[len(text) :]
        return True

    def error(self, result: Result) -> CommandError:
        """The failure this final result means."""
        if self.recovery is not None:
            return CommandError(
                self.command.label,
                "nothing in its data phase",
                hint="how much of the chunk was sent is not known, so the link is reset",
            )
        return CommandError(self.command.label, result.name.replace("_", " "), self.error_code, self.reason)

    def timeout(self) -> CommandTimeout:
        """The failure of having waited too long."""
        return CommandTimeout(self.command.label, "nothing in time", self.error_code)

    def busy(self) -> CommandBusy:
        """The failure of having heard nothing but busy."""
        return CommandBusy(
            self.command.label, "busy p... to every try", self.error_code, "another command is still running"
        )
