"""`esp32sock ports`: the serial ports of this machine, and which look like an ESP32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from serial.tools import list_ports

from esp32sock.cli.output import print_result, table
from esp32sock.cli.shared_options import add_json
from esp32sock.engine.port_names import adapter_of, usb_name

if TYPE_CHECKING:
    import argparse


@dataclass(frozen=True, slots=True)
class SerialPort:
    """One serial port of this machine."""

    port: str
    description: str
    adapter: str | None
    """The chip of the adapter, if boards with an ESP32 have it."""
    name: str | None
    """What names it whatever its number is, where it has a serial number: `usb:SERIAL`."""

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
                ("PORT", "ESP32?", "NAME", "DESCRIPTION"),
                [(one.port, one.likely, one.name, one.description) for one in found],
            )
        else:
            print("no serial ports found; check that the board is connected by a USB cable with data lines")

    print_result(arguments, {"ports": found}, show)
    return 0


def listed() -> list[SerialPort]:
    """Every port; those with an adapter of ESP32 boards first."""
    ports = [
        SerialPort(info.device, info.description or "", adapter_of(info), usb_name(info))
        for info in list_ports.comports()
    ]
    return sorted(ports, key=lambda one: (one.adapter is None, one.port))
