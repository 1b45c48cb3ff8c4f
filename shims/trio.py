"""trio over an attached module, without a patch: a socket factory and a name resolver.

Both settings hold for one `trio.run`:

    trio.socket.set_custom_socket_factory(esp32sock.shims.trio.SocketFactory())
    trio.socket.set_custom_hostname_resolver(esp32sock.shims.trio.HostnameResolver())

A program without a background thread has its own engine with `esp32sock.trio.open_interface`.
"""

from __future__ import annotations

from socket import AF_INET, SOCK_STREAM
from typing import TYPE_CHECKING, Any

import trio

from esp32sock.attach import default
from esp32sock.net.resolver import getaddrinfo_enums, getnameinfo
from esp32sock.shims.explicit import blocking
from esp32sock.trio_socket import in_worker, open_socket

if TYPE_CHECKING:
    from socket import AddressFamily, SocketKind

    from esp32sock.net.interface_api import Interface
    from esp32sock.trio_network import ModuleNetwork
    from esp32sock.trio_socket import ModuleSocket


class SocketFactory(trio.abc.SocketFactory):
    """Makes trio's sockets virtual: `trio.socket.set_custom_socket_factory(SocketFactory())`.

    `interface` is the one they use; None: that of `esp32sock.default()`, OSError(ENETDOWN) without any.
    """

    def __init__(self, interface: Interface | ModuleNetwork | None = None) -> None:
        self._interface = blocking(interface) or default()

    def socket(
        self,
        family: AddressFamily | int = AF_INET,
        type: SocketKind | int = SOCK_STREAM,  # noqa: A002
        proto: int = 0,
    ) -> ModuleSocket:
        """A new socket.

        OSError(EAFNOSUPPORT) for IPv6 where that is off, OSError(EPROTONOSUPPORT) for neither TCP nor UDP.
        """
        return open_socket(self._interface, family, type, proto)


class HostnameResolver(trio.abc.HostnameResolver):
    """Asks the module for names: `trio.socket.set_custom_hostname_resolver(HostnameResolver())`.

    Names that the routes give to the host are looked up there. Raises `socket.gaierror` as `getaddrinfo`
    does. Cancelling returns at once; the module still answers the question that was put to it.
    """

    def __init__(self, interface: Interface | ModuleNetwork | None = None) -> None:
        self._interface = blocking(interface) or default()

    async def getaddrinfo(
        self,
        host: str | bytes | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,  # noqa: A002
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        return await in_worker(self._interface, getaddrinfo_enums, host, port, family, type, proto, flags)

    async def getnameinfo(self, sockaddr: tuple[Any, ...], flags: int) -> tuple[str, str]:
        return await in_worker(self._interface, getnameinfo, sockaddr, flags)
