"""aiohttp over the module, without a patch.

connector = esp32sock.shims.aiohttp.connector()
async with aiohttp.ClientSession(connector=connector) as session: ...
"""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from esp32sock import socket
from esp32sock.shims.explicit import blocking, make, through
from esp32sock.shims.idle_connections import LINK_WAIT_S, POLL_S, make_room, most_links, register

if TYPE_CHECKING:
    from esp32sock.net.interface_api import Interface
    from esp32sock.trio_network import ModuleNetwork


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


class _Connector(aiohttp.TCPConnector):
    """Waits for a link before it connects; its idle connections give way to others."""

    def __init__(self, interface: Interface | None, **options: Any) -> None:
        super().__init__(**options)
        self.interface = interface
        self._opening = asyncio.Lock()
        register(self)

    async def _create_connection(self, *request: Any) -> Any:
        async with self._opening:
            deadline = self._loop.time() + LINK_WAIT_S
            while True:
                await self._wait_for_link(deadline)
                try:
                    return await super()._create_connection(*request)
                except OSError as error:
                    if error.errno != errno.EMFILE or self._loop.time() >= deadline:
                        raise

    async def _wait_for_link(self, deadline: float) -> None:
        """In a thread, since a broker is asked; a request's own time-out cancels it."""
        while not await asyncio.to_thread(make_room, self.interface):
            if self._loop.time() >= deadline:
                return
            await asyncio.sleep(POLL_S)

    def close_idle(self) -> bool:
        """Close one connection that no request uses; False if there is none. In any thread."""
        if self.closed or not self._conns:
            return False
        self._loop.call_soon_threadsafe(self._close_one)
        return True

    def _close_one(self) -> None:
        for key, kept in list(self._conns.items()):
            if kept:
                protocol, _ = kept.popleft()  # the one that has been idle longest
                protocol.close()
            if not kept:
                del self._conns[key]
            return


def connector(interface: Interface | ModuleNetwork | None = None, **options: Any) -> aiohttp.TCPConnector:
    """A TCPConnector that connects and resolves through the attached module, or through `interface`.

    Unless `limit` says otherwise, it has as many connections as the module has links.
    """

    def socket_factory(address: tuple[Any, ...]) -> socket.socket:
        family, kind, proto, _, _ = address
        return make(used, family, kind, proto)

    used = blocking(interface)
    options = {"limit": most_links(used), **options}
    return _Connector(used, resolver=Resolver(used), socket_factory=socket_factory, **options)
