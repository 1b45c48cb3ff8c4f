"""What the module has printed so far about one command: echo, response lines, reason, error number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from esp32sock.at.codes import of_errno, of_error_code
from esp32sock.at.results import ERROR_CODE, REASONS
from esp32sock.errors import CommandBusy, CommandError, CommandTimeout

if TYPE_CHECKING:
    from esp32sock.at.codes import Meaning
    from esp32sock.at.commands import Command
    from esp32sock.at.results import Result


@dataclass(slots=True)
class Response:
    """The answer to one command, line by line, and the error that it amounts to if the command fails."""

    command: Command[Any]
    echo: bytes = field(default=b"", repr=False)
    """The command line as the module repeats it; empty with echo off."""
    lines: list[bytes] = field(default_factory=list, repr=False)
    """Its response lines."""
    has_begun: bool = False
    """Whether any part of the answer came: a `busy p...` is about something else then."""
    was_busy: bool = False
    _echo_left: bytes = field(init=False, repr=False)
    _reason: str = ""
    _error_code: int | None = None
    _meaning: Meaning | None = None

    def __post_init__(self) -> None:
        self._echo_left = self.echo

    def add(self, text: bytes, *, keep: bool) -> bool:
        """Whether this line belongs to the command; `keep` stores it if it is a response line."""
        if self._add_echo(text) or self._add_error_code(text):
            return True
        if text in REASONS:
            self._reason = text.decode()
        elif not self.command.matches_line(text):
            return False
        elif keep:
            self.lines.append(text)
        self.has_begun = True
        return True

    def _add_echo(self, text: bytes) -> bool:
        """Echo comes whole or in pieces; each piece is taken off what is still to come."""
        if not text or not self._echo_left.startswith(text):
            return False
        self._echo_left = self._echo_left[len(text) :]
        return True

    def _add_error_code(self, text: bytes) -> bool:
        code = ERROR_CODE.fullmatch(text)
        if code is None:
            return False
        number = int(code[1], 16)
        self._error_code = number
        self._meaning = of_errno(number) if text.startswith(b"+ERRNO") else of_error_code(number)
        return True

    def busy(self) -> None:
        """`busy p...` came; an error number before it was about that."""
        self.was_busy = True
        self._error_code = self._meaning = None

    def failure(self, result: Result) -> CommandError:
        """The error that this final result stands for."""
        advice = self._reason or self.command.advice(self.lines)
        meaning = "" if self._meaning is None else self._meaning.text
        reason = self.command.reason(self.lines)
        code = self.command.errno(reason)
        if code is None and self._meaning is not None:
            code = self._meaning.errno
        name = result.name.replace("_", " ")
        error = CommandError(self.command.label, name, self._error_code, advice, meaning, errno=code)
        error.reason = reason
        return error

    def timeout(self) -> CommandError:
        """The error of no final result in time."""
        if self.was_busy and not self.has_begun:
            hint = "another command is still running"
            return CommandBusy(self.command.label, "busy p... to every attempt", self._error_code, hint)
        return CommandTimeout(self.command.label, "nothing in time", self._error_code)

    def lost(self) -> CommandError:
        """The error of an answer that was lost on the line: a later command was answered."""
        return CommandTimeout(self.command.label, "no answer, though it was worked off", self._error_code)

    def not_sent(self) -> CommandError:
        """The error of a send whose link was closed before its line was written again."""
        return CommandError(self.command.label, "not sent", hint="the link was closed meanwhile")

    def data_phase_failure(self) -> CommandError:
        """The error of a data phase that did not end by itself."""
        return CommandError(
            self.command.label,
            "nothing in its data phase",
            hint="how much of the chunk was sent is not known, so the link is reset",
        )
