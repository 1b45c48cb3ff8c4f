"""The address header of a datagram, and addresses as they are compared; the sockets use the same."""

from __future__ import annotations

import socket
from functools import lru_cache
from typing import TYPE_CHECKING

from esp32sock._constants import DATAGRAM_HEADER

if TYPE_CHECKING:
    from esp32sock.engine.requests import Address


def packed_peer(peer: Address, *, ipv6: bool | None = None) -> bytes:
    """The header that names a numeric address; OSError for what is none, in this family if one is given."""
    host, port = peer
    is_v6 = ":" in host if ipv6 is None else ipv6
    family = socket.AF_INET6 if is_v6 else socket.AF_INET
    return DATAGRAM_HEADER.pack(family, port, socket.inet_pton(family, host))


def unpacked_peer(message: bytes) -> Address:
    """The numeric address that stands in front of a message."""
    family, port, packed = DATAGRAM_HEADER.unpack_from(message)
    if family == socket.AF_INET6:
        return socket.inet_ntop(family, packed), port
    return socket.inet_ntoa(packed[:4]), port


@lru_cache(maxsize=64)
def canonical_ipv6(host: str) -> str:
    """An IPv6 address as everything else writes it; the text itself if it is none."""
    try:
        return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, host))
    except OSError:
        return host
