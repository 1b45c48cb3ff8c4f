"""`esp32sock.trio`: the module as a network interface of trio programs; see `esp32sock.shims.trio`."""

from __future__ import annotations

from esp32sock.net.passthrough import open_passthrough
from esp32sock.shims.trio import (
    HostnameResolver,
    ModuleSocket,
    SocketFactory,
    TrioInterface,
    open_interface,
)

__all__ = [
    "HostnameResolver",
    "ModuleSocket",
    "SocketFactory",
    "TrioInterface",
    "open_interface",
    "open_passthrough",
]
