"""The sockets of an ESP32 behind a serial port, as real file descriptors of this machine."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from esp32sock._version import __version__
from esp32sock.attach import attach, default, detach, open_interface
from esp32sock.errors import (
    CommandBusy,
    CommandError,
    CommandTimeout,
    Error,
    LocalProtocolError,
    ModuleReset,
    PortError,
    ProtocolError,
    RemoteProtocolError,
)
from esp32sock.net.context import using

if TYPE_CHECKING:
    from esp32sock import commands as commands
    from esp32sock import events as events
    from esp32sock import socket as socket
    from esp32sock import trio as trio
    from esp32sock.engine.options import Options
    from esp32sock.events import Event
    from esp32sock.net.interface_api import Interface
    from esp32sock.net.passthrough import passthrough
    from esp32sock.shims.monkey import patch, patched, unpatch

__all__ = [
    "CommandBusy",
    "CommandError",
    "CommandTimeout",
    "Error",
    "Event",
    "Interface",
    "LocalProtocolError",
    "ModuleReset",
    "Options",
    "PortError",
    "ProtocolError",
    "RemoteProtocolError",
    "__version__",
    "attach",
    "default",
    "detach",
    "open_interface",
    "passthrough",
    "patch",
    "patched",
    "unpatch",
    "using",
]

_LATE = {
    "Event": "esp32sock.events",
    "Interface": "esp32sock.net.interface_api",
    "Options": "esp32sock.engine.options",
    "commands": "",
    "events": "",
    "passthrough": "esp32sock.net.passthrough",
    "patch": "esp32sock.shims.monkey",
    "patched": "esp32sock.shims.monkey",
    "socket": "",
    "trio": "",
    "unpatch": "esp32sock.shims.monkey",
}
"""Where the names are that are looked up at first use; "" for the module of that name.

Importing trio costs 160 ms, which a program that only imports esp32sock need not pay. `attach` and its like
are here from the start, because the file that has them has the same name.
"""


if not TYPE_CHECKING:  # for a type checker, every name would exist otherwise

    def __getattr__(name: str) -> object:
        if name not in _LATE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = import_module(_LATE[name] or f"{__name__}.{name}")
        value = getattr(module, name) if _LATE[name] else module
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*__all__, *_LATE})
