"""The five look-up functions of the C module, answered here, by the host or by the module.

What needs no look-up (numeric hosts, None, services, flags) is left to the C library with AI_NUMERICHOST,
which then asks no server: so errors and their order are the usual ones. A name that no host can have is
refused before anything is sent. The interface is IPv4 only, and so are the answers.
"""

from __future__ import annotations

import _socket
import re
from socket import EAI_ADDRFAMILY, EAI_AGAIN, EAI_NONAME, AddressFamily, SocketKind
from typing import TYPE_CHECKING, Any

from esp32sock.net import context
from esp32sock.net.addresses import ANY, LOOPBACK, numeric

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
    """What `_socket.getaddrinfo` answers, for IPv4 only.

    Blocks while the module looks a name up: as `Interface.resolve` says.
    """
    if context.is_on_host():
        return _host_getaddrinfo(host, port, family, type, proto, flags)
    if family == _socket.AF_UNSPEC:
        family = _socket.AF_INET
    if isinstance(host, str):
        host = host.encode("idna")
    elif host is not None and not isinstance(host, (bytes, bytearray)):
        raise TypeError("getaddrinfo() argument 1 must be string or None")
    if host is not None and b"\0" in host:
        raise _unknown(host.decode("latin-1"), "it contains a NUL")
    numeric_only = flags | _socket.AI_NUMERICHOST
    try:
        return _host_getaddrinfo(host, port, family, type, proto, numeric_only)
    except _socket.gaierror as error:
        if host is None or error.errno != EAI_NONAME or flags & _socket.AI_NUMERICHOST:
            raise
    name = _checked(host.decode("latin-1"))
    if family != _socket.AF_INET:
        raise _socket.gaierror(
            EAI_ADDRFAMILY, f"Address family for hostname not supported: {name!r}: the module is IPv4 only"
        )
    if not _is_own(name) and context.to_host(name):
        found = _host_getaddrinfo(host, port, family, type, proto, flags)
        context.add_host_addresses({str(answer[4][0]) for answer in found})
        return found
    answers: list[AddressInfo] = []
    for address in addresses_of(name):
        answers += _host_getaddrinfo(address, port, family, type, proto, numeric_only & ~_socket.AI_CANONNAME)
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


def address_of(host: str) -> str:
    """The dotted address of checked host text: numeric, '' (any), '<broadcast>', or a name looked up."""
    address = numeric(host)
    if address is not None:
        return address
    name = _checked(host)
    if not _is_own(name) and context.to_host(name):
        answers = _host_getaddrinfo(name, None, _socket.AF_INET, _socket.SOCK_STREAM)
        found = [str(answer[4][0]) for answer in answers]
        context.add_host_addresses(found)
        return found[0]
    return addresses_of(name)[0]


def destination(host: str, using: Interface | None = None) -> tuple[str, bool]:
    """(dotted address, whether the host's own stack serves it) of where to connect or send to.

    As on Linux, any address means this machine itself. `using` is the interface of a socket that has one.
    """
    dotted = address_of(host)
    if dotted == ANY:
        dotted = LOOPBACK
    return dotted, context.to_host(dotted, using)


def addresses_of(name: str) -> list[str]:
    """The addresses that the module finds for a checked name; gaierror if none.

    The name of this host means the station, and `localhost` needs no look-up (RFC 6761).
    """
    if f".{name.rstrip('.').lower()}".endswith(".localhost"):
        return [LOOPBACK]
    interface = context.interface()
    if _is_own(name):
        station = interface.status().station_ip
        if station is None:
            raise _again(name, "that is this host's own name, and the module has no address yet")
        return [station]
    if not interface.may_block():
        raise _again(name, "this thread runs the engine and cannot wait for it; look names up through trio")
    addresses = interface.resolve(name.rstrip("."))
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
