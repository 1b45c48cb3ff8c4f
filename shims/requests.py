"""requests over the module, without a patch.

session = requests.Session()
session.mount("http://", ModuleAdapter())
session.mount("https://", ModuleAdapter())
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter

from esp32sock.shims.urllib3 import PoolManager

if TYPE_CHECKING:
    from esp32sock.net.interface_api import Interface


class ModuleAdapter(HTTPAdapter):
    """A transport adapter that connects through the attached module, or through `interface`."""

    def __init__(self, *args: Any, interface: Interface | None = None, **options: Any) -> None:
        self._interface = interface
        super().__init__(*args, **options)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        """requests calls this when it creates or unpickles the adapter."""
        self.poolmanager = PoolManager(
            num_pools=connections, maxsize=maxsize, block=block, interface=self._interface, **options
        )
