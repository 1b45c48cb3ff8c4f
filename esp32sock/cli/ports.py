"""`esp32sock ports`: the serial ports of this machine, and which look like an ESP32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from serial.tools import list_ports

from esp32sock.cli.output import print_result, table
from esp32sock.cli.shared_options import add_json

if TYPE_CHECKING:
    import argparse

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


@dataclass(frozen=True, slots=True)
class SerialPort:
    """One serial port of this machine."""

    port: str
    description: str
    adapter: str | None
    """The chip of the adapter, if it is one in ADAPTERS."""

    @property
    def likely(self) -> str:
        return f"likely ({self.adapter})" if self.adapter else ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "List the serial ports of this machine and mark those that look like an ESP32."
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    found = listed()

    def show() -> None:
        if found:
            table(
                ("PORT", "ESP32?", "DESCRIPTION"), [(one.port, one.likely, one.description) for one in found]
            )
        else:
            print("no serial ports found; check that the board is connected by a USB cable with data lines")

    print_result(arguments, {"ports": found}, show)
    return 0


def listed() -> list[SerialPort]:
    """Every port; those with an adapter in ADAPTERS first."""
    ports = [
        SerialPort(info.device, info.description or "", ADAPTERS.get((info.vid or 0, info.pid or 0)))
        for info in list_ports.comports()
    ]
    return sorted(ports, key=lambda one: (one.adapter is None, one.port))
