"""The methods that make sockets virtual: one set, for the explicit class and for `patch()`.

Each method looks whether the object is ours (one dictionary look-up) and if not does what the standard
library does. `METHODS` is what is set on a class; whatever it does not name works natively on the descriptor.
"""

from __future__ import annotations

import _socket
import errno
import functools
import os
import socket as stdlib
from typing import TYPE_CHECKING, Any

from esp32sock.net import context, fd_registry, foreign_sockets, socketpairs
from esp32sock.net.arguments import refuse_family
from esp32sock.net.error_map import os_error
from esp32sock.net.garbage import with_descriptors
from esp32sock.net.tcp_socket import VirtualStream
from esp32sock.net.udp_socket import VirtualDatagram

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.net.socket_state import SocketState

_FLAGS = _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
_PROTOS = {_socket.SOCK_STREAM: (0, _socket.IPPROTO_TCP), _socket.SOCK_DGRAM: (0, _socket.IPPROTO_UDP)}

# The standard library's own, as they were before any patch.
_stdlib_init = stdlib.socket.__init__
_stdlib_real_close = stdlib.socket._real_close  # type: ignore[attr-defined]
_stdlib_detach = stdlib.socket.detach

_state_by_id = fd_registry.state_by_id


def _init(self: Any, family: int = -1, type: int = -1, proto: int = -1, fileno: Any = None) -> None:  # noqa: A002
    if fileno is not None:
        _init_over(self, family, type, proto, fileno)
    elif context.is_on_host():
        _stdlib_init(self, family, type, proto, fileno)
    elif family in (-1, _socket.AF_INET, _socket.AF_INET6):
        if family == _socket.AF_INET6 and not context.has_ipv6():
            raise os_error(
                errno.EAFNOSUPPORT,
                "the module's IPv6 is off: attach with ipv6=True (from firmware 2.2 on), or use AF_INET",
            )
        family = _socket.AF_INET if family == -1 else family
        _init_virtual(self, family, _socket.SOCK_STREAM if type == -1 else type, 0 if proto == -1 else proto)
    else:
        refuse_family(family)
        _stdlib_init(self, family, type, proto, fileno)


def _init_virtual(self: Any, family: int, flagged: int, proto: int) -> None:
    kind = flagged & ~_FLAGS
    if kind not in _PROTOS or proto not in _PROTOS[kind]:
        raise os_error(
            errno.EPROTONOSUPPORT, f"type {kind} with protocol {proto}: the module has TCP and UDP only"
        )
    if kind == _socket.SOCK_STREAM:
        user_end = with_descriptors(socketpairs.fresh_stream)
        state: SocketState = VirtualStream(proto, socketpairs.key_of(user_end.fileno()), family)
    else:
        end, user_end = with_descriptors(socketpairs.datagram_pair)
        state = VirtualDatagram(proto, socketpairs.key_of(user_end.fileno()), end, family)
    os.set_blocking(user_end.fileno(), not flagged & _socket.SOCK_NONBLOCK)
    _init_owning(self, family, flagged, proto, user_end)
    fd_registry.adopt(self, state)


def _init_owning(self: Any, family: int, type: int, proto: int, user_end: _socket.socket) -> None:  # noqa: A002
    """Make `self` the owner of the descriptor in place of `user_end`; closed if that is interrupted."""
    fd = user_end.fileno()
    try:
        _stdlib_init(self, family, type, proto, user_end.detach())
    except BaseException:
        if user_end.fileno() < 0 and _socket.socket.fileno(self) != fd:
            os.close(fd)
        raise


def _init_over(self: Any, family: int, type: int, proto: int, fileno: Any) -> None:  # noqa: A002
    state = foreign_sockets.find(fileno) if isinstance(fileno, int) and fileno >= 0 else None
    if state is None:
        _stdlib_init(self, family, type, proto, fileno)
        return
    _stdlib_init(
        self,
        state.family if family == -1 else family,
        state.kind if type == -1 else type,
        state.proto if proto == -1 else proto,
        fileno,
    )
    fd_registry.adopt(self, state)


def _real_close(self: Any, *args: Any) -> None:
    state = _state_by_id(id(self))
    try:
        _stdlib_real_close(self, *args)
    finally:
        if state is not None:
            fd_registry.forget(self)
            fd_registry.release_if_unused(state)


def _detach(self: Any) -> int:
    state = fd_registry.forget(self)
    fd = _stdlib_detach(self)
    if state is not None and not fd_registry.has_objects(state):
        fd_registry.park(fd, state)
    return fd


def _accept(self: Any) -> tuple[int, Any]:
    state = _state_by_id(id(self))
    if state is None:
        native: tuple[int, Any] = _socket.socket._accept(self)  # type: ignore[attr-defined]
        return native
    return state.accept_descriptor(self)


def _dispatching(name: str) -> Callable[..., Any]:
    native = getattr(_socket.socket, name)

    @functools.wraps(native)
    def method(self: Any, /, *args: Any) -> Any:
        state = _state_by_id(id(self))
        if state is None:
            return native(self, *args)
        return getattr(state, name)(self, *args)

    return method


def _dispatching_with_keywords(name: str) -> Callable[..., Any]:
    """The same for the few methods that take keywords; it costs a quarter more."""
    native = getattr(_socket.socket, name)

    @functools.wraps(native)
    def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        state = _state_by_id(id(self))
        if state is None:
            return native(self, *args, **kwargs)
        return getattr(state, name)(self, *args, **kwargs)

    return method


_DISPATCHED = (
    "bind",
    "connect",
    "connect_ex",
    "getpeername",
    "getsockname",
    "getsockopt",
    "listen",
    "recv",
    "recvfrom",
    "recvmsg",
    "recvmsg_into",
    "send",
    "sendall",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
)

_DISPATCHED_WITH_KEYWORDS = ("recv_into", "recvfrom_into", "sendmsg_afalg")

METHODS: dict[str, Callable[..., Any]] = {
    "__init__": functools.update_wrapper(_init, _stdlib_init),
    "_accept": functools.update_wrapper(_accept, _socket.socket._accept),  # type: ignore[attr-defined]
    "_real_close": functools.update_wrapper(_real_close, _stdlib_real_close),
    "detach": functools.update_wrapper(_detach, _stdlib_detach),
    **{name: _dispatching(name) for name in _DISPATCHED},
    **{name: _dispatching_with_keywords(name) for name in _DISPATCHED_WITH_KEYWORDS},
}
