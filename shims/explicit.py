"""What the adapters share: connections through the module, without a patch."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, cast

from esp32sock import socket
from esp32sock.net.context import using
from esp32sock.shims.idle_connections import open_when_free

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from esp32sock.net.interface_api import Interface
    from esp32sock.trio_network import ModuleNetwork

SocketOption = tuple[Any, ...]
"""Level, name and value, as `setsockopt` takes them."""


def blocking(given: Interface | ModuleNetwork | None) -> Interface | None:
    """The module for blocking calls: of a trio program's interface the one for its worker threads."""
    found: Interface | None = getattr(given, "interface", None)
    return found or cast("Interface | None", given)


def through(interface: Interface | None) -> AbstractContextManager[object]:
    """Use `interface` within the block; None is the attached one."""
    return nullcontext() if interface is None else using(interface)


def connect(
    interface: Interface | None,
    address: tuple[str, int],
    timeout: Any,
    source_address: tuple[str, int] | None = None,
    options: Iterable[SocketOption] = (),
) -> socket.socket:
    """A connected TCP socket of the module, like `socket.create_connection`, with `options` set.

    While all links are in use, idle connections of the adapters give way, and it waits as its time-out says.
    """

    def opened() -> socket.socket:
        with through(interface):
            return socket.create_connection(address, timeout, source_address)

    connection = open_when_free(interface, timeout, opened)
    try:
        for option in options:
            connection.setsockopt(*option)
    except BaseException:
        connection.close()
        raise
    return connection


def make(interface: Interface | None, family: int, kind: int, proto: int) -> socket.socket:
    """A new socket of the module."""
    with through(interface):
        return socket.socket(family, kind, proto)
