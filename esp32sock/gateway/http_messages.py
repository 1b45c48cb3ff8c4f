"""What a proxy changes in the messages that it passes on; bytes in, bytes out (RFC 9110, section 7)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from esp32sock.gateway.destination import Destination, DestinationError, parse_destination

if TYPE_CHECKING:
    from collections.abc import Iterable

    from esp32sock.gateway.socks import Credentials

Headers = list[tuple[bytes, bytes]]

HTTP_PORT = 80
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"upgrade",
    }
)
"""Headers for the next hop alone. Transfer-Encoding stays: h11 makes the framing of the next hop from it."""
VIA = (b"Via", b"1.1 esp32sock")
ABSOLUTE = re.compile(rb"(?i)http://([^/?#]*)([^#]*)")
SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://")


class TargetError(ValueError):
    """A request for what this proxy cannot reach; `status` is the answer."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def tunnel_target(target: bytes) -> Destination:
    """Of CONNECT; TargetError if it is not HOST:PORT."""
    try:
        return parse_destination(target.decode("ascii"))
    except (UnicodeDecodeError, DestinationError) as error:
        raise TargetError(400, f"CONNECT takes HOST:PORT: {error}") from None


def absolute_target(method: bytes, target: bytes) -> tuple[Destination, bytes]:
    """The server and the path of a whole URL; TargetError for any other target."""
    found = ABSOLUTE.fullmatch(target.partition(b"#")[0])
    if found is None:
        if SCHEME.match(target):
            raise TargetError(501, "this proxy passes on http:// alone; for https:// use CONNECT")
        raise TargetError(400, "this is a proxy for a module: ask it for a whole URL, http://HOST/PATH")
    authority, path = found.groups()
    try:
        destination = parse_destination(authority.rpartition(b"@")[2].decode("ascii"), HTTP_PORT)
    except (UnicodeDecodeError, DestinationError) as error:
        raise TargetError(400, f"no server in the URL: {error}") from None
    if not path and method == b"OPTIONS":
        return destination, b"*"
    return destination, path if path.startswith(b"/") else b"/" + path


def request_headers(headers: Iterable[tuple[bytes, bytes]], destination: Destination) -> Headers:
    """The headers for the server; `Host` is taken from the URL, and the connection ends after the answer."""
    kept = [(name, value) for name, value in passed_on(headers) if name.lower() != b"host"]
    host = str(destination).removesuffix(f":{HTTP_PORT}").encode()
    return [(b"Host", host), *kept, VIA, (b"Connection", b"close")]


def response_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers for the client."""
    return [*passed_on(headers), VIA]


def passed_on(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Those that are not for this hop alone; a length beside chunks, which only deceives, is left out."""
    given = list(headers)
    named = {
        token.strip().lower()
        for name, value in given
        if name.lower() == b"connection"
        for token in value.split(b",")
    }
    dropped = HOP_BY_HOP | (named - {b"transfer-encoding", b"content-length", b"host"})
    if any(name.lower() == b"transfer-encoding" for name, _ in given):
        dropped |= {b"content-length"}
    return [(name, value) for name, value in given if name.lower() not in dropped]


def is_authorized(headers: Iterable[tuple[bytes, bytes]], credentials: Credentials | None) -> bool:
    """Whether a request has the name and password, if any are wanted (RFC 7617)."""
    if credentials is None:
        return True
    given = next((value for name, value in headers if name.lower() == b"proxy-authorization"), b"")
    scheme, _, encoded = given.partition(b" ")
    try:
        name, _, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except binascii.Error:
        return False
    return scheme.lower() == b"basic" and credentials.match(name, password)
