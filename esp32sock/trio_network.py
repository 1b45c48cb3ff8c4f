"""The network of one module for tasks of trio: what connects, listens and looks names up."""

from __future__ import annotations

import errno
from socket import AF_INET, AF_INET6, AF_UNSPEC, SOCK_DGRAM, SOCK_STREAM
from typing import TYPE_CHECKING, Any

import trio

from esp32sock import socket as virtual
from esp32sock.net.addresses import ANY
from esp32sock.net.resolver import getaddrinfo_enums
from esp32sock.trio_socket import BACKLOG, ModuleSocket, in_worker, open_socket

if TYPE_CHECKING:
    from socket import AddressFamily, SocketKind

    from esp32sock.net.interface_api import Interface

UDP_OPENS_S = 10.0
"""How long `open_udp_socket` waits for the link: an exchange or two, when its turn has come (chosen)."""


class ModuleNetwork:
    """The streams, listeners, datagrams and names of one module, for tasks of trio."""

    def __init__(self, interface: Interface) -> None:
        self._interface = interface

    @property
    def interface(self) -> Interface:
        """The same module for what takes an `Interface`, such as `esp32sock.shims.trio.SocketFactory`.

        Its blocking methods are for worker threads.
        """
        return self._interface

    async def open_tcp_stream(self, host: str | bytes, port: int) -> trio.SocketStream:
        """Connect; the addresses of a name are tried one after another, because links are few.

        OSError that says why the last one failed, `socket.gaierror` if the name has none. Cancelling gives
        the attempt up and leaves no link.
        """
        failure: OSError | None = None
        for family, kind, proto, _, address in await self._look_up(host, port, family=AF_UNSPEC):
            sock = open_socket(self._interface, family, kind, proto)
            try:
                await sock.connect(address)
                return trio.SocketStream(sock)
            except OSError as error:
                sock.close()
                failure = error
            except BaseException:
                sock.close()
                raise
        raise failure or OSError(errno.EADDRNOTAVAIL, f"no address to connect to: {host!r}")

    async def open_tcp_listeners(
        self, port: int, *, host: str = "", backlog: int = BACKLOG
    ) -> list[trio.SocketListener]:
        """Listen on the module's one server: a list of one, as `trio.serve_listeners` takes it.

        Port 0 takes a free one. OSError if the module refuses (EADDRINUSE or EMFILE: it listens already).
        Cancelling stops what was begun.
        """
        sock = open_socket(self._interface, _family_of(host))
        try:
            await sock.bind((host, port))
            await sock.start_listening(backlog)
            return [trio.SocketListener(sock)]
        except BaseException:
            sock.close()
            raise

    async def open_udp_socket(self, remote: tuple[str, int] | None = None) -> ModuleSocket:
        """A UDP socket whose link is open: to any peer, or to this one alone.

        OSError that says why there is none, after UDP_OPENS_S at most from the look-up of the name; until
        then cancelling has no effect.
        """
        family, address = AF_INET, None
        if remote is not None:
            found = await self._look_up(*remote, SOCK_DGRAM, family=AF_UNSPEC)
            family, address = found[0][0], found[0][4]

        def opened() -> virtual.socket:
            with self._interface.use():
                sock = virtual.socket(family, SOCK_DGRAM)
                try:
                    sock.settimeout(UDP_OPENS_S)
                    sock.bind((ANY, 0)) if address is None else sock.connect(address)
                except BaseException:
                    sock.close()
                    raise
                return sock

        return ModuleSocket(await trio.to_thread.run_sync(opened), self._interface)

    def socket(self, type: SocketKind | int = SOCK_STREAM) -> ModuleSocket:  # noqa: A002
        """A socket as those of `trio.socket`; SOCK_DGRAM for UDP."""
        return open_socket(self._interface, AF_INET, type)

    async def resolve(self, host: str) -> list[str]:
        """The IPv4 addresses of a name; `socket.gaierror` if there are none. Cancelling returns at once."""
        return [str(address[0]) for *_, address in await self._look_up(host, None)]

    async def _look_up(
        self,
        host: str | bytes,
        port: int | None,
        kind: SocketKind = SOCK_STREAM,
        *,
        family: AddressFamily = AF_INET,
    ) -> list[Any]:
        return await in_worker(self._interface, getaddrinfo_enums, host, port, family, kind)


def _family_of(host: str) -> AddressFamily:
    return AF_INET6 if ":" in host else AF_INET
