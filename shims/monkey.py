"""patch(), unpatch() and patched(): the standard library's own sockets become those of the module.

Methods are set in place on the class `socket.socket`, so code that said `from socket import socket` before,
and every `ssl.SSLSocket`, is served too; the look-up functions are set on `_socket` and `socket`. Two kinds
of early importers hold what cannot be changed in place, and are changed themselves: modules that imported a
look-up function by name, and trio, whose socket methods hold those of `socket.socket`; uvloop is seen to
whenever it is imported. unpatch() puts every
object back that was there.
"""

from __future__ import annotations

import _socket
import functools
import socket as stdlib
import sys
import threading
import types
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from esp32sock.net import resolver
from esp32sock.net.socket_methods import METHODS
from esp32sock.shims import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ABSENT = object()

_LOOK_UPS: dict[str, Callable[..., Any]] = {
    name: functools.update_wrapper(ours, getattr(_socket, name))
    for name, ours in (
        ("getaddrinfo", resolver.getaddrinfo),
        ("gethostbyname", resolver.gethostbyname),
        ("gethostbyname_ex", resolver.gethostbyname_ex),
        ("gethostbyaddr", resolver.gethostbyaddr),
        ("getnameinfo", resolver.getnameinfo),
    )
}

_lock = threading.RLock()
_undo: list[tuple[Any, str, Any]] = []  # owner, name, what the owner's own namespace had
_patched = False
_before_leaving: list[Callable[[], None]] = []


def patch() -> None:
    """Make every socket of this process virtual from now on; what exists keeps working. Idempotent.

    RuntimeError if gevent or eventlet has replaced the socket module. Warns (RuntimeWarning) if uvloop or
    trio is of a version that is not known, and would go around the module.
    """
    global _patched
    with _lock:
        if _patched:
            return
        _refuse_green()
        _patched = True
        try:
            _patch_all()
        except BaseException:
            unpatch()
            raise


def unpatch() -> None:
    """Put everything back. Virtual sockets that are open keep their connection, not their virtual methods."""
    with _lock:
        try:
            _unpatch_all()
        except BaseException:
            _unpatch_all()  # Ctrl-C came in between: half a patch would be worse than a late interrupt
            raise


def is_patched() -> bool:
    """Whether patch() is in force."""
    return _patched


@contextmanager
def patched() -> Iterator[None]:
    """patch() for a while. Inside another patch it changes nothing, also not at its end."""
    nested = True
    try:
        with _lock:
            nested = _patched
            patch()
        yield
    finally:
        if not nested:
            unpatch()


def _patch_all() -> None:
    early = _holders({name: getattr(_socket, name) for name in _LOOK_UPS})
    for name, method in METHODS.items():
        _set(stdlib.socket, name, method)
    for name, function in _LOOK_UPS.items():
        original = getattr(_socket, name)
        _set(_socket, name, function)
        if getattr(stdlib, name) is original:  # getaddrinfo is a function of its own, over _socket's
            _set(stdlib, name, function)
    for module, attribute, name in early:
        _set(module, attribute, _LOOK_UPS[name])
    for module in (_socket, stdlib):
        _set(module, "has_ipv6", False)
    _patch_trio()
    _before_leaving.append(uvloop.install(_set))


def _unpatch_all() -> None:
    """May be interrupted anywhere and called again."""
    global _patched
    while _undo:
        owner, name, before = _undo[-1]
        if before is not _ABSENT:
            setattr(owner, name, before)
        elif name in vars(owner):
            delattr(owner, name)
        _undo.pop()
    while _before_leaving:
        _before_leaving[-1]()
        _before_leaving.pop()
    for module, attribute, name in _holders(_LOOK_UPS):
        setattr(module, attribute, getattr(_socket, name))  # imported while the patch was in force
    _patched = False


def _set(owner: Any, name: str, value: Any) -> None:
    _undo.append((owner, name, vars(owner).get(name, _ABSENT)))
    setattr(owner, name, value)


def _holders(functions: dict[str, Callable[..., Any]]) -> list[tuple[types.ModuleType, str, str]]:
    """Modules that hold one of these look-up functions, as what, and which; our own must keep them."""
    names = {id(function): name for name, function in functions.items()}
    return [
        (module, attribute, names[id(value)])
        for module in list(sys.modules.values())
        if isinstance(module, types.ModuleType) and module not in (_socket, stdlib)
        if not module.__name__.startswith("esp32sock.")
        for attribute, value in list(vars(module).items())
        if id(value) in names
    ]


def _patch_trio() -> None:
    """Let trio's socket methods, if it was imported before, call ours: they hold the C module's own."""
    inner = sys.modules.get("trio._socket")
    if inner is None:
        return
    try:
        cls, wrap = inner._SocketType, inner._make_simple_sock_method_wrapper
        readable, writable = inner._core.wait_readable, inner._core.wait_writable
    except AttributeError:
        warnings.warn(
            "trio was imported before esp32sock.patch(), and this version is not supported: its UDP sockets "
            "may bypass the patch; call patch() before importing trio",
            RuntimeWarning,
            stacklevel=4,
        )
        return
    receiving = ("recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg", "recvmsg_into")
    waits = {**dict.fromkeys(receiving, readable), "send": writable}
    for name, wait in waits.items():
        if name in vars(cls):
            _set(cls, name, wrap(METHODS[name], wait))


def _refuse_green() -> None:
    for library, asks in (("gevent", _gevent_patched), ("eventlet", _eventlet_patched)):
        if asks():
            raise RuntimeError(
                f"{library} has replaced the socket module, so its sockets would bypass the module; "
                f"use esp32sock without {library}'s monkey patching, or `from esp32sock import socket`"
            )


def _gevent_patched() -> bool:
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("socket"))


def _eventlet_patched() -> bool:
    patcher = sys.modules.get("eventlet.patcher")
    return patcher is not None and bool(patcher.is_monkey_patched("socket"))
