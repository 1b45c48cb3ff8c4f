"""Arguments of the data methods, checked as the C module does; what a module cannot carry is refused."""

from __future__ import annotations

import _socket
import errno
from typing import TYPE_CHECKING, Any

from esp32sock._constants import ESCAPE_SEQUENCE, MAX_DATAGRAM_BYTES
from esp32sock.net.addresses import BROADCAST
from esp32sock.net.error_map import os_error

if TYPE_CHECKING:
    from esp32sock.net.interface_api import Address


LOCAL_FAMILIES = frozenset(
    getattr(_socket, name)
    for name in ("AF_UNIX", "AF_NETLINK", "AF_ALG", "AF_KEY", "AF_CAN", "AF_BLUETOOTH")
    if hasattr(_socket, name)
)
"""Families that reach no other machine by this host's network."""


def refuse_family(family: int) -> None:
    """OSError(EAFNOSUPPORT) for an address family by which a socket would reach the host's network."""
    if family not in LOCAL_FAMILIES:
        names = [name for name, value in vars(_socket).items() if name.startswith("AF_") and value == family]
        raise os_error(
            errno.EAFNOSUPPORT,
            f"{names[0] if names else f'family {family}'} would bypass the module; use AF_INET",
        )


def refuse_out_of_band(flags: int) -> None:
    """OSError(EOPNOTSUPP) for MSG_OOB, which AF_UNIX would take in silence."""
    if flags & _socket.MSG_OOB:
        raise os_error(errno.EOPNOTSUPP, "an ESP32 with AT firmware has no out-of-band data")


def refuse_ancillary(ancdata: Any) -> None:
    """Check ancillary data as the C module does; OSError(EOPNOTSUPP) if there is any."""
    try:
        items = list(ancdata)
    except TypeError:
        raise TypeError("sendmsg() argument 2 must be iterable") from None
    for item in items:
        if not isinstance(item, tuple) or len(item) != 3:
            raise TypeError("sendmsg() ancillary data items are 3-tuples (level, type, data)")
        level, kind, data = item
        if not isinstance(level, int) or not isinstance(kind, int):
            raise TypeError("an integer is required for cmsg_level and cmsg_type")
        memoryview(data)
    if items:
        raise os_error(errno.EOPNOTSUPP, "an ESP32 with AT firmware carries no ancillary data")


def bytes_like(data: Any) -> memoryview:
    """The bytes of an argument that must be bytes-like."""
    try:
        return memoryview(data).cast("B")
    except TypeError:
        raise TypeError(f"a bytes-like object is required, not {type(data).__name__!r}") from None


def sendto_arguments(arguments: tuple[Any, ...]) -> tuple[memoryview, int, Any]:
    """(data, flags, address) of `sendto(data[, flags], address)`."""
    if not 2 <= len(arguments) <= 3:
        raise TypeError(f"sendto() takes 2 or 3 arguments ({len(arguments)} given)")
    data = bytes_like(arguments[0])
    flags = arguments[1] if len(arguments) == 3 else 0
    if not isinstance(flags, int):
        raise TypeError(f"{type(flags).__name__!r} object cannot be interpreted as an integer")
    return data, flags, arguments[-1]


def refuse_datagram(remote: Address, views: list[memoryview], *, may_broadcast: bool) -> None:
    """OSError for what the module cannot send as one datagram to this address."""
    dotted, port = remote
    size_bytes = sum(len(view) for view in views)
    if size_bytes > MAX_DATAGRAM_BYTES:
        raise os_error(
            errno.EMSGSIZE, f"{size_bytes} bytes in a datagram; the module sends {MAX_DATAGRAM_BYTES}"
        )
    if not size_bytes:
        raise os_error(errno.EMSGSIZE, "the module cannot send an empty datagram")
    if size_bytes == len(ESCAPE_SEQUENCE) and b"".join(views) == ESCAPE_SEQUENCE:
        raise os_error(errno.EMSGSIZE, "the module cannot send a datagram that is exactly +++")
    if port == 0:
        raise os_error(errno.EINVAL, "send: port 0 is not a valid destination")
    if dotted == BROADCAST and not may_broadcast:
        raise os_error(errno.EACCES, "set SO_BROADCAST to send to a broadcast address")


def shorter(one: float | None, other: float | None) -> float | None:
    """The shorter of two time-outs, None for none at all."""
    given = [seconds for seconds in (one, other) if seconds is not None]
    return min(given) if given else None


def buffer_room(buffer: Any, nbytes: int, caller: str, too_small: str) -> memoryview:
    """The part of a caller's buffer to fill, checked as the C module does."""
    view = memoryview(buffer).cast("B")
    if nbytes < 0:
        raise ValueError(f"negative buffersize in {caller}")
    if nbytes > len(view):
        raise ValueError(too_small)
    return view[: nbytes or len(view)]
