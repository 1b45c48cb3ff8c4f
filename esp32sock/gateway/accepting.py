"""Accepting clients: a bounded number, each in a task of its own that cannot disturb the others."""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING

import trio

from esp32sock.gateway.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from esp32sock.gateway.gateway import Gateway

log = logging.getLogger(__name__)

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""There is no room for one more connection in this process or machine; some may end soon."""
CLIENT_FAULTS = frozenset({errno.ECONNABORTED, errno.EPROTO})
"""The connection that would have been accepted has failed already."""
EXHAUSTED_PAUSE_S = 0.1
BUFFER_BYTES = 65536
"""What the kernel may hold for a client in each direction; by default it takes megabytes at once (chosen)."""


async def accept_clients(
    gateway: Gateway,
    listener: trio.SocketListener,
    serve: Callable[[Connection], Awaitable[None]],
    room: trio.Semaphore,
) -> None:
    """Serve every client until cancelled; clients are reset and the listener is closed then.

    OSError if the listener fails for good.
    """
    with listener.socket:
        await _accept_all(gateway, listener, serve, room)


async def _accept_all(
    gateway: Gateway,
    listener: trio.SocketListener,
    serve: Callable[[Connection], Awaitable[None]],
    room: trio.Semaphore,
) -> None:
    async with trio.open_nursery() as nursery:
        while True:
            await room.acquire()
            client = await _accepted(listener)
            gateway.counters.clients += 1
            nursery.start_soon(_serve, client, serve, room)


async def _accepted(listener: trio.SocketListener) -> Connection:
    while True:
        try:
            sock, _ = await listener.socket.accept()
            return Connection(sock)
        except OSError as error:
            if error.errno in EXHAUSTED:
                log.warning("no client is accepted for now: %s", error)
                await trio.sleep(EXHAUSTED_PAUSE_S)
            elif error.errno not in CLIENT_FAULTS:
                raise


async def _serve(
    client: Connection, serve: Callable[[Connection], Awaitable[None]], room: trio.Semaphore
) -> None:
    try:
        with client:
            await serve(client)
    except OSError as error:
        log.debug("a client has left: %s", error)
    except Exception:
        log.exception("serving a client failed")
    finally:
        room.release()
