"""The table of command handlers. Each chapter file registers its own; a profile decides which of them exist.

A handler is registered for a name and its forms. It may be a plain function or a coroutine of the kernel; it
reads `call.arguments`, prints with `call.say`, and ends in one of three ways: it returns None (OK), returns
another `Result`, or raises `CommandRefused` (ERROR).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.commands.params import Arguments
    from esp32sock.simulator.firmware.commands.results import Result
    from esp32sock.simulator.firmware.firmware import Firmware
    from esp32sock.simulator.firmware.state import State
    from esp32sock.simulator.profiles.generations import Profile

Form: TypeAlias = Literal["t", "q", "s", "e"]
"""Test, query, set, execute: the four digits of AT+CMD?."""


@dataclass(slots=True)
class Call:
    """One command under way."""

    firmware: Firmware
    name: str
    form: Form
    arguments: Arguments
    afterwards: list[Callable[[], None]] = field(default_factory=list)

    @property
    def state(self) -> State:
        return self.firmware.state

    @property
    def profile(self) -> Profile:
        return self.firmware.profile

    def say(self, text: str) -> None:
        """Print a response line."""
        self.firmware.line(text)

    def say_open(self, text: str) -> None:
        """Print a response line without its end: the result's own CR LF ends it (at-dialects 3.1, rule 1)."""
        self.firmware.write(text.encode())

    def remember(self, key: str, value: object) -> None:
        """A setting, kept in flash too unless AT+SYSSTORE=0."""
        self.firmware.memory.set(key, value, store=self.state.store)

    def after(self, action: Callable[[], None]) -> None:
        """Do something once the result has been printed."""
        self.afterwards.append(action)


Handler: TypeAlias = Callable[[Call], "Result | Coroutine[Any, None, Result | None] | None"]

HANDLERS: dict[tuple[str, Form], Handler] = {}


def command(name: str, *forms: Form) -> Callable[[Handler], Handler]:
    """Register a handler for these forms of a command."""

    def register(handler: Handler) -> Handler:
        for form in forms:
            if (name, form) in HANDLERS:
                raise RuntimeError(f"two handlers for {name} {form}")
            HANDLERS[name, form] = handler
        return handler

    return register


def handler_for(profile: Profile, name: str, form: Form) -> Handler | None:
    """The handler, or None if this firmware does not have the command in this form."""
    if form not in profile.commands.get(name, ""):
        return None
    return HANDLERS.get((name, form))
