"""The command in flight: what was sent, what came back so far, and by when something must happen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from esp32sock.at.recovery import EMPTY_LINE
from esp32sock.errors import CommandBusy, CommandError, CommandTimeout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esp32sock.at.codes import Meaning
    from esp32sock.at.commands import Command
    from esp32sock.at.recovery import Step
    from esp32sock.at.results import Result

NEVER = float("inf")


@dataclass(slots=True)
class Flight:
    """One command between its line and its final result."""

    command: Command[Any]
    line: bytes = field(repr=False)
    deadline: float
    """When the caller is told that it took too long."""
    echo: bytes = field(default=b"", repr=False)
    """What the module repeats of each line, with echo on."""
    lines: list[bytes] = field(default_factory=list)
    reason: str = ""
    error_code: int | None = None
    meaning: Meaning | None = None
    """What that number says."""
    wanted: bool = True
    """Whether somebody still waits for the result."""

    # How far it has come
    is_out: bool = False
    """Whether the line was handed out; before that, nothing the module says can be about it."""
    answered: bool = False
    """Whether part of its answer came: a `busy p...` is about something else then."""
    payload_is_out: bool = False
    taken: bool = False
    """Whether the module said that it has the whole payload."""

    # `busy p...`
    retry_at: float = NEVER
    """When to send the line again at the latest, if no real answer came."""
    was_busy: bool = False

    # A data phase that went wrong
    recovery: Iterator[Step] | None = None
    desynchronised: bool = False
    """Whether bytes were written that belong to no command: the result can only be a failure."""
    line_ended: bool = False
    """Whether the last of them ended a line, which the module answers if it is in no data phase."""
    answer_owed: bool = False
    """Whether any of them did, so that an ERROR may still be on its way."""

    _echo_left: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._echo_left = self.echo

    @property
    def awaits_prompt(self) -> bool:
        """Whether the module answers with a prompt first, and an OK before it is no result."""
        return self.command.payload is not None or self.command.begins_passthrough

    @property
    def payload_bytes(self) -> int:
        return len(self.command.payload or b"")

    @property
    def is_stored(self) -> bool:
        """Whether an OK is the end now: the whole payload went out, and to stay in the module."""
        return self.command.stores_payload and self.payload_is_out and not self.desynchronised

    def got_answer(self) -> None:
        """The module is at this command: its line must not be sent again."""
        self.answered = True
        self.retry_at = NEVER

    def retransmitted(self) -> None:
        """The line goes out once more, and is repeated once more."""
        self.retry_at = NEVER
        self._echo_left = self.echo

    def wrote_beside(self, pieces: list[bytes | memoryview]) -> None:
        """These went out to end its data phase: how much of the payload the peer got is not known now."""
        self.desynchronised = True
        self.line_ended = bytes(pieces[-1]) == EMPTY_LINE
        self.answer_owed = self.answer_owed or EMPTY_LINE in pieces

    def repeats(self, text: bytes) -> bool:
        """Whether this text is echo, whole or a piece; a piece is taken off what is still to come."""
        if not text or not self._echo_left.startswith(text):
            return False
        self._echo_left = self._echo_left[len(text) :]
        return True

    def error(self, result: Result) -> CommandError:
        """The failure this final result means."""
        if self.desynchronised:
            return CommandError(
                self.command.label,
                "nothing in its data phase",
                hint="how much of the chunk was sent is not known, so the link is reset",
            )
        advice = self.reason or self.command.advice(self.lines)
        meaning = "" if self.meaning is None else self.meaning.text
        name = result.name.replace("_", " ")
        reason = self.command.reason(self.lines)
        code = self.command.errno(reason)
        if code is None and self.meaning is not None:
            code = self.meaning.errno
        error = CommandError(self.command.label, name, self.error_code, advice, meaning, errno=code)
        error.reason = reason
        return error

    def too_late(self) -> CommandError:
        """The failure of having waited too long."""
        if self.was_busy and not self.answered:
            hint = "another command is still running"
            return CommandBusy(self.command.label, "busy p... to every try", self.error_code, hint)
        return CommandTimeout(self.command.label, "nothing in time", self.error_code)
