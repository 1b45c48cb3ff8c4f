"""Commands whose result is their response lines: the client has its own `at/` and parses them there."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.at.commands import Command
    from esp32sock.at.firmware import Firmware


def with_lines(command: Command[Any]) -> Command[tuple[bytes, ...]]:
    """The same command, of a class derived from its own; lines that it cannot parse fail as they do there."""
    kind: Any = type(command)
    copy: Command[tuple[bytes, ...]] = object.__new__(_kind(kind))
    for field in fields(command):
        object.__setattr__(copy, field.name, getattr(command, field.name))
    return copy


@cache
def _kind(kind: Any) -> Any:
    def parse(self: Command[Any], lines: Sequence[bytes], firmware: Firmware) -> tuple[bytes, ...]:
        kind.parse(self, lines, firmware)
        return tuple(lines)

    names = {"parse": parse, "__slots__": (), "__module__": kind.__module__, "__doc__": kind.__doc__}
    return type(kind.__name__, (kind,), names)
