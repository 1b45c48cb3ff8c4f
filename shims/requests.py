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
    """A transport adapter that connects through a module: the attached one, or `interface`."""

    def __init__(self, *args: Any, interface: Interface | None = None, **options: Any) -> None:
        self._interface = interface
        super().__init__(*args, **options)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        """Called by requests when the adapter is made, and again when it is unpickled."""
        self.poolmanager = PoolManager(
            num_pools=connections, maxsize=maxsize, block=block, interface=self._interface, **options
        )
