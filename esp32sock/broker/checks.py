"""What a client says must be before the engine relies on it."""

from __future__ import annotations

import errno
from ipaddress import ip_address
from typing import Any

from esp32sock.broker import protocol, values
from esp32sock.errors import Error


def check_hello(hello: Any) -> None:
    """Error(EPROTO) for what is no Hello of this version."""
    if not isinstance(hello, protocol.Hello):
        raise values.InvalidMessage("the first message is not a Hello")
    if hello.version != protocol.VERSION:
        raise Error(
            f"this broker speaks version {protocol.VERSION} of the protocol and the client version "
            f"{hello.version}: use the same release of esp32sock on both sides",
            errno=errno.EPROTO,
        )


def check(verb: protocol.Verb) -> None:
    """ValueError for numbers and addresses that no client of ours sends: the engine relies on them."""
    match verb:
        case protocol.OpenStream(remote=remote, filler_bytes=filler_bytes):
            _check_remote(remote)
            if not 0 <= filler_bytes <= protocol.MAX_FILLER_BYTES:
                raise ValueError(f"{filler_bytes} bytes of filler")
        case protocol.OpenDatagram(local_port=port, remote=remote):
            _check_port(port)
            if remote is not None:
                _check_remote(remote)
        case protocol.NotePeer(remote=remote):
            _check_remote(remote)
        case protocol.Listen(port=port, backlog=backlog):
            _check_port(port)
            if not 0 <= backlog <= 65535:
                raise ValueError(f"a backlog of {backlog}")


def _check_remote(remote: protocol.Address) -> None:
    ip_address(remote[0])
    _check_port(remote[1])


def _check_port(port: int) -> None:
    if not 0 <= port <= 65535:
        raise ValueError(f"port {port} is outside 0 to 65535")
