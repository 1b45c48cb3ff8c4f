"""Socket addresses as programs write them, checked in the order and with the words of the C module.

Inside, an address is a pair of a host and a port, of either family; the methods of AF_INET6 sockets take and
give tuples of four. An IPv4 address that such a socket names as `::ffff:1.2.3.4` is that IPv4 address.
"""

from __future__ import annotations

import _socket
import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from esp32sock.engine.requests import Address

ANY, ANY_V6 = "0.0.0.0", "::"
LOOPBACK, LOOPBACK_V6 = "127.0.0.1", "::1"
BROADCAST = "255.255.255.255"

_MAPPED = "::ffff:"
_MAX_FLOWINFO = 0xFFFFF

_getaddrinfo = _socket.getaddrinfo


def parse(caller: str, address: Any, family: int = _socket.AF_INET) -> Address:
    """(host, port) of an address of this family; the host is checked text, not looked up."""
    is_ipv6 = family == _socket.AF_INET6
    name = "AF_INET6" if is_ipv6 else "AF_INET"
    if not isinstance(address, tuple):
        raise TypeError(f"{caller}(): {name} address must be tuple, not {type(address).__name__}")
    if is_ipv6 and not 2 <= len(address) <= 4:
        raise TypeError("AF_INET6 address must be a tuple (host, port[, flowinfo[, scopeid]])")
    if not is_ipv6 and len(address) != 2:
        raise TypeError("AF_INET address must be a pair (host, port)")
    host = host_text(address[0])
    port = operator.index(address[1])
    rest = [operator.index(number) for number in address[2:]]
    if not 0 <= port <= 0xFFFF:
        raise OverflowError(f"{caller}(): port must be 0-65535.")
    if rest and not 0 <= rest[0] <= _MAX_FLOWINFO:
        raise OverflowError(f"{caller}(): flowinfo must be 0-1048575.")
    return host, port


def scope_of(address: Any) -> int:
    """The scope of a checked address; 0 where it has none."""
    return operator.index(address[3]) if len(address) == 4 else 0


def named(address: Address, family: int, scope: int = 0) -> Any:
    """An address as the methods of a socket of this family give it; the scope counts on a link only."""
    host, port = address
    if family != _socket.AF_INET6:
        return address
    return (host if ":" in host else _MAPPED + host), port, 0, (scope if host.startswith("fe80:") else 0)


def unmapped(host: str) -> str:
    """The IPv4 address that an IPv6 address stands for, or the address itself."""
    return host.removeprefix(_MAPPED) if host.startswith(_MAPPED) and "." in host else host


def any_of(family: int) -> str:
    """Any address, of this family."""
    return ANY_V6 if family == _socket.AF_INET6 else ANY


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


def numeric(host: str, family: int = _socket.AF_INET) -> str | None:
    """The numeric address that `host` already is, in any form the C library takes; None if it is a name.

    Nothing is looked up. '' is any address and '<broadcast>' the broadcast one, as in all socket calls; a
    zone is left out.
    """
    if host == "":
        return any_of(family)
    if host == "<broadcast>" and family == _socket.AF_INET:
        return BROADCAST
    try:
        answers = _getaddrinfo(host, None, family, _socket.SOCK_STREAM, 0, _socket.AI_NUMERICHOST)
    except _socket.gaierror:
        return None
    return str(answers[0][4][0]).partition("%")[0]


def is_of_other_family(host: str, family: int) -> bool:
    """Whether a host that is not numeric in this family is so in the other one."""
    other = _socket.AF_INET if family == _socket.AF_INET6 else _socket.AF_INET6
    return host != "<broadcast>" and numeric(host, other) is not None
