"""requests over the module, without a patch.

session = requests.Session()
session.mount("http://", ModuleAdapter())
session.mount("https://", ModuleAdapter())
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from requests.adapters import DEFAULT_POOLSIZE, DEFAULT_RETRIES, HTTPAdapter

from esp32sock.shims.explicit import blocking
from esp32sock.shims.idle_connections import most_links
from esp32sock.shims.urllib3 import PoolManager

if TYPE_CHECKING:
    from esp32sock.net.interface_api import Interface
    from esp32sock.trio_network import ModuleNetwork


class ModuleAdapter(HTTPAdapter):
    """A transport adapter that connects through the attached module, or through `interface`.

    A host has as many connections as the module has links, and a request waits for one.
    """

    def __init__(
        self,
        pool_connections: int = DEFAULT_POOLSIZE,
        pool_maxsize: int | None = None,
        max_retries: Any = DEFAULT_RETRIES,
        pool_block: bool = True,
        *,
        interface: Interface | ModuleNetwork | None = None,
    ) -> None:
        self._interface = blocking(interface)
        most = most_links(self._interface) if pool_maxsize is None else pool_maxsize
        super().__init__(pool_connections, most, max_retries, pool_block)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        """requests calls this when it creates or unpickles the adapter."""
        self.poolmanager = PoolManager(
            num_pools=connections, maxsize=maxsize, block=block, interface=self._interface, **options
        )
