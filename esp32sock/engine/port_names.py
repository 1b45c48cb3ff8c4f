"""Names of serial ports that stay when the system numbers its devices anew: `usb:SERIAL`, and `auto`."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from serial.tools import list_ports

from esp32sock.errors import PortError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from serial.tools.list_ports_common import ListPortInfo

USB_SCHEME = "usb:"
AUTO = "auto"
"""The only ESP32 that is plugged in."""

ADAPTERS = {
    (0x10C4, 0xEA60): "CP210x",
    (0x10C4, 0xEA70): "CP2105",
    (0x1A86, 0x7523): "CH340",
    (0x1A86, 0x55D3): "CH343",
    (0x1A86, 0x55D4): "CH9102",
    (0x0403, 0x6001): "FT232R",
    (0x0403, 0x6010): "FT2232",
    (0x0403, 0x6015): "FT-X",
    (0x303A, 0x1001): "ESP32's own USB",
}
"""The serial adapters on boards with an ESP32, by USB vendor and product."""


def adapter_of(info: ListPortInfo) -> str | None:
    """The chip of the adapter, if it is one in ADAPTERS."""
    return ADAPTERS.get((info.vid or 0, info.pid or 0))


def interface_of(info: ListPortInfo) -> str:
    """Which port of an adapter with several it is, such as `1.0`; "" where the system does not say."""
    return (info.location or "").partition(":")[2]


def usb_name(info: ListPortInfo) -> str | None:
    """The name by serial number; None for a port that has none."""
    return f"{USB_SCHEME}{info.serial_number}" if info.serial_number else None


def device_of(name: str) -> str:
    """The device that a name means now; anything but `usb:` and `auto` means itself.

    Takes milliseconds. PortError if there is none (ENODEV), or more than one (ENOTUNIQ), which lists them.
    """
    if name == AUTO:
        return _only(
            [info for info in list_ports.comports() if adapter_of(info)],
            "no port here looks like an ESP32: check that the board is connected by a USB cable with data "
            "lines, or name its port; `esp32sock ports` lists the ports",
            "several ports look like an ESP32: name one of them",
        )
    if name.startswith(USB_SCHEME):
        serial_number, _, interface = name.removeprefix(USB_SCHEME).partition("#")
        return _only(
            [
                info
                for info in list_ports.comports()
                if info.serial_number == serial_number and interface in ("", interface_of(info))
            ],
            f"no adapter with the number {serial_number!r} is plugged in; `esp32sock ports` lists the ports",
            f"several ports have the number {serial_number!r}: name one by its path in /dev/serial/by-path, "
            f"or, on one adapter, as {USB_SCHEME}{serial_number}#INTERFACE",
        )
    return name


def _only(found: Iterable[ListPortInfo], none: str, several: str) -> str:
    ports = sorted(found, key=lambda info: info.device)
    if not ports:
        raise PortError(none, errno=errno.ENODEV)
    if len(ports) > 1:
        raise PortError(f"{several}: {', '.join(map(_described, ports))}", errno=errno.ENOTUNIQ)
    return str(ports[0].device)


def _described(info: ListPortInfo) -> str:
    details = [adapter_of(info), usb_name(info), interface_of(info) and f"interface {interface_of(info)}"]
    return f"{info.device} ({', '.join(filter(None, details))})"
