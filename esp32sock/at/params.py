"""Quoting and escaping, both ways: the only place where text becomes part of a command.

Source: at-dialects 4.1 (syntax), 4.1 and the 2.0 sweep for the line limit.
"""

from __future__ import annotations

import re

MAX_LINE_BYTES = 254
"""Without its CR LF. The firmware's limit is 256 in all from 2.1 on; a client stays below it everywhere
(at-dialects 4.1)."""

Param = str | bytes | int | None
"""Text is quoted and escaped, numbers are decimal, None leaves the field empty."""

_SPECIAL = re.compile(rb'[\\",]')
_ENDS_A_COMMAND = re.compile(rb"[\r\n\0]")
_FIELD = re.compile(rb'"(?P<quoted>.*?)"(?=,|$)|(?P<bare>[^,]*)', re.DOTALL)


def utf_8(text: str) -> bytes:
    """The bytes of a text. ValueError, which shows nothing of it, for what UTF-8 does not have."""
    try:
        return text.encode()
    except UnicodeEncodeError:  # it holds the whole text, which may be a password
        raise ValueError("a text holds surrogates, which UTF-8 does not have") from None


def quote(text: str | bytes) -> bytes:
    r"""One string parameter: `ab\,c` becomes `"ab\\\,c"`.

    Raises ValueError for CR, LF and NUL, which no command line can carry (after a NUL firmware 1.0 ignores
    all input until reset, observed). It does not show the text, which may be a password.
    """
    raw = utf_8(text) if isinstance(text, str) else bytes(text)
    if (found := _ENDS_A_COMMAND.search(raw)) is not None:
        where = f"byte {found.start() + 1} of {len(raw)}"
        raise ValueError(f"a text holds a CR, LF or NUL, which an AT command cannot carry ({where})")
    return b'"' + _SPECIAL.sub(rb"\\\g<0>", raw) + b'"'


def _field(value: Param) -> bytes:
    if value is None:
        return b""
    if isinstance(value, int):
        return b"%d" % value
    return quote(value)


def command_line(name: str, *values: Param) -> bytes:
    """`AT+NAME=value,...` without CR LF; trailing None fields are left out, inner ones keep their comma.

    Raises ValueError when a text cannot be carried or the line would be too long for any firmware.
    """
    fields = list(values)
    while fields and fields[-1] is None:
        fields.pop()
    line = b"AT" + name.encode("ascii")
    if fields:
        line += b"=" + b",".join(map(_field, fields))
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"AT{name}: {len(line)} bytes, a command line may have {MAX_LINE_BYTES}")
    return line


def fields(text: bytes) -> list[str]:
    """The values of a response, quotes taken off: `0,"TCP",80` gives `["0", "TCP", "80"]`.

    The firmware prints strings as they are, without escapes, so a quote only ends its field in front of
    a comma or at the end.
    """
    values: list[str] = []
    position = 0
    while position <= len(text):
        match = _FIELD.match(text, position)
        assert match is not None  # the bare alternative matches the empty string
        raw = match["quoted"] if match["quoted"] is not None else match["bare"]
        values.append(raw.decode("utf-8", "replace"))
        position = match.end() + 1
    return values


def after_colon(line: bytes) -> bytes:
    """What stands behind the first colon of `+NAME:values`."""
    return line.partition(b":")[2]
