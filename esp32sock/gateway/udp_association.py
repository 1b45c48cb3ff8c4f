"""UDP through SOCKS5: a socket of the host for the client, and a UDP link of the module.

RFC 1928, section 7. The relay lives as long as the connection that asked for it. It takes datagrams from the
client's address alone, and from one port: the one that the client named, else the first that it sends from.
What cannot be carried is dropped and counted, as a network does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import trio

from esp32sock.gateway.destination import Destination, is_ipv4
from esp32sock.gateway.events import Service
from esp32sock.gateway.failures import is_link_over
from esp32sock.gateway.gateway import Names
from esp32sock.gateway.relay import Transfer
from esp32sock.gateway.socks import LONGEST_DATAGRAM, Datagram, DatagramError, parse_datagram

if TYPE_CHECKING:
    from esp32sock.gateway.connection import Connection
    from esp32sock.gateway.gateway import Gateway

NAMES = 64
"""Looked-up names that a relay keeps (chosen)."""


class UdpAssociation:
    """The relay of one client."""

    def __init__(
        self,
        gateway: Gateway,
        client: Connection,
        client_port: int,
        host_side: trio.socket.SocketType,
        module_side: trio.socket.SocketType,
    ) -> None:
        self._gateway = gateway
        self._control = client
        self._client_host = client.remote[0]
        self._client: tuple[str, int] | None = (self._client_host, client_port) if client_port else None
        self._host_side = host_side
        self._module_side = module_side
        self._addresses: dict[str, str] = {}
        self._transfer = Transfer()

    @classmethod
    async def open(cls, gateway: Gateway, client: Connection, client_port: int) -> UdpAssociation:
        """A relay at the address that the client has connected to; OSError if the module has no link."""
        host = client.local[0]
        family = trio.socket.AF_INET6 if ":" in host else trio.socket.AF_INET
        host_side = trio.socket.socket(family, trio.socket.SOCK_DGRAM)
        try:
            await host_side.bind((host, 0))
            module_side = await gateway.network.open_udp_socket()
            return cls(gateway, client, client_port, host_side, module_side)
        except BaseException:
            host_side.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._host_side.close()
        self._module_side.close()

    @property
    def address(self) -> Destination:
        """Where the client sends its datagrams."""
        host, port, *_ = self._host_side.getsockname()
        return Destination(host, port)

    async def run(self) -> None:
        """Until the client closes its connection, or the link ends."""
        names = Names.of(self._control, self.address)
        self._gateway.connected(Service.UDP, names)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._outward, nursery.cancel_scope)
                nursery.start_soon(self._inward, nursery.cancel_scope)
                await self._wait_closed()
                nursery.cancel_scope.cancel()
        finally:
            transfer = self._transfer
            self._gateway.closed(Service.UDP, names, transfer.bytes_sent, transfer.bytes_received)

    async def _wait_closed(self) -> None:
        try:
            while await self._control.receive():
                pass
        except OSError:
            return

    async def _outward(self, scope: trio.CancelScope) -> None:
        while True:
            try:
                data, sender = await self._host_side.recvfrom(LONGEST_DATAGRAM)
                if not self._is_client(sender[:2]):
                    self._drop()
                    continue
                datagram = parse_datagram(data)
                address = await self._resolved(datagram.address)
                await self._module_side.sendto(datagram.payload, address)
                self._transfer.bytes_sent += len(datagram.payload)
            except DatagramError:
                self._drop()
            except OSError as error:
                self._drop()
                if is_link_over(error):
                    scope.cancel()
                    return

    async def _inward(self, scope: trio.CancelScope) -> None:
        while True:
            try:
                payload, (host, port) = await self._module_side.recvfrom(LONGEST_DATAGRAM)
            except OSError as error:
                if is_link_over(error):
                    scope.cancel()
                    return
                continue
            if self._client is None:
                self._drop()
                continue
            try:
                await self._host_side.sendto(bytes(Datagram(Destination(host, port), payload)), self._client)
                self._transfer.bytes_received += len(payload)
            except OSError:
                self._drop()

    def _is_client(self, sender: tuple[str, int]) -> bool:
        if self._client is None and sender[0] == self._client_host:
            self._client = sender
        return sender == self._client

    async def _resolved(self, target: Destination) -> tuple[str, int]:
        if is_ipv4(target.host):
            return target.host, target.port
        address = self._addresses.get(target.host)
        if address is None:
            (address, *_) = await self._gateway.network.resolve(target.host)
            if len(self._addresses) == NAMES:
                self._addresses.clear()
            self._addresses[target.host] = address
        return address, target.port

    def _drop(self) -> None:
        self._gateway.counters.datagrams_dropped += 1
