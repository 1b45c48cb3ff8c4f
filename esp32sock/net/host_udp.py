"""A UDP socket that the host's own stack serves: everything is native, but it must not reach past the module.

A datagram socket may send to one peer of the host and to another of the module. Which of them serves it is
decided once, by the first; a later destination on the other side is refused, not sent the wrong way.
"""

from __future__ import annotations

import _socket
import errno
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from esp32sock.net import socketpairs
from esp32sock.net.addresses import named, parse, scope_of
from esp32sock.net.arguments import sendto_arguments
from esp32sock.net.error_map import os_error
from esp32sock.net.resolver import destination

if TYPE_CHECKING:
    from collections.abc import Iterable

    from esp32sock.net.interface_api import Interface

C = _socket.socket


class HostUdpSocket:
    """Stands where the state of a virtual socket stood; what it does not say, the C module does."""

    kind = _socket.SOCK_DGRAM

    def __init__(
        self, proto: int, key: socketpairs.Key, interface: Interface | None, family: int = _socket.AF_INET
    ) -> None:
        self.proto = proto
        self.family = family
        self.key = key
        self.interface = interface

    def __getattr__(self, name: str) -> Any:
        return getattr(C, name)

    def connect(self, sock: C, address: Any, /) -> None:
        C.connect(sock, self._of_host("connect", address))

    def connect_ex(self, sock: C, address: Any, /) -> int:
        try:
            return C.connect_ex(sock, self._of_host("connect_ex", address))
        except _socket.gaierror:
            raise
        except OSError as error:
            return error.errno or errno.EIO

    def sendto(self, sock: C, /, *arguments: Any) -> int:
        data, flags, address = sendto_arguments(arguments)
        return C.sendto(sock, data, flags, self._of_host("sendto", address))

    def sendmsg(
        self, sock: C, buffers: Iterable[Any], ancdata: Any = (), flags: int = 0, address: Any = None, /
    ) -> int:
        where = None if address is None else self._of_host("sendmsg", address)
        return C.sendmsg(sock, buffers, ancdata, flags, where)

    def accept_descriptor(self, sock: C, /) -> tuple[int, Any]:
        accepted: tuple[int, Any] = C._accept(sock)  # type: ignore[attr-defined]
        return accepted

    def _of_host(self, doing: str, address: Any) -> Any:
        host, port = parse(doing, address, self.family)
        dotted, direct = destination(host, self.interface, self.family)
        if not direct:
            raise os_error(
                errno.ENETUNREACH,
                f"{doing}: this socket is the host's own since its first address, {dotted} is the module's; "
                "use one socket for each",
            )
        return named((dotted, port), self.family, scope_of(address))

    # What the registry and trio's sockets ask of every state.

    def unused(self) -> bool:
        return False

    def raise_error(self, doing: str) -> None:
        """Nothing is ever reported late."""

    def is_descriptor_open(self, fd: int) -> bool:
        with suppress(OSError):
            return socketpairs.key_of(fd) == self.key
        return False

    def release(self) -> None:
        """Nothing but the descriptor belongs to it."""
