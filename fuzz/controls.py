"""The first bytes of an input, which choose settings; an input that is too short has zeros there."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


class Controls:
    """Numbers out of bytes, one after the other; zeros behind the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        """The next byte, 0 to 255."""
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def word(self) -> int:
        """The next two bytes."""
        return self.byte() << 8 | self.byte()

    def choice(self, choices: Sequence[T]) -> T:
        """One of them by the next byte; the first one for zero."""
        return choices[self.byte() % len(choices)]

    def take(self, count: int) -> bytes:
        """The next bytes as they are; fewer at the end."""
        start, self._at = self._at, self._at + count
        return self._data[start : self._at]

    def rest(self) -> bytes:
        """Everything that was not taken."""
        return self.take(len(self._data))

    @property
    def is_over(self) -> bool:
        """Whether only zeros are left."""
        return self._at >= len(self._data)
