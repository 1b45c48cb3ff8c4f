"""The table of command handlers. Each chapter file registers its own; a profile decides which of them exist.

A handler is registered for a name and its forms. It may be a plain function or a coroutine of the kernel; it
reads `call.arguments`, prints with `call.respond`, and ends in one of three ways: it returns None (OK),
returns another `Result`, or raises `CommandRefused` (ERROR).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeAlias

from esp32sock.simulator.firmware.commands.call import Call, Form, base_name

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.results import Result
    from esp32sock.simulator.profiles.generations import Profile

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
    return HANDLERS.get((base_name(name), form))
