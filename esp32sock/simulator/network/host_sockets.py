"""The host's own sockets and look-ups, also in a process where those of `socket` have been replaced.

A program that is patched to use the module may run the simulated module in the same process; what the
module opens must then not come back to it.
"""

from __future__ import annotations

import _socket
import inspect
import socket
from typing import TYPE_CHECKING, Any

from esp32sock.simulator.network.api import version_of

if TYPE_CHECKING:
    from esp32sock.simulator.network.api import IpVersion

HostSocket = _socket.socket
"""The C class under `socket.socket`: patches set their methods on the latter."""

Found = list[tuple[Any, Any, int, str, tuple[Any, ...]]]


def family_of(address: str) -> int:
    """The address family of an IPv4 or IPv6 address."""
    return socket.AF_INET6 if version_of(address) == 6 else socket.AF_INET


def open_socket(address: str, kind: int) -> HostSocket:
    """A socket of an address' family that does not block; IPv6 excludes IPv4. Raises OSError."""
    family = family_of(address)
    sock = HostSocket(family, kind | socket.SOCK_NONBLOCK)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return sock


def look_up(name: str, version: IpVersion = 4) -> Found:
    """Addresses of a name from the host's resolver. Blocks; raises OSError or UnicodeError."""
    original = inspect.unwrap(_socket.getaddrinfo)
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    found: Found = original(name, None, family, socket.SOCK_STREAM)
    return found
