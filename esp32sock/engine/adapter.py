"""Which serial adapter a port is, so that it is known again when the system gives it another name.

Theory of operation: a USB adapter that was unplugged, or that the kernel lost for a moment, may come back as
another `/dev/ttyUSB<n>`, and its old name may be another adapter's by then. What stays is its serial number;
an adapter with several ports tells them apart by the interface. A port without a serial number, or that is no
device at all, is known by its name alone.
"""

from __future__ import annotations

import errno
import logging
import os
from typing import TYPE_CHECKING

import trio
from serial.tools import list_ports

from esp32sock._dataclass import dataclass
from esp32sock.engine.port_names import interface_of
from esp32sock.errors import PortError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from serial.tools.list_ports_common import ListPortInfo

    from esp32sock.engine.transports import Port

log = logging.getLogger("esp32sock")


@dataclass(frozen=True, slots=True)
class Adapter:
    """One port of one adapter, whatever its name is now."""

    vendor: int | None
    product: int | None
    serial_number: str
    interface: str


class AdapterPort:
    """Opens one port again and again: always the same adapter, under whatever name it has."""

    def __init__(self, opener: Callable[[str, int], Awaitable[Port]]) -> None:
        self._opener = opener
        self._adapter: Adapter | None = None
        self._path = ""
        """Where the adapter was, or the name that it was asked for by."""

    async def open(self, url: str, baud: int) -> Port:
        """The port; PortError while its adapter is away, or as the opener raises it.

        Looking for the adapter runs in a thread and takes milliseconds.
        """
        path = url
        if self._adapter is not None:
            path = await trio.to_thread.run_sync(_path_of, self._adapter, self._path)
            if path != self._path:
                log.warning("the adapter of %s is %s now", self._path, path)
        port = await self._opener(path, baud)
        if self._adapter is None:
            self._path = url if url.startswith("/") else port.name
            if self._path.startswith("/"):
                self._adapter = await trio.to_thread.run_sync(_adapter_at, self._path)
        return port


def _adapter_at(path: str) -> Adapter | None:
    """The adapter behind this device; None where it has no serial number."""
    device = os.path.realpath(path)
    return next((_adapter(info) for info in list_ports.comports() if _is_at(info, device)), None)


def _path_of(adapter: Adapter, usual: str) -> str:
    """The name of this adapter's device now, the usual one if it has that; PortError while it is away."""
    if _adapter_at(usual) == adapter:
        return usual
    path = next((info.device for info in list_ports.comports() if _adapter(info) == adapter), None)
    if path is None:
        name = adapter.serial_number
        raise PortError(f"the serial adapter {name} is not plugged in, under any name", errno=errno.ENODEV)
    return path


def _is_at(info: ListPortInfo, device: str) -> bool:
    return os.path.realpath(info.device) == device


def _adapter(info: ListPortInfo) -> Adapter | None:
    if not info.serial_number:
        return None
    return Adapter(info.vid, info.pid, info.serial_number, interface_of(info))
