"""Which interface the sockets of this thread or task use; `esp32sock/attach.py` hands in the default."""

from __future__ import annotations

import errno
import os
import weakref
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from esp32sock.net.routes import Routes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from esp32sock.net.interface_api import Interface

    Provider = Callable[[], Interface]

PORT_VARIABLE = "ESP32SOCK_PORT"
"""The serial port of programs that name none."""


class _Attached(NamedTuple):
    """The routes of the interface that was attached last."""

    routes: Routes
    interface: weakref.ref[Interface]
    fork_count: int

    def is_attached(self) -> bool:
        interface = self.interface()
        return interface is not None and not interface.is_closed


_forks = 0
_last_attached: _Attached | None = None
_keeps_routes = False
_on_host: ContextVar[bool] = ContextVar("esp32sock_on_host", default=False)
_override: ContextVar[Interface | None] = ContextVar("esp32sock_interface", default=None)
_host_addresses: weakref.WeakKeyDictionary[Interface, set[str]] = weakref.WeakKeyDictionary()


def interface() -> Interface:
    """The interface to use now; OSError(ENETDOWN) if there is none."""
    return _override.get() or _provider()


def attached() -> Interface | None:
    """The interface to use now, if there is one already; nothing is attached for the answer."""
    return _override.get() or (None if _last_attached is None else _last_attached.interface())


def has_ipv6() -> bool:
    """Whether the interface to use now has IPv6; False without an interface that can be asked."""
    try:
        return interface().status().has_ipv6
    except OSError:
        return False


# What `using` says here, if it says anything.
override = _override.get


@contextmanager
def using(interface: Interface) -> Iterator[Interface]:
    """Use this interface in the present thread or task, whatever is attached."""
    token = _override.set(interface)
    try:
        yield interface
    finally:
        _override.reset(token)


def to_host(host: str, using: Interface | None = None) -> bool:
    """Whether the host's own stack serves this numeric address or name; OSError without an interface.

    `using` is the interface of a socket that has one already, also after a fork. Before an interface is
    attached the default routes hold, so that programs can connect to themselves. In a forked child, and in a
    patched program after one was detached, its routes go on to hold.
    """
    try:
        using = using or interface()
    except OSError:
        if _routes_alone().to_host(host):
            return True
        raise
    return using.routes_to_host(host) or host in _host_addresses.get(using, ())


def note_attached(interface: Interface, routes: Routes) -> None:
    """The interface that is attached now; its routes may have to outlive it."""
    global _last_attached
    _last_attached = _Attached(routes, weakref.ref(interface), _forks)


def keep_routes(keep: bool) -> None:
    """Whether the routes of the attached interface, if there is one, hold after it is detached."""
    global _last_attached, _keeps_routes
    _keeps_routes = keep
    if _last_attached is not None and not _last_attached.is_attached():
        _last_attached = None


def _routes_alone() -> Routes:
    """The routes while there is no interface."""
    if _last_attached is not None and (_keeps_routes or _last_attached.fork_count != _forks):
        return _last_attached.routes
    return Routes.from_environment()


@contextmanager
def on_host() -> Iterator[None]:
    """In this thread or task, sockets made and names looked up are the host's, patched or not.

    For what lies below the interface, such as a port that is a TCP connection itself.
    """
    token = _on_host.set(True)
    try:
        yield
    finally:
        _on_host.reset(token)


# Whether `on_host` is in force.
is_on_host = _on_host.get


def add_host_addresses(addresses: Iterable[str]) -> None:
    """The host looked up a name that is its own: so are the addresses, to which programs connect next."""
    with suppress(OSError):
        _host_addresses.setdefault(interface(), set()).update(addresses)


def set_default_provider(provider: Provider) -> Provider:
    """Ask `provider` from now on; returns the one that was asked before."""
    global _provider
    before, _provider = _provider, provider
    return before


def forks() -> int:
    """How many forks lie between the first process and this one; what belongs to an older one is a copy."""
    return _forks


def refuse_after_fork(fork_count: int, using: Interface | None) -> None:
    """OSError if what was made at this fork count belongs to the process that was forked.

    `using` is the interface of a socket that has one already; a broker serves every process.
    """
    if fork_count != _forks and not (using or interface()).is_shared:
        raise OSError(
            errno.EOPNOTSUPP,
            "this socket was made before a fork and the module belongs to the parent process: reading and "
            "writing work here, connecting, binding, listening and accepting do not",
        )


def no_default() -> NoReturn:
    """OSError(ENETDOWN): there is no interface."""
    raise OSError(
        errno.ENETDOWN, f"no module is attached: call esp32sock.attach(port), or set {PORT_VARIABLE}"
    )


def _count_fork() -> None:
    global _forks
    _forks += 1


_provider: Provider = no_default
os.register_at_fork(after_in_child=_count_fork)
