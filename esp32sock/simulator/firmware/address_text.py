"""Addresses as text: what the firmware takes for one."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address

_PART = re.compile(r"0[xX][0-9a-fA-F]+|[0-9]+")


def read_address(text: str) -> str | None:
    """A dotted address as lwIP reads it, or None: parts in decimal, octal or hex, the last one filling the
    rest, blanks behind it (sweep of CIPAP: `1.2.3` is 1.2.0.3, `0x0a.0.2.9` is 10.0.2.9).
    """
    parts: list[int] = []
    rest = text
    while True:
        match = _PART.match(rest)
        if match is None or len(parts) == 4:
            return None
        digits = match[0]
        base = 16 if digits[:2] in ("0x", "0X") else 8 if digits.startswith("0") and len(digits) > 1 else 10
        try:
            parts.append(int(digits, base))
        except ValueError:
            return None
        rest = rest[match.end() :]
        if not rest.startswith("."):
            break
        rest = rest[1:]
    if rest.strip() and not rest[0].isspace():
        return None
    *heads, last = parts
    if any(part > 255 for part in heads) or last >= 1 << 8 * (4 - len(heads)):
        return None
    value = last
    for index, part in enumerate(heads):
        value |= part << 8 * (3 - index)
    return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))


def is_address(text: str) -> bool:
    """Whether the text is a dotted IPv4 address."""
    parts = text.split(".")
    return len(parts) == 4 and all(part.isascii() and part.isdigit() and int(part) < 256 for part in parts)


def read_address_6(text: str) -> str | None:
    """An IPv6 address in its shortest form, without a zone; or None."""
    try:
        return str(IPv6Address(text.partition("%")[0]))
    except AddressValueError:
        return None
