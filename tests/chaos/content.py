"""Stream content whose every record names its origin and its offset, and that looks like an AT dialogue.

An origin is a number below 1000: one direction of one socket. Two origins never have the same bytes.
"""

from __future__ import annotations

import re
from functools import lru_cache

LIKE_AT = (
    b"",
    b"\r\nOK\r\n",
    b"+++",
    b"",
    b"\r\n>",
    b"\r\nSEND OK\r\n",
    b"",
    b"\r\n+IPD,0,5:",
    b"0,CLOSED\r\n",
    b"\r\nready\r\n",
    b"",
    b"\r\nERROR\r\n",
    b"busy p...\r\n",
    b"\0\\0",
)
"""Between two records, in turn: what a host must not take for the module's words."""

_NAMED = re.compile(rb"<(\d{3}):(\d{6})>")


@lru_cache(maxsize=256)
def _buffer(origin: int) -> bytearray:
    return bytearray()


def content(origin: int, offset: int, count: int) -> bytes:
    """The bytes of this origin from `offset` on."""
    made = _buffer(origin)
    while len(made) < offset + count:
        record = len(made)
        made += b"<%03d:%06d>" % (origin, record)
        made += LIKE_AT[(record // 12 + origin) % len(LIKE_AT)]
    return bytes(made[offset : offset + count])


def datagram(origin: int, number: int, size: int) -> bytes:
    """A datagram that names itself; at least 12 bytes."""
    head = b"<%03d:%06d>" % (origin, number)
    return head + content(origin, number * 7, max(0, size - len(head)))


def named(data: bytes) -> tuple[int, int] | None:
    """Origin and offset of the first whole record; None without one."""
    match = _NAMED.search(data)
    return None if match is None else (int(match[1]), int(match[2]))


def has_foreign(data: bytes, origin: int) -> bool:
    """Whether three records in a row are of another origin; one or two may be bits turned over."""
    found = [(int(match[1]), int(match[2])) for match in _NAMED.finditer(data)]
    rows = zip(found, found[1:], found[2:], strict=False)
    return any(a[0] == b[0] == c[0] != origin and a[1] < b[1] < c[1] for a, b, c in rows)


def first_difference(got: bytes, expected: bytes) -> int | None:
    """The index of the first byte that differs, also by being too many; None if `got` begins `expected`."""
    if expected.startswith(got):
        return None
    return next((n for n, (a, b) in enumerate(zip(got, expected, strict=False)) if a != b), len(expected))
