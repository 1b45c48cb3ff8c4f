"""aiohttp over the module, without a patch.

connector = esp32sock.shims.aiohttp.connector()
async with aiohttp.ClientSession(connector=connector) as session: ...
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from esp32sock import socket
from esp32sock.shims.explicit import make, through

if TYPE_CHECKING:
    from esp32sock.net.interface_api import Interface


class Resolver(AbstractResolver):
    """Looks names up through the module."""

    def __init__(self, interface: Interface | None = None) -> None:
        self._interface = interface

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name; socket.gaierror if there are none or the module lacks the `family`."""
        found = await asyncio.get_running_loop().run_in_executor(None, self._look_up, host, port, family)
        return [
            ResolveResult(
                hostname=host,
                host=address[0],
                port=int(address[1]),
                family=kind,
                proto=proto,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, proto, _, address in found
        ]

    def _look_up(self, host: str, port: int, family: int) -> list[Any]:
        with through(self._interface):
            return socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)

    async def close(self) -> None:
        """Do nothing: the resolver holds no resources."""


def connector(interface: Interface | None = None, **options: Any) -> aiohttp.TCPConnector:
    """A TCPConnector that connects and resolves through the attached module, or through `interface`."""

    def socket_factory(address: tuple[Any, ...]) -> socket.socket:
        family, kind, proto, _, _ = address
        return make(interface, family, kind, proto)

    return aiohttp.TCPConnector(resolver=Resolver(interface), socket_factory=socket_factory, **options)
