"""patch(), unpatch() and patched(): make the standard library's sockets use the module.

The methods are set on the class `socket.socket` itself, which covers an earlier `from socket import socket`
and every `ssl.SSLSocket`; the look-up functions are set on `_socket` and `socket`. Modules that imported a
look-up function by name, and trio, whose socket methods hold those of `socket.socket`, are changed too. So is
uvloop, also when it is imported later. What no method reaches is refused or named: by an audit hook, and for
gevent and eventlet (`greenlets`), started programs (`spawning`) and C libraries (`native_libraries`).
unpatch() restores every object.
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

from esp32sock import socket as virtual
from esp32sock.net import context, fd_registry, resolver
from esp32sock.net.socket_methods import METHODS
from esp32sock.net.tcp_socket import VirtualStream
from esp32sock.shims import audit, greenlets, native_libraries, spawning, uvloop

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

_MORE_EVENTS: tuple[tuple[str, Callable[..., object]], ...] = (
    ("import", native_libraries.importing),
    ("os.exec", spawning.starting),
    ("os.posix_spawn", spawning.starting),
    ("os.system", spawning.starting_shell),
)
"""What the audit hook is to watch beside sockets."""

_lock = threading.RLock()
_undo: list[tuple[Any, str, Any]] = []  # owner, name, what the owner's own namespace had
_patched = False
_before_leaving: list[Callable[[], None]] = []


def patch() -> None:
    """Make every new socket of this process virtual; existing connections keep working. Idempotent.

    A socket that was made before, or of another class, and connects, binds or sends to what the routes give
    to the module is refused with OSError(EOPNOTSUPP).

    RuntimeError if gevent or eventlet has replaced the socket module. Warns (RuntimeWarning) for a version of
    uvloop or trio that is not supported and would bypass the module.
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
    """Remove the patch. Open connections are plain sockets then, listeners and UDP sockets go on too."""
    with _lock:
        try:
            _unpatch_all()
        except BaseException:
            _unpatch_all()  # after Ctrl-C: a partial patch is worse than a late interrupt
            raise


def is_patched() -> bool:
    """Whether the process is patched."""
    return _patched


@contextmanager
def patched() -> Iterator[None]:
    """patch() within a block. Inside another patch the block changes nothing, at its end either."""
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
    _patch_trio()
    _before_leaving.append(uvloop.install(_set))
    _before_leaving.append(greenlets.install(_set))
    spawning.install(_set)
    context.keep_routes(True)
    native_libraries.name_imported()
    _before_leaving.append(audit.install(_MORE_EVENTS))


def _unpatch_all() -> None:
    """Remove the patch; may be called again after an interrupt at any point."""
    global _patched
    if _patched:
        _keep_methods()
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
    context.keep_routes(False)
    _patched = False


def _keep_methods() -> None:
    """What works only by its methods gets the class that always has them; a connection is left as it is."""
    for sock, state in fd_registry.living():
        is_connection = isinstance(state, VirtualStream) and state.has_stream_link()
        if type(sock) is stdlib.socket and not is_connection:
            sock.__class__ = virtual.socket


def _set(owner: Any, name: str, value: Any) -> None:
    _undo.append((owner, name, vars(owner).get(name, _ABSENT)))
    setattr(owner, name, value)


def _holders(functions: dict[str, Callable[..., Any]]) -> list[tuple[types.ModuleType, str, str]]:
    """Modules, other than esp32sock's, that hold one of `functions`: module, attribute, function name."""
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
    """Replace the methods of trio's sockets, if trio is imported: they hold the original C methods."""
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
            raise greenlets.replaces_sockets(library)


def _gevent_patched() -> bool:
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("socket"))


def _eventlet_patched() -> bool:
    patcher = sys.modules.get("eventlet.patcher")
    return patcher is not None and bool(patcher.is_monkey_patched("socket"))
