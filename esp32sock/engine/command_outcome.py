"""The outcome of a command as its caller gets it: a typed result, or an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from esp32sock.at.events import CommandDone, CommandFailed
from esp32sock.errors import CommandError

if TYPE_CHECKING:
    from esp32sock.at.commands import Command
    from esp32sock.at.firmware import Firmware

R = TypeVar("R")

SHOWN_CHARACTERS = 300
"""How much of an answer that makes no sense stands in its error."""


def result_of(command: Command[R], outcome: CommandDone | CommandFailed, firmware: Firmware) -> R:
    """What the command returns; raises its error, or CommandError for an answer that makes no sense."""
    if isinstance(outcome, CommandFailed):
        if isinstance(outcome.error, CommandError):
            outcome.error.lines = outcome.lines
        raise outcome.error
    try:
        return command.parse(outcome.lines, firmware)
    except (ValueError, LookupError, TypeError, ArithmeticError, OSError) as error:
        said = "(not shown)" if command.is_secret else repr(outcome.lines)[:SHOWN_CHARACTERS]
        raise CommandError(command.label, f"nonsense: {said}") from error
