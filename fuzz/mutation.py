"""Inputs out of inputs: a few random changes of one, with words of the dictionary and parts of another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

_NUMBER = re.compile(rb"[0-9]{1,6}")
_LINE = re.compile(rb"[^\n]*\n")
MOST_CHANGES = 6
NUMBERS = (0, 1, 2, 4, 5, 9, 255, 256, 1460, 2048, 8192, 65535, 65536, 2**31, 2**32, 10**20)


class Mutator:
    """Draws inputs from a growing corpus; `random` decides everything."""

    def __init__(self, random: Random, words: Sequence[bytes], most_bytes: int) -> None:
        self._random = random
        self._words = words
        self._most_bytes = most_bytes
        self._changes: tuple[Callable[[bytearray, bytes], None], ...] = (
            self._set_byte, self._flip_bit, self._insert_bytes, self._erase, self._copy, self._insert_word,
            self._insert_word, self._replace_by_word, self._change_number, self._take_part, self._repeat_line,
        )  # fmt: skip

    def draw(self, corpus: Sequence[bytes]) -> bytes:
        """A changed one; what was found lately is taken more often."""
        random = self._random
        size = len(corpus)
        at = random.randrange(size) if random.random() < 0.6 else size - 1 - int(size * random.random() ** 3)
        data, other = bytearray(corpus[at]), corpus[random.randrange(size)]
        for _ in range(random.randint(1, MOST_CHANGES)):
            self._changes[random.randrange(len(self._changes))](data, other)
        return bytes(data[: self._most_bytes])

    def _place(self, data: bytearray) -> int:
        return self._random.randrange(len(data) + 1)

    def _span(self, data: bytes | bytearray) -> slice:
        start = self._random.randrange(len(data) + 1)
        return slice(start, start + 1 + int(self._random.expovariate(1 / 12)))

    def _set_byte(self, data: bytearray, other: bytes) -> None:
        if data:
            data[self._random.randrange(len(data))] = self._random.randrange(256)

    def _flip_bit(self, data: bytearray, other: bytes) -> None:
        if data:
            data[self._random.randrange(len(data))] ^= 1 << self._random.randrange(8)

    def _insert_bytes(self, data: bytearray, other: bytes) -> None:
        at = self._place(data)
        data[at:at] = self._random.randbytes(self._random.randint(1, 6))

    def _erase(self, data: bytearray, other: bytes) -> None:
        del data[self._span(data)]

    def _copy(self, data: bytearray, other: bytes) -> None:
        at = self._place(data)
        data[at:at] = data[self._span(data)]

    def _insert_word(self, data: bytearray, other: bytes) -> None:
        at = self._place(data)
        data[at:at] = self._random.choice(self._words)

    def _replace_by_word(self, data: bytearray, other: bytes) -> None:
        data[self._span(data)] = self._random.choice(self._words)

    def _change_number(self, data: bytearray, other: bytes) -> None:
        found = _NUMBER.search(data, self._place(data))
        if found is not None:
            near = int(found[0]) + self._random.randint(-2, 2)
            number = self._random.choice((near, self._random.choice(NUMBERS)))
            data[found.start() : found.end()] = b"%d" % number

    def _take_part(self, data: bytearray, other: bytes) -> None:
        at = self._place(data)
        start = self._random.randrange(len(other) + 1)
        data[at:at] = other[start : start + self._random.randint(1, 200)]

    def _repeat_line(self, data: bytearray, other: bytes) -> None:
        found = _LINE.search(data, self._place(data))
        if found is not None:
            at = self._place(data)
            data[at:at] = found[0] * self._random.randint(1, 3)
