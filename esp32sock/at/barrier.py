"""The barrier: an exchange whose answer cannot be mistaken, to find out where the module stands.

Theory of operation
-------------------
An AT line has no sequence numbers, but a module works one command at a time, in order. So a query whose
answer names it proves, once answered, that every line before it was worked off: an answer that has not come
by then never comes. A module that still runs a command refuses the query with `busy p...`, unharmed
(observed 2.0, 4.1: the refused line is dropped). The query is `AT+CIPMUX?`, which every firmware has, and
whose answer tells a restart by the way: a module that restarted is at 0 again. While one such answer is to
come already, or a command about CIPMUX itself is in flight, `AT+CIPMODE?` takes its place.

Barriers are numbered, since an answer may come when its command is over: it was lost, or `busy p...` to it
did not mean that it was dropped (known-bugs 5). It then settles nothing that was written after it.
"""

from __future__ import annotations

import re

from esp32sock._dataclass import dataclass

QUERIES = {b"CIPMUX": re.compile(rb"\+CIPMUX:([01])"), b"CIPMODE": re.compile(rb"\+CIPMODE:[0-9]")}
"""What may be asked, by the name that the answer bears; the first that is free is taken."""
ANSWER_START = b"+CIPM"
"""Of each answer: no other line need be looked at."""
FORGOTTEN_S = 60.0
"""An answer that has not come for so long never comes; by taste. One that is forgotten and comes all the same
counts for a later barrier; one that was lost costs a barrier more."""


@dataclass(frozen=True, slots=True)
class _Asked:
    name: bytes
    number: int
    at: float


class Barrier:
    """The barriers of one session: what went out, and what is still to come."""

    def __init__(self) -> None:
        self.mux: bool | None = None
        """The CIPMUX of the last answer; None before the first."""
        self.count = 0
        """How many went out; the next one has this number."""
        self._asked: list[_Asked] = []
        self._answered: int | None = None

    def ask(self, command_line: bytes, now: float) -> bytes:
        """The barrier to write behind this command line."""
        self._asked = [asked for asked in self._asked if now - asked.at < FORGOTTEN_S]
        busy = {asked.name for asked in self._asked}
        names = self._beside(command_line)
        name = next((name for name in names if name not in busy), names[0])
        self._asked.append(_Asked(name, self.count, now))
        self.count += 1
        return b"AT+%s?\r\n" % name

    def add(self, text: bytes, command_line: bytes) -> bool:
        """Whether this response line answers a barrier rather than the command in flight."""
        if not text.startswith(ANSWER_START):
            return False
        for name in self._beside(command_line):
            match = QUERIES[name].fullmatch(text)
            if match is not None:
                if match.re.groups:
                    self.mux = match[1] == b"1"
                self._answered = self._take(name)
                return True
        return False

    def is_echo(self, text: bytes) -> bool:
        """Whether this line repeats a barrier that may be answered still."""
        return any(text == b"AT+%s?" % asked.name for asked in self._asked)

    def _take(self, name: bytes) -> int:
        """The number of the oldest barrier of this name; no answer to it or an older one comes any more."""
        for index, asked in enumerate(self._asked):
            if asked.name == name:
                del self._asked[: index + 1]
                return asked.number
        return -1

    def take_result(self) -> int | None:
        """A final result came: the number of the barrier that it ends; None if it is another command's."""
        answered, self._answered = self._answered, None
        return answered

    @staticmethod
    def _beside(command_line: bytes) -> list[bytes]:
        """What cannot be confused with this command line."""
        line = command_line.upper()
        return [name for name in QUERIES if name not in line]

    def reset(self) -> None:
        """The module restarted or the port is gone: no answer is to come."""
        self.mux = None
        self._asked.clear()
        self._answered = None
