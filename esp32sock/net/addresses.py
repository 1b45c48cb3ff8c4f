"""Socket addresses as programs write them, checked in the order and with the words of the C module."""

from __future__ import annotations

import _socket
import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from esp32sock.engine.requests import Address

ANY = "0.0.0.0"
LOOPBACK = "127.0.0.1"
BROADCAST = "255.255.255.255"

_getaddrinfo = _socket.getaddrinfo


def parse(caller: str, address: Any) -> Address:
    """(host, port) of an AF_INET address; the host is checked text, not looked up."""
    if not isinstance(address, tuple):
        raise TypeError(f"{caller}(): AF_INET address must be tuple, not {type(address).__name__}")
    if len(address) != 2:
        raise TypeError("AF_INET address must be a pair (host, port)")
    host = host_text(address[0])
    port = operator.index(address[1])
    if not 0 <= port <= 0xFFFF:
        raise OverflowError(f"{caller}(): port must be 0-65535.")
    return host, port


def host_text(host: Any) -> str:
    """A host argument as ASCII text; TypeError for what cannot be one."""
    if isinstance(host, str):
        try:
            encoded = host.encode("ascii") if host.isascii() else host.encode("idna")
        except UnicodeError:
            raise TypeError("encoding of hostname failed") from None
    elif isinstance(host, (bytes, bytearray)):
        encoded = bytes(host)
    else:
        raise TypeError(f"str, bytes or bytearray expected, not {type(host).__name__}")
    if b"\0" in encoded:
        raise TypeError("host name must not contain null character")
    return encoded.decode("latin-1")


def numeric(host: str) -> str | None:
    """The dotted address that `host` already is, in any form the C library takes; None if it is a name.

    Nothing is looked up. '' is any address and '<broadcast>' the broadcast one, as in all socket calls.
    """
    if host == "":
        return ANY
    if host == "<broadcast>":
        return BROADCAST
    try:
        answers = _getaddrinfo(host, None, _socket.AF_INET, _socket.SOCK_STREAM, 0, _socket.AI_NUMERICHOST)
    except _socket.gaierror:
        return None
    return str(answers[0][4][0])
