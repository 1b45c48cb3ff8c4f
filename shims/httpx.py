"""httpx over the module, without a patch: transports for its clients, blocking, asyncio and trio.

httpx.Client(transport=esp32sock.shims.httpx.transport())
httpx.AsyncClient(transport=esp32sock.shims.httpx.async_transport())
"""

from __future__ import annotations

import asyncio
import socket as stdlib_socket
import weakref
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import httpcore
import httpx
from anyio.abc import SocketStream
from httpcore._backends.anyio import AnyIOStream
from httpcore._backends.sync import SyncStream

from esp32sock.shims.explicit import blocking, connect
from esp32sock.shims.idle_connections import most_links, register

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine, Iterable

    from esp32sock.net.interface_api import Interface
    from esp32sock.shims.explicit import SocketOption
    from esp32sock.trio_network import ModuleNetwork


class _Blocking(httpcore.SyncBackend):
    """Opens connections through the module; everything else is httpcore's."""

    def __init__(self, interface: Interface | None) -> None:
        self._interface = interface

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        source = None if local_address is None else (local_address, 0)
        try:
            opened = connect(self._interface, (host, port), timeout, source, socket_options or ())
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        return SyncStream(opened)


class _Asynchronous(httpcore.AnyIOBackend):
    """The same for asyncio and trio: a thread opens the connection, then the loop gets its descriptor."""

    def __init__(self, interface: Interface | None) -> None:
        self._blocking = _Blocking(interface)
        self.start_in_loop: Callable[[Callable[[], Coroutine[Any, Any, None]]], object] | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.start_in_loop = _starter()
        opening = partial(self._blocking.connect_tcp, host, port, timeout, local_address, socket_options)
        stream = await anyio.to_thread.run_sync(opening, abandon_on_cancel=False)
        opened = stream.get_extra_info("socket")
        # trio takes objects of exactly the standard class; the connected descriptor is all that is needed.
        plain = stdlib_socket.socket(fileno=opened.detach())
        return AnyIOStream(await SocketStream.from_socket(plain))


def transport(
    interface: Interface | ModuleNetwork | None = None,
    *,
    verify: ssl.SSLContext | bool = True,
    **options: Any,
) -> httpx.HTTPTransport:
    """A transport for httpx.Client, through the attached module or `interface`.

    `options` are those of `httpx.HTTPTransport`; ValueError for `uds`. A proxy is reached through the module.
    """
    used = blocking(interface)
    made = httpx.HTTPTransport(verify=verify, **_bounded(options, used))
    pool = _change_backend(made, _Blocking(used), options)
    pool._idle_connections = _Idle(used, pool)
    return made


def async_transport(
    interface: Interface | ModuleNetwork | None = None,
    *,
    verify: ssl.SSLContext | bool = True,
    **options: Any,
) -> httpx.AsyncHTTPTransport:
    """A transport for httpx.AsyncClient under asyncio or trio, through the attached module or `interface`.

    `options` are those of `httpx.AsyncHTTPTransport`; ValueError for `uds`. A proxy is reached through the
    module.
    """
    used = blocking(interface)
    made = httpx.AsyncHTTPTransport(verify=verify, **_bounded(options, used))
    backend = _Asynchronous(used)
    pool = _change_backend(made, backend, options)
    pool._idle_connections = _AsynchronousIdle(used, pool, backend)
    return made


def _bounded(options: dict[str, Any], interface: Interface | None) -> dict[str, Any]:
    """The options, with no more connections than the module has links, unless they say how many."""
    most = most_links(interface)
    return {"limits": httpx.Limits(max_connections=most, max_keepalive_connections=most), **options}


class _Idle:
    """The idle connections of a pool of httpcore; the pool keeps it alive, and not the other way round."""

    def __init__(self, interface: Interface | None, pool: Any) -> None:
        self.interface = interface
        self._pool = weakref.ref(pool)
        register(self)

    def close_idle(self) -> bool:
        pool = self._pool()
        if pool is None:
            return False
        with pool._optional_thread_lock:  # a request is given its connection under this lock
            idle = next((each for each in pool.connections if each.is_idle()), None)
            if idle is not None:
                idle.close()
        return idle is not None


class _AsynchronousIdle(_Idle):
    """The same for a pool that belongs to a loop: what closes a connection is started there."""

    def __init__(self, interface: Interface | None, pool: Any, backend: _Asynchronous) -> None:
        super().__init__(interface, pool)
        self._backend = backend

    def close_idle(self) -> bool:
        pool, start = self._pool(), self._backend.start_in_loop
        if pool is None or start is None or not any(each.is_idle() for each in pool.connections):
            return False
        start(self._close_one)
        return True

    async def _close_one(self) -> None:
        pool = self._pool()
        for each in [] if pool is None else pool.connections:
            if each.is_idle():
                await each.aclose()
                return


def _starter() -> Callable[[Callable[[], Coroutine[Any, Any, None]]], object]:
    """What starts an async function in the loop that runs here, called from any thread."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        lowlevel = import_module("trio.lowlevel")  # which runs here; a client of a broker may lack it
        token = lowlevel.current_trio_token()
        return lambda job: token.run_sync_soon(lowlevel.spawn_system_task, job)
    return lambda job: asyncio.run_coroutine_threadsafe(job(), loop)


def _change_backend(made: Any, backend: object, options: dict[str, Any]) -> Any:
    """Make httpx's pool, set up with all its options, open connections by `backend`; the pool."""
    if options.get("uds") is not None:
        raise ValueError("uds: a Unix socket is on this machine, not behind the module")
    pool: Any = getattr(made, "_pool", None)
    if not hasattr(pool, "_network_backend"):
        raise RuntimeError(
            "this version of httpx or httpcore is not supported: its connections would bypass the module"
        )
    pool._network_backend = backend
    return pool
