"""The host's own sockets and look-ups, also in a process where those of `socket` have been replaced.

A program that is patched to use the module may run the simulated module in the same process; what the
module opens must then not come back to it.
"""

from __future__ import annotations

import _socket
import inspect
import socket
from typing import Any

HostSocket = _socket.socket
"""The C class under `socket.socket`: patches set their methods on the latter."""

Found = list[tuple[Any, Any, int, str, tuple[Any, ...]]]


def look_up(name: str) -> Found:
    """IPv4 addresses of a name from the host's resolver. Blocks; raises OSError or UnicodeError."""
    original = inspect.unwrap(_socket.getaddrinfo)
    found: Found = original(name, None, socket.AF_INET, socket.SOCK_STREAM)
    return found
