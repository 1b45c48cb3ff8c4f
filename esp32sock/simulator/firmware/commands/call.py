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


STORED, NOT_STORED = "_DEF", "_CUR"
"""How the two forms of a command end that NonOS has of each setting (at-dialects 1.1)."""

OWN_NAMES = ("UART_CUR", "UART_DEF")
"""Those that every firmware has, and whose handlers have both."""


def base_name(name: str) -> str:
    """The command that has the handler."""
    return name if name in OWN_NAMES else name.removesuffix(STORED).removesuffix(NOT_STORED)


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
        self.board.line(self._named(text))

    def _named(self, text: str) -> str:
        """An answer begins with the name under which the command was called."""
        base = f"+{base_name(self.name)}:"
        return f"+{self.name}:{text[len(base) :]}" if text.startswith(base) else text

    def say_why(self, occasion: str) -> None:
        """Print the line that this firmware has for a refusal, if it has one."""
        if line := self.profile.tcpip.words.get(occasion):
            self.board.line(line)

    def respond_open(self, text: str) -> None:
        """Print a response line without its end: the result's own CR LF ends it (at-dialects 3.1, rule 1)."""
        self.board.write(self._named(text).encode())

    def remember(self, key: str, value: object) -> None:
        """A setting, kept in flash too unless AT+SYSSTORE=0 or the command is the one that does not store."""
        self.memory.set(key, value, store=self.state.store and not self.name.endswith(NOT_STORED))

    def after(self, action: Callable[[], None]) -> None:
        """Do something once the result has been printed."""
        self.afterwards.append(action)
