"""One command under way: what a handler is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.simulator.firmware.board import Board
    from esp32sock.simulator.firmware.commands.params import Arguments
    from esp32sock.simulator.firmware.firmware import Firmware
    from esp32sock.simulator.firmware.memory import Memory
    from esp32sock.simulator.firmware.state import State
    from esp32sock.simulator.profiles.generations import Profile

Form: TypeAlias = Literal["t", "q", "s", "e"]
"""Test, query, set, execute: the four digits of AT+CMD?."""


@dataclass(slots=True)
class Call:
    """One command under way, from its line to behind its result."""

    firmware: Firmware
    name: str
    form: Form
    arguments: Arguments
    afterwards: list[Callable[[], None]] = field(default_factory=list)

    @property
    def board(self) -> Board:
        return self.firmware.board

    @property
    def state(self) -> State:
        return self.firmware.board.state

    @property
    def profile(self) -> Profile:
        return self.firmware.board.profile

    @property
    def memory(self) -> Memory:
        return self.firmware.board.memory

    def respond(self, text: str) -> None:
        """Print a response line."""
        self.board.line(text)

    def respond_open(self, text: str) -> None:
        """Print a response line without its end: the result's own CR LF ends it (at-dialects 3.1, rule 1)."""
        self.board.write(text.encode())

    def remember(self, key: str, value: object) -> None:
        """A setting, kept in flash too unless AT+SYSSTORE=0."""
        self.memory.set(key, value, store=self.state.store)

    def after(self, action: Callable[[], None]) -> None:
        """Do something once the result has been printed."""
        self.afterwards.append(action)
