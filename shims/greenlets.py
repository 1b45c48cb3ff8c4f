"""gevent and eventlet after `patch()`: their sockets reach the host's network only where the routes say so.

Both keep socket classes of their own over `_socket.socket`, which `patch()` does not reach. While it is in
force, connecting, binding and sending datagrams with them to anything that the routing table does not give to
the host fails with OSError(EOPNOTSUPP), and to replace the socket module with theirs with RuntimeError. (If
they did that first, `patch()` itself is refused.)
"""

from __future__ import annotations

import functools
import socket as stdlib
from typing import TYPE_CHECKING, Any

from esp32sock.shims.bypass import binds_on_host, is_hosts_own, refuse
from esp32sock.shims.import_hook import when_imported

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    Set = Callable[[Any, str, Any], None]

_CLASSES = {
    "gevent": ("gevent._socket3", "_wrefsocket"),
    "eventlet": ("eventlet.greenio.base", "_original_socket"),
}
"""Where each library keeps the class of its descriptors (gevent 26.9, eventlet 0.41)."""

_MONKEYS: dict[str, dict[str, tuple[str, ...]]] = {
    "gevent": {"gevent.monkey": ("patch_all", "patch_socket")},
    "eventlet": {"eventlet.patcher": ("monkey_patch",), "eventlet": ("monkey_patch",)},
}
"""What replaces the socket module, by the module that holds it."""

_GUARDED_FAMILIES = {stdlib.AF_INET, stdlib.AF_INET6}


def install(set_attribute: Set) -> Callable[[], None]:
    """Guard the classes now or when they are imported; returns a function that cancels the latter."""
    cancels = [
        when_imported(module, _guard(library, name, set_attribute))
        for library, (module, name) in _CLASSES.items()
    ]
    cancels += [
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


def _guard(library: str, class_name: str, set_attribute: Set) -> Callable[[ModuleType], None]:
    def guard(module: ModuleType) -> None:
        cls = getattr(module, class_name, None)
        if not isinstance(cls, type):
            raise ImportError(
                f"this version of {library} is not supported beside esp32sock.patch(): its sockets would "
                f"bypass the module"
            )
        for name, method in _methods(library, cls).items():
            set_attribute(cls, name, method)

    return guard


def _methods(library: str, cls: Any) -> dict[str, Callable[..., Any]]:
    """The replacements for methods of the library's class."""
    own = {name: getattr(cls, name) for name in ("connect", "connect_ex", "bind", "sendto", "sendmsg")}

    def check(sock: Any, name: str, address: Any, allowed: Callable[[Any], bool]) -> None:
        if sock.family in _GUARDED_FAMILIES and isinstance(address, tuple) and not allowed(address[0]):
            refuse(
                f"{name} {address[0]!r}",
                f"the sockets of {library} would bypass the module; use threads, asyncio or trio instead",
            )

    def connect(self: Any, address: Any) -> Any:
        check(self, "connect", address, is_hosts_own)
        return own["connect"](self, address)

    def connect_ex(self: Any, address: Any) -> Any:
        check(self, "connect", address, is_hosts_own)
        return own["connect_ex"](self, address)

    def bind(self: Any, address: Any) -> Any:
        check(self, "bind", address, binds_on_host)
        return own["bind"](self, address)

    def sendto(self: Any, data: Any, *arguments: Any) -> Any:
        check(self, "sendto", arguments[-1] if arguments else None, is_hosts_own)
        return own["sendto"](self, data, *arguments)

    def sendmsg(self: Any, buffers: Any, ancillary: Any = (), flags: int = 0, address: Any = None) -> Any:
        check(self, "sendmsg", address, is_hosts_own)
        return own["sendmsg"](self, buffers, ancillary, flags, *(() if address is None else (address,)))

    return {"connect": connect, "connect_ex": connect_ex, "bind": bind, "sendto": sendto, "sendmsg": sendmsg}
