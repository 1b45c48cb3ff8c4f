"""An audit hook that sees what the methods set by `patch()` do not reach.

Theory of operation. CPython raises an audit event before each connect, bind, datagram and look-up of its C
module `_socket`, whatever the class of the socket: `_socket.socket` itself, subclasses of it, the classes of
gevent and eventlet, that of a reloaded `socket`. The hook asks the routing table and raises OSError for what
is not the host's. Virtual sockets pass, since they ask the table themselves. A hook cannot be removed, so it
looks each event up in a table that is empty while nothing is patched.

Not seen: code in C that calls the kernel itself (see `native_libraries`), `listen` without `bind`, and the
look-up of a host name that is given to `connect` of a C class, which comes before the event.
"""

from __future__ import annotations

import _socket
import sys
from typing import TYPE_CHECKING, Any

from esp32sock.net import context, fd_registry
from esp32sock.net.arguments import refuse_family
from esp32sock.shims.bypass import binds_on_host, is_hosts_own, name_once, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Check = Callable[..., object]

_INTERNET = frozenset({_socket.AF_INET, _socket.AF_INET6})
_family_of = _socket.socket.family.__get__

_UNROUTED = ("esp32sock.simulator.", "esp32sock.net.resolver", "esp32sock.net.addresses")
"""Modules that call `_socket` for the host's own: the network of a simulated module; look-ups by our own
resolver, which has asked the routes."""

_ROUTING = ("esp32sock.net.",)
"""Modules that ask the routes before they use a virtual socket; a C method that is called on one does not."""

_FLAGS = _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC

_LIBC_CALLS = frozenset({
    "connect", "sendto", "sendmsg", "sendmmsg", "getaddrinfo", "gethostbyname", "gethostbyname2",
    "gethostbyname_r", "gethostbyaddr", "getnameinfo", "res_query", "res_search",
})  # fmt: skip

_checks: dict[str, Check] = {}
_is_installed = False


def install(more: Iterable[tuple[str, Check]] = ()) -> Callable[[], None]:
    """Check the events from now on, `more` too; returns what ends that."""
    global _is_installed
    _checks.update(_CHECKS)
    _checks.update(more)
    if not _is_installed:
        sys.addaudithook(_hook)
        _is_installed = True
    return _checks.clear


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    check = _checks.get(event)
    if check is not None:
        check(*arguments)


def _created(sock: Any, family: int, kind: int, proto: int) -> None:
    if context.is_on_host():
        return
    if family not in (-1, *_INTERNET) and not _is_over_descriptor():
        refuse_family(family)
    if family in _INTERNET and kind & ~_FLAGS == _socket.SOCK_RAW and not _caller_is(_UNROUTED):
        refuse("a raw socket", "it would bypass the module, which has TCP and UDP only")


def _is_over_descriptor() -> bool:
    """Whether the standard library makes the socket over a descriptor that is open: then it is no new one."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_globals is _OWN:
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None or frame.f_globals.get("__name__") != "socket" or frame.f_code.co_name != "__init__":
        return False
    return frame.f_locals.get("fileno") is not None


def _connecting(sock: Any, address: Any) -> None:
    _check_peer(sock, address, "connect", is_hosts_own)


def _binding(sock: Any, address: Any) -> None:
    _check_peer(sock, address, "bind", binds_on_host)


def _sending(sock: Any, address: Any) -> None:
    if address is not None:
        _check_peer(sock, address, "send", is_hosts_own)


def _check_peer(sock: Any, address: Any, doing: str, allowed: Callable[[Any], bool]) -> None:
    family = _family_of(sock)
    if family not in _INTERNET:
        if not context.is_on_host():
            refuse_family(family)
        return
    if _caller_is(_UNROUTED if fd_registry.state_by_id(id(sock)) is None else _ROUTING):
        return
    host = address[0] if isinstance(address, tuple) and address else address
    if not allowed(host):
        refuse(f"{doing} {host!r}", f"{_name_of(sock)} would bypass the module; use socket.socket")


def _looking_up(host: Any, *_: Any) -> None:
    if host is None or _caller_is(_UNROUTED) or context.is_on_host() or _is_numeric(host):
        return
    if not is_hosts_own(host):
        refuse(f"look-up of {_shown(host)}", "this copy of the look-up function would bypass the module")


def _looking_up_address(address: Any, *_: Any) -> None:
    host = address[0] if isinstance(address, tuple) and address else address
    if not (_caller_is(_UNROUTED) or is_hosts_own(host)):
        refuse(f"look-up of {_shown(host)}", "this copy of the look-up function would bypass the module")


def _new_interpreter() -> None:
    name_once("a subinterpreter", "is refused: its sockets would bypass the module")
    raise RuntimeError("a subinterpreter would bypass the module")


def _calling_libc(library: object, name: Any) -> None:
    if isinstance(name, str) and name in _LIBC_CALLS:
        name_once("ctypes", f"calls {name}() of a C library, which bypasses the module")


_CHECKS: dict[str, Check] = {
    "socket.__new__": _created,
    "socket.connect": _connecting,
    "socket.bind": _binding,
    "socket.sendto": _sending,
    "socket.sendmsg": _sending,
    "socket.getaddrinfo": _looking_up,
    "socket.gethostbyname": _looking_up,
    "socket.gethostbyaddr": _looking_up_address,
    "socket.getnameinfo": _looking_up_address,
    "cpython.PyInterpreterState_New": _new_interpreter,
    "ctypes.dlsym": _calling_libc,
}


def _caller_is(modules: tuple[str, ...]) -> bool:
    """Whether the call that raised the event comes from one of these modules."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_globals is _OWN:
        frame = frame.f_back  # type: ignore[assignment]
    return frame is not None and str(frame.f_globals.get("__name__", "")).startswith(modules)


_OWN = globals()


def _is_numeric(host: Any) -> bool:
    """Whether the C library answers without asking a server."""
    try:
        text = host if isinstance(host, str) else host.decode("latin-1")
    except AttributeError:
        return True  # of a wrong type, which the function itself reports
    return any(_parses(family, text) for family in _INTERNET)


def _parses(family: int, text: str) -> bool:
    try:
        _socket.inet_pton(family, text.partition("%")[0])
    except (OSError, UnicodeError, ValueError):
        return False
    return True


def _name_of(sock: Any) -> str:
    library = type(sock).__module__.partition(".")[0]
    return "a socket that patch() did not make" if library == "socket" else f"a socket of {library}"


def _shown(host: Any) -> str:
    text = repr(host)
    return text if len(text) <= 80 else f"{text[:80]}..."
