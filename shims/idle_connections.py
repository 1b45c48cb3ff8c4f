"""What the adapters keep open without using it: an idle connection gives way when another waits for a link.

Theory of operation. HTTP libraries keep connections for later requests, and links are five. Each adapter
registers what it keeps. Who connects through an adapter while no link is free has the idle ones closed, one
after another, and waits until a link is free, as long as its time-out says. Connecting is done by one thread
at a time: on the module it is one command at a time anyway, and two would count on the same free link.
"""

from __future__ import annotations

import errno
import threading
import time
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from esp32sock._constants import LINKS
from esp32sock._monotonic import monotonic
from esp32sock.net import context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from esp32sock.net.interface_api import Interface

R = TypeVar("R")

LINK_WAIT_S = 60.0
"""How long a connection without a time-out waits for a link (chosen)."""
POLL_S = 0.05
"""How often is looked for a connection that has become idle (chosen: the time of a short exchange)."""


class IdleConnections(Protocol):
    """The connections that one pool keeps."""

    @property
    def interface(self) -> Interface | None:
        """Where they are; None is the attached module."""

    def close_idle(self) -> bool:
        """Close one that no request uses; False if there is none. May be called from any thread."""


_kept: weakref.WeakSet[IdleConnections] = weakref.WeakSet()
_connecting: weakref.WeakKeyDictionary[Interface, threading.Lock] = weakref.WeakKeyDictionary()
_registry_lock = threading.Lock()


def most_links(interface: Interface | None) -> int:
    """How many links there can be: those of the interface, of the attached one, or of one module."""
    used = interface or context.attached()
    return LINKS if used is None else used.max_links


def register(pool: IdleConnections) -> None:
    """Let the idle connections of a pool give way, as long as the pool lives."""
    with _registry_lock:
        _kept.add(pool)


def make_room(interface: Interface | None) -> bool:
    """Whether a link is free now; if none is, one idle connection is closed, whose link soon will be."""
    used = interface or context.interface()
    if used.has_free_link():
        return True
    with _registry_lock:
        pools = list(_kept)
    for pool in pools:
        if pool.interface in (None, used) and pool.close_idle():
            return False
    return False


def open_when_free(interface: Interface | None, timeout: Any, opened: Callable[[], R]) -> R:
    """What `opened` returns, called when there may be a link for it.

    Raises what it raises; OSError(EMFILE) only if no link became free within `timeout` seconds.
    """
    bound_s = timeout if isinstance(timeout, int | float) else LINK_WAIT_S
    deadline = monotonic() + bound_s
    with _alone(interface or context.interface(), bound_s):
        while True:
            while not make_room(interface) and monotonic() < deadline:
                time.sleep(POLL_S)
            try:
                return opened()
            except OSError as error:
                if error.errno != errno.EMFILE or monotonic() >= deadline:
                    raise


@contextmanager
def _alone(interface: Interface, timeout: float) -> Iterator[None]:
    """The only one that connects there, unless that takes longer than `timeout`."""
    with _registry_lock:
        lock = _connecting.setdefault(interface, threading.Lock())
    is_alone = lock.acquire(timeout=timeout)
    try:
        yield
    finally:
        if is_alone:
            lock.release()
