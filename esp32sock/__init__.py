"""The sockets of an ESP32 behind a serial port, as real file descriptors of this machine."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from esp32sock._version import __version__
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

if TYPE_CHECKING:
    from esp32sock.net.local_interface import attach, default, detach, open_interface, using
    from esp32sock.net.passthrough import passthrough
    from esp32sock.shims.monkey import patch, patched, unpatch

__all__ = [
    "CommandBusy",
    "CommandError",
    "CommandTimeout",
    "Error",
    "LocalProtocolError",
    "ModuleReset",
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
    "attach": "esp32sock.net.local_interface",
    "default": "esp32sock.net.local_interface",
    "detach": "esp32sock.net.local_interface",
    "open_interface": "esp32sock.net.local_interface",
    "using": "esp32sock.net.local_interface",
    "passthrough": "esp32sock.net.passthrough",
    "patch": "esp32sock.shims.monkey",
    "patched": "esp32sock.shims.monkey",
    "unpatch": "esp32sock.shims.monkey",
}
"""Looked up at first use: importing trio costs 160 ms, which a program that only imports us need not pay."""


def __getattr__(name: str) -> object:
    if name == "socket":
        return import_module("esp32sock.socket")
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_LATE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
