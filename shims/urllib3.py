"""urllib3 over the module, without a patch: `esp32sock.shims.urllib3.PoolManager()` in place of urllib3's."""

from __future__ import annotations

import queue
import sys
from typing import TYPE_CHECKING, Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from esp32sock import socket
from esp32sock.shims.explicit import blocking, connect
from esp32sock.shims.idle_connections import LINK_WAIT_S, most_links, register

if TYPE_CHECKING:
    from urllib3._base_connection import BaseHTTPConnection, BaseHTTPSConnection

    from esp32sock.net.interface_api import Interface
    from esp32sock.trio_network import ModuleNetwork


def _open(connection: HTTPConnection, interface: Interface | None) -> socket.socket:
    """Open the socket of a urllib3 connection through the module, with urllib3's errors."""
    host, port = connection.host, connection.port
    try:
        opened = connect(
            interface,
            (host, port or connection.default_port),
            connection.timeout,
            connection.source_address,
            connection.socket_options or (),
        )
    except socket.gaierror as error:
        raise NameResolutionError(host, connection, error) from error
    except TimeoutError as error:
        raise ConnectTimeoutError(
            connection, f"Connection to {host} timed out. (connect timeout={connection.timeout})"
        ) from error
    except OSError as error:
        raise NewConnectionError(connection, f"Failed to establish a new connection: {error}") from error
    sys.audit("http.client.connect", connection, host, port)
    return opened


def _pool_classes(interface: Interface | None) -> dict[str, type[HTTPConnectionPool]]:
    """The pool classes for http and https, whose connections use `interface`."""

    class ModuleConnection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _open(self, interface)

    class ModuleTlsConnection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _open(self, interface)

    class ModulePool(HTTPConnectionPool):
        ConnectionCls: type[BaseHTTPConnection] = ModuleConnection

        def _get_conn(self, timeout: float | None = None) -> BaseHTTPConnection:
            return super()._get_conn(LINK_WAIT_S if timeout is None else timeout)

    class ModuleTlsPool(HTTPSConnectionPool):
        ConnectionCls: type[BaseHTTPSConnection] = ModuleTlsConnection

        def _get_conn(self, timeout: float | None = None) -> BaseHTTPConnection:
            return super()._get_conn(LINK_WAIT_S if timeout is None else timeout)

    return {"http": ModulePool, "https": ModuleTlsPool}


def _close_idle(pool: HTTPConnectionPool) -> bool:
    """Close one connection of a pool that waits there for its next request; it opens again by itself."""
    taken: list[BaseHTTPConnection | None] = []
    try:
        while pool.pool is not None:
            connection = pool.pool.get(block=False)
            taken.append(connection)
            if connection is not None and not connection.is_closed:
                connection.close()
                return True
    except queue.Empty:
        pass
    finally:
        for connection in reversed(taken):
            pool._put_conn(connection)
    return False


class PoolManager(urllib3.PoolManager):
    """A urllib3.PoolManager that connects through the attached module, or through `interface`.

    Unless `maxsize` and `block` say otherwise, a host has as many connections as the module has links, and a
    request waits for one, LINK_WAIT_S at most without a `pool_timeout`.
    """

    def __init__(
        self,
        *args: Any,
        interface: Interface | ModuleNetwork | None = None,
        maxsize: int | None = None,
        **options: Any,
    ) -> None:
        self.interface = blocking(interface)
        most = most_links(self.interface) if maxsize is None else maxsize
        super().__init__(*args, maxsize=most, block=options.pop("block", True), **options)
        self.pool_classes_by_scheme = _pool_classes(self.interface)
        register(self)

    def close_idle(self) -> bool:
        """Close one connection that no request uses; False if there is none."""
        pools = [self.pools.get(key) for key in self.pools.keys()]  # noqa: SIM118  (it has no iterator)
        return any(_close_idle(pool) for pool in pools if pool is not None)
