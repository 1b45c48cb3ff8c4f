"""The arguments of a set command: how the firmware cuts, unquotes and reads them.

Rules, all observed on 1.0 and 2.0 (sweeps, real-firmware): numbers are decimal with leading zeros
or 0x hex, never with blanks or `+` or quotes, and do not wrap; in a string `\\x` is `x` for any x; a blank
after a comma is refused; a last empty string may lack its closing quote or be absent altogether.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeVar, overload

from esp32sock.simulator.firmware.results import (
    CommandRefused,
    does_not_parse,
    out_of_range,
    too_long,
    wrong_count,
)

_NUMBER = re.compile(rb"-?(0[xX][0-9a-fA-F]+|[0-9]+)\Z")
_STRING = re.compile(rb'"((?:[^"\\]|\\.)*)"(?=,|\Z)', re.DOTALL)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)

WIDEST = 0xFFFFFFFF
"""The largest number that a field holds."""


@dataclass(frozen=True, slots=True)
class Unclosed:
    """A string without its closing quote, up to the end of the line."""

    text: str


_ABSENT: Final = object()

T = TypeVar("T")


class _Required:
    """The default of a field that must be there."""


_REQUIRED: Final = _Required()


def decode(data: bytes) -> str:
    """Bytes of the wire as text that `encode` turns back exactly."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def quote(text: str) -> str:
    """A string as answers print it: in quotes and, as observed, not escaped."""
    return f'"{text}"'


def split(text: bytes, *, blanks: bool = False) -> list[object]:
    """The fields: bytes for an unquoted one, str for a string, None for an omitted one, or
    `Unclosed`. `blanks`: those after a comma do not count (the 2017 document's own examples).
    """
    fields: list[object] = []
    position = 0
    while True:
        if text[position : position + 1] == b'"':
            match = _STRING.match(text, position)
            if match is not None:
                fields.append(decode(_ESCAPE.sub(rb"\1", match[1])))
                position = match.end()
            elif text[position:] == b'"':
                fields.append("")
                position = len(text)
            else:
                fields.append(Unclosed(decode(text[position + 1 :])))
                position = len(text)
        else:
            end = text.find(b",", position)
            end = len(text) if end < 0 else end
            fields.append(text[position:end] if end > position else None)
            position = end
        if position >= len(text):
            return fields
        position += 1  # the comma
        while blanks and text[position : position + 1] == b" ":
            position += 1


class Arguments:
    """A cursor over the fields.

    Each reader takes the next one and raises `CommandRefused` if it is not what it must be.
    """

    def __init__(self, text: bytes, *, blanks: bool = False) -> None:
        self._fields = split(text, blanks=blanks)
        self._next = 0
        self._coded = True

    def without_codes(self) -> Arguments:
        """Refuse ranges, lengths and counts with the bare ERROR, as most TCP/IP commands of 1.0 do."""
        self._coded = False
        return self

    def refusal(self, refusal: CommandRefused) -> CommandRefused:
        """The refusal, or the bare one where this command gives no codes."""
        return refusal if self._coded else CommandRefused()

    @property
    def count(self) -> int:
        return len(self._fields)

    def is_number(self, index: int) -> bool:
        """Whether there is a field without quotes at that place."""
        return index < len(self._fields) and isinstance(self._fields[index], bytes)

    @property
    def index(self) -> int:
        """Which field comes next, counted from 0."""
        return self._next

    @property
    def left(self) -> int:
        """How many fields have not been read."""
        return max(0, len(self._fields) - self._next)

    def expect(self, fewest: int, most: int) -> None:
        """Refuse any other number of fields."""
        if len(self._fields) < fewest:
            raise self.refusal(wrong_count(fewest, len(self._fields)))
        if len(self._fields) > most:
            raise self.refusal(wrong_count(most, len(self._fields)))

    def end(self) -> None:
        """Refuse fields that have not been read."""
        if self.left:
            raise self.refusal(wrong_count(self._next, len(self._fields)))

    def _take(self) -> object:
        """The next field; None if it is left out, `_ABSENT` behind the last."""
        field = self._fields[self._next] if self._next < len(self._fields) else _ABSENT
        self._next += 1
        return field

    @overload
    def integer(self, lowest: int, highest: int) -> int: ...
    @overload
    def integer(self, lowest: int, highest: int, default: T) -> int | T: ...
    def integer(self, lowest: int, highest: int, default: object = _REQUIRED) -> object:
        """A number of that range; `default` if it is omitted."""
        index = self._next
        field = self._take()
        if field in (None, _ABSENT) and default is not _REQUIRED:
            return default
        if field is None:
            raise CommandRefused  # no code for a number left out between commas (sweeps of UART, CWDHCP, 1.0)
        if not isinstance(field, bytes) or not _NUMBER.match(field):
            raise does_not_parse(index)
        sign, digits = (-1, field[1:]) if field.startswith(b"-") else (1, field)
        value = sign * int(digits, 16 if digits[:2].lower() == b"0x" else 10)
        if value > WIDEST and highest <= WIDEST:
            raise CommandRefused  # 2^32 + 1 has no code where 4 has one (real-firmware 9)
        if not lowest <= value <= highest:
            raise self.refusal(out_of_range(index))
        return value

    @overload
    def string(self, longest_bytes: int) -> str: ...
    @overload
    def string(self, longest_bytes: int, default: T) -> str | T: ...
    def string(self, longest_bytes: int, default: object = _REQUIRED) -> object:
        """A quoted string of at most so many bytes; `default` if it is omitted, empty if it is required."""
        index = self._next
        field = self._take()
        if field in (None, _ABSENT) and default is not _REQUIRED:
            return default
        if field is None:
            field = ""  # `=,"x"` has an empty first string (sweep of CWJAP, 1.0)
        if not isinstance(field, str):
            raise does_not_parse(index)
        if len(encode(field)) > longest_bytes:
            raise self.refusal(too_long(index))
        return field

    def word(self, longest_bytes: int) -> str:
        """Any field as text, quoted, unquoted or unclosed; empty if it is omitted."""
        index = self._next
        match self._take():
            case str(text) | Unclosed(text):
                pass
            case bytes(data):
                text = decode(data)
            case _:
                text = ""
        if len(encode(text)) > longest_bytes:
            raise self.refusal(too_long(index))
        return text
