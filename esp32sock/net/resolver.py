"""The five look-up functions of the C module, answered here, by the host or by the module.

What needs no look-up (numeric hosts, None, services, flags) is left to the C library with AI_NUMERICHOST,
which then asks no server: so errors and their order are the usual ones. A name that no host can have is
refused before anything is sent. Where the interface has IPv6, names have addresses of both families: with a
global address of its own those of IPv6 come first (RFC 6724), without one they are looked up only if a
program asks for them alone. Where to listen (no host, or AI_PASSIVE) is IPv4 alone: there is one server.
"""

from __future__ import annotations

import _socket
import re
from socket import EAI_ADDRFAMILY, EAI_AGAIN, EAI_NONAME, AddressFamily, SocketKind
from typing import TYPE_CHECKING, Any

from esp32sock.net import context
from esp32sock.net.addresses import (
    ANY,
    ANY_V6,
    LOOPBACK,
    LOOPBACK_V6,
    is_of_other_family,
    numeric,
    unmapped,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.net.interface_api import Interface

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
HostInfo = tuple[str, list[str], list[str]]

_host_getaddrinfo = _socket.getaddrinfo
# typeshed knows only of text here; the functions take bytes as well.
_host_gethostbyname: Callable[[str | bytes], str] = _socket.gethostbyname  # type: ignore[assignment]
_host_gethostbyname_ex: Callable[[str | bytes], HostInfo] = _socket.gethostbyname_ex  # type: ignore[assignment]
_host_gethostbyaddr: Callable[[str | bytes], HostInfo] = _socket.gethostbyaddr  # type: ignore[assignment]
_host_getnameinfo = _socket.getnameinfo

# Letters, digits, hyphens and (in practice) underscores; RFC 1123 section 2.1, RFC 1035 section 2.3.4.
_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_LONGEST_NAME = 253


def getaddrinfo(
    host: str | bytes | None,
    port: str | bytes | int | None,
    family: int = 0,
    type: int = 0,  # noqa: A002
    proto: int = 0,
    flags: int = 0,
) -> list[AddressInfo]:
    """What `_socket.getaddrinfo` answers: for names, of the families that the interface has.

    Blocks while the module looks a name up: as `Interface.resolve` says.
    """
    if context.is_on_host():
        return _host_getaddrinfo(host, port, family, type, proto, flags)
    if isinstance(host, str):
        host = host.encode("idna")
    elif host is not None and not isinstance(host, (bytes, bytearray)):
        raise TypeError("getaddrinfo() argument 1 must be string or None")
    if host is not None and b"\0" in host:
        raise _unknown(host.decode("latin-1"), "it contains a NUL")
    numeric_only = (flags | _socket.AI_NUMERICHOST) & ~_socket.AI_ADDRCONFIG  # which is the host's
    alone = _socket.AF_INET if host is None and family == _socket.AF_UNSPEC else family
    try:
        return _host_getaddrinfo(host, port, alone, type, proto, numeric_only)
    except _socket.gaierror as error:
        if host is None or error.errno != EAI_NONAME or flags & _socket.AI_NUMERICHOST:
            raise
    name = _checked(host.decode("latin-1"))
    if family != _socket.AF_INET and not context.has_ipv6():
        if family != _socket.AF_UNSPEC:
            raise _socket.gaierror(
                EAI_ADDRFAMILY,
                f"Address family for hostname not supported: {name!r}: the module's IPv6 is off",
            )
        family = _socket.AF_INET
    if not _is_own(name) and context.to_host(name):
        found = _host_getaddrinfo(host, port, family, type, proto, flags)
        context.add_host_addresses({str(answer[4][0]) for answer in found})
        return found
    answers: list[AddressInfo] = []
    plain = numeric_only & ~(_socket.AI_CANONNAME | _socket.AI_V4MAPPED | _socket.AI_ALL)
    for address in _of_families(name, family, flags):
        answers += _host_getaddrinfo(address, port, 0, type, proto, plain)
    if flags & _socket.AI_CANONNAME and answers:
        answers[0] = (*answers[0][:3], name, answers[0][4])
    return answers


def getaddrinfo_enums(
    host: str | bytes | None,
    port: str | bytes | int | None,
    family: int = 0,
    type: int = 0,  # noqa: A002
    proto: int = 0,
    flags: int = 0,
) -> list[AddressInfo]:
    """`getaddrinfo` as the module `socket` gives it: family and type as enums."""
    answers = getaddrinfo(host, port, family, type, proto, flags)
    return [(AddressFamily(answer[0]), SocketKind(answer[1]), *answer[2:]) for answer in answers]


def gethostbyname(hostname: str | bytes, /) -> str:
    """One IPv4 address of a name."""
    if context.is_on_host():
        return _host_gethostbyname(hostname)
    return address_of(_text(hostname, "gethostbyname"))


def gethostbyname_ex(hostname: str | bytes, /) -> HostInfo:
    """(name, no aliases, its IPv4 addresses)."""
    if context.is_on_host():
        return _host_gethostbyname_ex(hostname)
    name = _text(hostname, "gethostbyname_ex")
    if numeric(name) is None and not _is_own(_checked(name)) and context.to_host(name):
        found = _host_gethostbyname_ex(name)
        context.add_host_addresses(found[2])
        return found
    address = numeric(name)
    return name, [], addresses_of(name) if address is None else [address]


def gethostbyaddr(ip_address: str | bytes, /) -> HostInfo:
    """The names of an address; the module has no reverse look-up, so only the host's own are known.

    It answers at once: `getfqdn` calls it, and servers call that while they start.
    """
    if context.is_on_host():
        return _host_gethostbyaddr(ip_address)
    host = _text(ip_address, "gethostbyaddr")
    address = numeric(host)
    if address is None and _is_own(_checked(host)):
        return host, [], addresses_of(host)
    if context.to_host(address or host):
        return _host_gethostbyaddr(host)
    if address == LOOPBACK:
        return "localhost", [], [address]
    if address is not None and address == context.interface().status().station_ip:
        return _socket.gethostname(), [], [address]
    raise _socket.herror(1, "Unknown host")


def getnameinfo(sockaddr: tuple[Any, ...], flags: int, /) -> tuple[str, str]:
    """(host, service) of an address; numeric hosts, except for what the host's own stack serves."""
    if context.is_on_host():
        return _host_getnameinfo(sockaddr, flags)
    try:
        numeric_only = _host_getnameinfo(sockaddr, (flags | _socket.NI_NUMERICHOST) & ~_socket.NI_NAMEREQD)
    except TypeError:
        del sockaddr  # or the traceback would keep the caller's object, as the C function's does not
        raise
    if flags & _socket.NI_NUMERICHOST or context.to_host(numeric_only[0]):
        return _host_getnameinfo(sockaddr, flags)
    if flags & _socket.NI_NAMEREQD:
        raise _unknown(numeric_only[0], "the module has no reverse look-up")
    return numeric_only


def _of_families(name: str, family: int, flags: int) -> list[str]:
    """The numeric addresses of a checked name in the order in which to try them; gaierror if none."""
    if family == _socket.AF_INET:
        return addresses_of(name)
    if family == _socket.AF_INET6:
        return _of_ipv6(name, flags)
    own = context.interface().status().station_ipv6
    if flags & _socket.AI_PASSIVE or all(address.startswith("fe80:") for address in own):
        return addresses_of(name)
    try:
        found = addresses_of(name)
    except _socket.gaierror:
        return addresses_of(name, ipv6=True)
    try:
        return addresses_of(name, ipv6=True) + found
    except _socket.gaierror:
        return found


def _of_ipv6(name: str, flags: int) -> list[str]:
    """As the flags AI_V4MAPPED and AI_ALL say, IPv4 addresses stand for those that are missing."""
    found: list[str] = []
    try:
        found = addresses_of(name, ipv6=True)
    except _socket.gaierror:
        if not flags & _socket.AI_V4MAPPED:
            raise
    if flags & _socket.AI_V4MAPPED and (not found or flags & _socket.AI_ALL):
        found += [f"::ffff:{address}" for address in addresses_of(name)]
    return found


def address_of(host: str, family: int = _socket.AF_INET) -> str:
    """The numeric address of checked host text: numeric, '' (any), '<broadcast>', or a name looked up."""
    address = numeric(host, family)
    if address is not None:
        return address
    if is_of_other_family(host, family):
        raise _socket.gaierror(EAI_ADDRFAMILY, f"Address family for hostname not supported: {host!r}")
    name = _checked(host)
    if not _is_own(name) and context.to_host(name):
        answers = _host_getaddrinfo(name, None, family, _socket.SOCK_STREAM)
        found = [str(answer[4][0]) for answer in answers]
        context.add_host_addresses(found)
        return found[0]
    return addresses_of(name, ipv6=family == _socket.AF_INET6)[0]


def destination(host: str, using: Interface | None = None, family: int = _socket.AF_INET) -> tuple[str, bool]:
    """(numeric address, whether the host's own stack serves it) of where to connect or send to.

    As on Linux, any address means this machine itself. `using` is the interface of a socket that has one.
    """
    dotted = unmapped(address_of(host, family))
    if dotted in (ANY, ANY_V6):
        dotted = LOOPBACK_V6 if dotted == ANY_V6 else LOOPBACK
    return dotted, context.to_host(dotted, using)


def addresses_of(name: str, *, ipv6: bool = False) -> list[str]:
    """The addresses of one family that the module finds for a checked name; gaierror if none.

    The name of this host means the station, and `localhost` needs no look-up (RFC 6761).
    """
    if f".{name.rstrip('.').lower()}".endswith(".localhost"):
        return [LOOPBACK_V6 if ipv6 else LOOPBACK]
    interface = context.interface()
    if _is_own(name):
        status = interface.status()
        own = [*status.station_ipv6] if ipv6 else [status.station_ip] if status.station_ip else []
        if not own:
            raise _again(name, "that is this host's own name, and the module has no address yet")
        return own
    if not interface.may_block():
        raise _again(name, "this thread runs the engine and cannot wait for it; look names up through trio")
    addresses = (
        interface.resolve(name.rstrip("."), ipv6=True) if ipv6 else interface.resolve(name.rstrip("."))
    )
    if not addresses:
        raise _unknown(name, "the module found no address")
    return addresses


def _is_own(name: str) -> bool:
    return name.lower() == _socket.gethostname().lower()


def _text(host: str | bytes, caller: str) -> str:
    encoded = host.encode("idna") if isinstance(host, str) else host
    if not isinstance(encoded, (bytes, bytearray)):
        raise TypeError(f"{caller}() argument 1 must be str, bytes or bytearray, not {type(host).__name__}")
    if b"\0" in encoded:
        raise TypeError(f"{caller}() argument 1 must be encoded string without null bytes, not str")
    return encoded.decode("latin-1")


def _checked(name: str) -> str:
    """The name, if a host can have it; gaierror otherwise, before anything is sent."""
    if len(name.rstrip(".")) > _LONGEST_NAME:
        raise _unknown(name, f"it has {len(name)} characters, a host name has at most {_LONGEST_NAME}")
    if not _NAME.fullmatch(name) or name.rstrip(".").rpartition(".")[2].isdigit():
        raise _unknown(name, "it is not a valid host name")
    return name


def _unknown(name: str, why: str) -> _socket.gaierror:
    shown = name if len(name) <= 80 else name[:80] + "..."
    return _socket.gaierror(EAI_NONAME, f"Name or service not known: {shown!r}: {why}")


def _again(name: str, why: str) -> _socket.gaierror:
    return _socket.gaierror(EAI_AGAIN, f"Temporary failure in name resolution: {name!r}: {why}")
