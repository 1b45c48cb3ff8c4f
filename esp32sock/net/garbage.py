"""The collector, once before a limit is reached: a request that failed may keep its socket in a cycle.

It runs in the thread of the caller, never in that of the engine, which must not stand still for it.
"""

from __future__ import annotations

import errno
import gc
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.net.interface_api import Interface

R = TypeVar("R")


def collect_without_links(interface: Interface) -> None:
    """Collect if the module has no free link; what that closes is free within the wait for a link."""
    if interface.may_block() and not interface.has_free_link():
        gc.collect()


def with_descriptors(make: Callable[[], R]) -> R:
    """What `make` returns; it is called again, after a collection, if there was no descriptor left."""
    try:
        return make()
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise
    gc.collect()
    return make()
