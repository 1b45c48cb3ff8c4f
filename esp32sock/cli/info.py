"""`esp32sock info`: the module's firmware, settings and addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from esp32sock.at.commands import basic, tcpip, wifi
from esp32sock.cli.checks import described_chip
from esp32sock.cli.common import add_options, port_from, run_with_module
from esp32sock.cli.output import member_name, print_fields, print_result, printable

if TYPE_CHECKING:
    import argparse

    from esp32sock.engine.management import ManagementSession


@dataclass(frozen=True, slots=True)
class Info:
    """The output of `info`."""

    port: str
    firmware: str
    version: tuple[int, ...]
    chip: str
    memory: basic.Memory | None
    serial: basic.UartSettings | None
    wifi_mode: wifi.WifiMode
    network: wifi.JoinedTo | None
    addresses: wifi.Addresses
    links: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Show the module's firmware, settings and addresses. Only the echo setting is changed."
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    async def job(session: ManagementSession) -> None:
        info = await read(port_from(arguments), session)
        print_result(arguments, info, lambda: show(info))

    return run_with_module(arguments, job)


async def read(port: str, session: ManagementSession) -> Info:
    run, firmware = session.execute, session.firmware
    return Info(
        port,
        str(firmware),
        firmware.version,
        firmware.chip,
        await session.try_execute(basic.FreeMemory()),
        await session.try_execute(basic.Uart()),
        await run(wifi.Mode()),
        await run(wifi.Joined()),
        await run(wifi.OwnAddresses()),
        len(await run(tcpip.Links())),
    )


def show(info: Info) -> None:
    memory, serial, network, own = info.memory, info.serial, info.network, info.addresses
    print_fields(
        {
            "port": info.port,
            "firmware": info.firmware.removeprefix("AT version:"),
            "chip": described_chip(info.chip),
            "memory": memory and f"{memory.free_bytes} bytes free",
            "serial": serial and described(serial),
            "Wi-Fi mode": member_name(info.wifi_mode).replace("-", " "),
            "network": printable(network.ssid) if network else "none",
            "station": " ".join(map(str, filter(None, (own.station_ip, own.station_mac)))) or None,
            "SoftAP": " ".join(map(str, filter(None, (own.softap_ip, own.softap_mac)))) or None,
            "links open": info.links,
        }
    )


def described(serial: basic.UartSettings) -> str:
    """`115201 baud, 8N1, flow control rts`."""
    parity = serial.parity.name[0]
    stop = {1: "1", 2: "1.5", 3: "2"}[serial.stopbits]
    return f"{serial.baudrate} baud, {serial.databits}{parity}{stop}, flow control {member_name(serial.flow)}"
