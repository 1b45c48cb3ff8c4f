"""One UDP port of a module on the host's network.

It is up to three sockets: at the module's own address, for everything on this machine; at the broadcast
address of the loopback, for what is meant for all; and, once it is needed, one that can reach the network
beyond. A broadcast of a module never leaves this machine.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from esp32sock.simulator.network.api import version_of
from esp32sock.simulator.network.host_addresses import (
    BROADCAST,
    LOOPBACK,
    LOOPBACK_6,
    bind_or_move,
    is_loopback,
)
from esp32sock.simulator.network.host_sockets import open_socket

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.simulator.network.host_sockets import HostSocket

READ_BYTES = 65536


def _open(address: str, port: int, *, shared: bool = False) -> HostSocket:
    sock = open_socket(address, socket.SOCK_DGRAM)
    try:
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock


class Datagrams:
    """The sockets of one port, at `address`, the module's own."""

    def __init__(self, address: str, port: int, *, received: Callable[[bytes, str, int], None]) -> None:
        """`received` gets each datagram with its sender. Raises OSError if the port cannot be had."""
        self._address = address
        self._received = received
        own = bind_or_move(lambda where: _open(address, where), port)
        self.host_port: int = own.getsockname()[1]
        self.port = port or self.host_port
        """As the module has it."""
        self.version = version_of(address)
        self._own = own
        self._sockets = [own]
        self._beyond: HostSocket | None = None
        if address not in (LOOPBACK, LOOPBACK_6):
            with suppress(OSError):
                self._sockets.append(_open(BROADCAST, self.host_port, shared=True))

    def start(self, nursery: trio.Nursery) -> None:
        for sock in self._sockets:
            nursery.start_soon(self._receive, sock)

    def send(self, data: bytes, address: str, port: int, nursery: trio.Nursery) -> None:
        """Send one datagram; it may always be lost."""
        sock = self._own if is_loopback(address) else self._socket_beyond(nursery)
        if sock is not None:
            with suppress(OSError):
                sock.sendto(data, (address, port))

    def _socket_beyond(self, nursery: trio.Nursery) -> HostSocket | None:
        if self._beyond is None:
            for port in (self.host_port, 0):  # another port if that one is taken everywhere
                try:
                    self._beyond = _open("::" if self.version == 6 else "0.0.0.0", port)
                except OSError:
                    continue
                self._sockets.append(self._beyond)
                nursery.start_soon(self._receive, self._beyond)
                break
        return self._beyond

    def close(self) -> None:
        for sock in self._sockets:
            with suppress(OSError):
                trio.lowlevel.notify_closing(sock)
            sock.close()
        self._sockets.clear()

    async def _receive(self, sock: HostSocket) -> None:
        while True:
            try:
                data, (address, port, *_) = sock.recvfrom(READ_BYTES)
            except BlockingIOError:
                try:
                    await trio.lowlevel.wait_readable(sock)
                except trio.ClosedResourceError:
                    return
            except OSError:
                if sock.fileno() < 0:
                    return
                await trio.lowlevel.checkpoint()  # ICMP said something about an earlier datagram
            else:
                if sock is self._own or (address, port) != (self._address, self.host_port):
                    self._received(data, address, port)
                await trio.lowlevel.checkpoint()
