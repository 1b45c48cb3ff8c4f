"""gevent and eventlet after `patch()`: replacing the socket module with theirs is refused with RuntimeError.

If they did that first, `patch()` itself is refused. Their own socket classes, over `_socket.socket`, are
left to `audit`: they reach the host's network only where the routes say so.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from esp32sock.shims.import_hook import when_imported

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    Set = Callable[[Any, str, Any], None]

_MONKEYS: dict[str, dict[str, tuple[str, ...]]] = {
    "gevent": {"gevent.monkey": ("patch_all", "patch_socket")},
    "eventlet": {"eventlet.patcher": ("monkey_patch",), "eventlet": ("monkey_patch",)},
}
"""What replaces the socket module, by the module that holds it."""


def install(set_attribute: Set) -> Callable[[], None]:
    """Refuse now, or from their import on; returns a function that cancels the latter."""
    cancels = [
        when_imported(module, _refuse_monkeys(library, names, set_attribute))
        for library, modules in _MONKEYS.items()
        for module, names in modules.items()
    ]

    def forget() -> None:
        for cancel in cancels:
            cancel()

    return forget


def replaces_sockets(library: str) -> RuntimeError:
    """The error for a library that has replaced, or is to replace, the socket module."""
    return RuntimeError(
        f"{library}'s sockets in place of those of the socket module would bypass the module; use esp32sock "
        f"without {library}'s monkey patching, or `from esp32sock import socket`"
    )


def _refuse_monkeys(library: str, names: tuple[str, ...], set_attribute: Set) -> Callable[[ModuleType], None]:
    def refuse_in(module: ModuleType) -> None:
        for name in names:
            own = getattr(module, name, None)
            if own is not None and not hasattr(own, "_refuses_sockets"):
                set_attribute(module, name, _without_sockets(library, name, own))

    return refuse_in


def _without_sockets(library: str, name: str, own: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(own)
    def patching(*arguments: Any, **on: Any) -> Any:
        everything = on.get("all", not any(on.values())) if library == "eventlet" else True
        if name == "patch_socket" or arguments or on.get("socket", everything):
            raise replaces_sockets(library)
        return own(*arguments, **on)

    patching._refuses_sockets = True  # type: ignore[attr-defined]
    return patching
