"""Bytes of a serial line as text, in the form of the captures of real firmware (real-firmware, section 1)."""

from __future__ import annotations

SHOWN_BYTES = 120
"""`shortened` leaves out the middle of longer pieces; by taste."""


def escaped(data: bytes) -> str:
    r"""All bytes, with `\r \n \\ \xNN` escaped."""
    return data.decode("latin-1").encode("unicode_escape").decode("ascii")


def shortened(data: bytes) -> str:
    """The same, of a long piece its two ends."""
    if len(data) <= SHOWN_BYTES:
        return escaped(data)
    half = SHOWN_BYTES // 2
    return f"{escaped(data[:half])} ... {escaped(data[-half:])}"
