"""httpx over the module, without a patch: transports for its clients, blocking, asyncio and trio.

httpx.Client(transport=esp32sock.shims.httpx.transport())
httpx.AsyncClient(transport=esp32sock.shims.httpx.async_transport())
"""

from __future__ import annotations

import socket as stdlib_socket
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import httpcore
import httpx
from anyio.abc import SocketStream
from httpcore._backends.anyio import AnyIOStream
from httpcore._backends.sync import SyncStream

from esp32sock.shims.explicit import connect

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

    from esp32sock.net.interface_api import Interface
    from esp32sock.shims.explicit import SocketOption


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

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        opening = partial(self._blocking.connect_tcp, host, port, timeout, local_address, socket_options)
        stream = await anyio.to_thread.run_sync(opening, abandon_on_cancel=False)
        opened = stream.get_extra_info("socket")
        # trio takes objects of exactly the standard class; the connected descriptor is all that is needed.
        plain = stdlib_socket.socket(fileno=opened.detach())
        return AnyIOStream(await SocketStream.from_socket(plain))


def transport(
    interface: Interface | None = None, *, verify: ssl.SSLContext | bool = True, **options: Any
) -> httpx.HTTPTransport:
    """A transport for httpx.Client, through the attached module or `interface`.

    `options` are those of `httpx.HTTPTransport`; ValueError for `uds`. A proxy is reached through the module.
    """
    made = httpx.HTTPTransport(verify=verify, **options)
    _change_backend(made, _Blocking(interface), options)
    return made


def async_transport(
    interface: Interface | None = None, *, verify: ssl.SSLContext | bool = True, **options: Any
) -> httpx.AsyncHTTPTransport:
    """A transport for httpx.AsyncClient under asyncio or trio, through the attached module or `interface`.

    `options` are those of `httpx.AsyncHTTPTransport`; ValueError for `uds`. A proxy is reached through the
    module.
    """
    made = httpx.AsyncHTTPTransport(verify=verify, **options)
    _change_backend(made, _Asynchronous(interface), options)
    return made


def _change_backend(made: Any, backend: object, options: dict[str, Any]) -> None:
    """Make httpx's pool, set up with all its options, open connections by `backend`."""
    if options.get("uds") is not None:
        raise ValueError("uds: a Unix socket is on this machine, not behind the module")
    pool: Any = getattr(made, "_pool", None)
    if not hasattr(pool, "_network_backend"):
        raise RuntimeError(
            "this version of httpx or httpcore is not supported: its connections would bypass the module"
        )
    pool._network_backend = backend
