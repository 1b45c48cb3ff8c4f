"""Where a client of a proxy wants to go."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from esp32sock._address_text import address_text

LONGEST_NAME = 255
"""What SOCKS5 can carry (RFC 1928, section 5)."""
MAX_PORT = 65535


class DestinationError(ValueError):
    """Text that names no host and port."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A name or numeric address, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return address_text(self.host, self.port)

    @property
    def is_ipv6(self) -> bool:
        """Whether it is a numeric address that the module cannot reach."""
        return ":" in self.host


def host_from(raw: bytes) -> str:
    """A name or numeric address as a client sends it; DestinationError for what no host is called.

    An IPv6 address that stands for an IPv4 one is that one. A name that is not ASCII is taken as UTF-8 and
    encoded for the name server.
    """
    try:
        text = raw.decode("utf-8")
        name = text if text.isascii() else text.encode("idna").decode("ascii")
    except UnicodeError:
        raise DestinationError("a host name that is not text") from None
    if not name or len(name) > LONGEST_NAME or not all("!" <= character <= "~" for character in name):
        raise DestinationError("a host name that is empty, too long or not printable")
    return host_of_ipv6(name.removeprefix("[").removesuffix("]")) if ":" in name else name


def host_of_ipv6(text: str) -> str:
    """A numeric IPv6 address, or the IPv4 address that it stands for; DestinationError for other text."""
    try:
        address = IPv6Address(text)
    except AddressValueError:
        raise DestinationError(f"{text!r} is not a host") from None
    return str(address.ipv4_mapped or address)


def parse_destination(text: str, default_port: int | None = None) -> Destination:
    """`HOST:PORT` or `[IPV6]:PORT`; DestinationError if it is neither."""
    host, colon, port = text.rpartition(":")
    if not colon or "]" in port:
        if default_port is None:
            raise DestinationError(f"{text!r} is not HOST:PORT")
        return Destination(host_from(text.encode()), default_port)
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise DestinationError(f"{text!r}: an IPv6 address stands in brackets")
    return Destination(host_from(host.encode()), port_from(port))


def port_from(text: str) -> int:
    """A port number; DestinationError for what is none."""
    if not (text.isascii() and text.isdigit()) or int(text[:6]) > MAX_PORT or len(text) > len("65535"):
        raise DestinationError(f"{text!r} is not a port")
    return int(text)


def is_ipv4(host: str) -> bool:
    """Whether it is a numeric IPv4 address."""
    try:
        IPv4Address(host)
    except AddressValueError:
        return False
    return True
