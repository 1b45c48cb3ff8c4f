"""The broker: engines in one trio run, and a Unix socket where the clients of all of them call."""

from __future__ import annotations

import _socket
import errno
import logging
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from esp32sock._build import BUILD
from esp32sock.broker import protocol
from esp32sock.broker.access import Access, peer_of
from esp32sock.broker.server_links import SocketTable
from esp32sock.broker.session import Session
from esp32sock.errors import Error

if TYPE_CHECKING:
    from collections.abc import Iterable

    from esp32sock.engine.engine import Engine

MAX_CLIENTS = 256
"""Chosen; each takes a descriptor, and two for each of its links."""
NO_ROOM_S = 0.2
"""Between two looks whether there are descriptors again."""

log = logging.getLogger("esp32sock")


@dataclass(eq=False)
class ServedModule:
    """One engine, and what its clients have open; `name` is the port's, or what a file calls the module."""

    name: str
    engine: Engine
    sockets: SocketTable = field(default_factory=SocketTable)
    clients: int = 0

    def status(self) -> protocol.Status:
        engine = self.engine
        links = tuple(engine.links().items())
        return protocol.Status(
            engine.options.url,
            str(engine.firmware),
            BUILD,
            engine.station_ip,
            links,
            self.clients,
            engine.context.station_ipv6,
            engine.context.ipv6_is_on,
        )


class Broker:
    """Serves modules to the clients that call."""

    def __init__(self, modules: Iterable[ServedModule], access: Access | None = None) -> None:
        self._modules = {module.name: module for module in modules}
        self._access = access or Access()
        self._clients = 0
        self._changed = trio.Event()

    async def serve(
        self, listener: _socket.socket, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve until cancelled; a client can neither end the broker nor disturb others."""
        async with trio.open_nursery() as nursery:
            task_status.started()
            while True:
                await trio.lowlevel.wait_readable(listener)
                sock = await _accepted(listener)
                if sock is not None:
                    nursery.start_soon(self._serve_client, sock)

    @property
    def has_clients(self) -> bool:
        """Whether any process is connected."""
        return self._clients > 0

    async def until_unused(self, grace_s: float) -> None:
        """Wait until there has been no client for so long."""
        while True:
            changed = self._changed
            if self.has_clients:
                await changed.wait()
                continue
            with trio.move_on_after(grace_s):
                await changed.wait()
                continue
            return

    async def _serve_client(self, sock: _socket.socket) -> None:
        peer = peer_of(sock)
        session = Session(sock, peer, self._access.rights_of(peer))
        self._count(1)
        served: list[ServedModule] = []

        def module(name: str) -> ServedModule:
            if self._clients > MAX_CLIENTS:
                raise Error(f"this broker has {MAX_CLIENTS} clients already", errno=errno.EMFILE)
            chosen = self._module(name)
            served.append(chosen)
            chosen.clients += 1
            return chosen

        try:
            await session.run(module)
        finally:
            for one in served:
                one.clients -= 1
            self._count(-1)

    def _module(self, name: str) -> ServedModule:
        if not name and len(self._modules) == 1:
            return next(iter(self._modules.values()))
        for module in self._modules.values():
            if name in (module.name, module.engine.options.url):
                return module
        known = ", ".join(self._modules)
        wanted = f"has no module {name!r}" if name else "has several modules"
        raise Error(f"this broker {wanted}; name one as in unix:PATH#NAME: {known}", errno=errno.ENODEV)

    def _count(self, change: int) -> None:
        self._clients += change
        self._changed.set()
        self._changed = trio.Event()


async def _accepted(listener: _socket.socket) -> _socket.socket | None:
    try:
        fd, _ = listener._accept()  # type: ignore[attr-defined]
    except (BlockingIOError, ConnectionAbortedError):
        return None
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
            raise
        log.warning("clients wait: %s", error.strerror)
        await trio.sleep(NO_ROOM_S)
        return None
    os.set_blocking(fd, False)
    return _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_NONBLOCK, 0, fd)
