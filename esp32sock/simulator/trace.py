"""Observers that write down what a module does: the AT dialogue as text, and the journal as lines of JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from .module import Observer

if TYPE_CHECKING:
    from collections.abc import Callable

SHOWN_BYTES = 120
"""Longer pieces are shortened in the middle (chosen by taste)."""


def escape(data: bytes) -> str:
    """Bytes as the captures write them: `\\r \\n \\\\ \\xNN`."""
    return data.decode("latin-1").encode("unicode_escape").decode("ascii")


def shorten(data: bytes) -> str:
    if len(data) <= SHOWN_BYTES:
        return escape(data)
    half = SHOWN_BYTES // 2
    return f"{escape(data[:half])} ... {escape(data[-half:])}"


class TextTrace(Observer):
    """One line for each write of the host and each burst of the module: seconds, direction, length, bytes."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def host_bytes(self, now_s: float, data: bytes) -> None:
        self._write(f"{now_s:12.6f} H>M {len(data):6d} {shorten(data)}")

    def module_bytes(self, now_s: float, data: bytes) -> None:
        self._write(f"{now_s:12.6f} M>H {len(data):6d} {shorten(data)}")


def line_writer(file: TextIO) -> Callable[[str], None]:
    """Write lines to a file so that a reader sees each at once."""

    def write(line: str) -> None:
        file.write(line + "\n")
        file.flush()

    return write
