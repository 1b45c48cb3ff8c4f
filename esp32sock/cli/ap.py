"""`esp32sock ap`: the module's own access point."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from esp32sock.at.commands import addresses, dhcp, softap, wifi
from esp32sock.at.commands.scan import Encryption
from esp32sock.cli.common import UsageError, add_subcommand, add_subparsers, keep_settings
from esp32sock.cli.output import member_name, print_fields, print_result, printable, table
from esp32sock.cli.wifi import password_for

if TYPE_CHECKING:
    import argparse

    from esp32sock.engine.management import ManagementSession

WITH_SOFTAP = {
    wifi.WifiMode.OFF: wifi.WifiMode.SOFTAP,
    wifi.WifiMode.STATION: wifi.WifiMode.STATION_AND_SOFTAP,
}
WITHOUT_SOFTAP = {
    wifi.WifiMode.SOFTAP: wifi.WifiMode.STATION,
    wifi.WifiMode.STATION_AND_SOFTAP: wifi.WifiMode.STATION,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Control the module's own access point (SoftAP)."
    commands = add_subparsers(parser)
    starting = add_subcommand(commands, "start", start, "turn the access point on", stores=True)
    starting.add_argument("ssid", help="name of the access point")
    starting.add_argument("--no-password", action="store_true", help="let stations join without a password")
    starting.add_argument(
        "--channel", type=int, default=1, help="1 to 13, or 36 to 177 with 5 GHz (default: %(default)s)"
    )
    starting.add_argument(
        "--stations", type=int, default=4, help="maximum number of stations, 1 to 10 (default: %(default)s)"
    )
    starting.add_argument("--hidden", action="store_true", help="do not broadcast the name")
    add_subcommand(commands, "stop", stop, "turn the access point off", stores=True)
    add_subcommand(commands, "stations", stations, "list the stations that have joined")
    leases = add_subcommand(
        commands, "dhcp", leases_of, "show or set the range of addresses for stations", stores=True
    )
    leases.add_argument("first", type=IPv4Address, nargs="?", help="first address of the range")
    leases.add_argument("last", type=IPv4Address, nargs="?", help="last address of the range")
    leases.add_argument(
        "--minutes", type=int, default=120, help="lease time in minutes (default: %(default)s)"
    )
    leases.add_argument("--default", action="store_true", help="use the firmware's default range")


async def start(session: ManagementSession, arguments: argparse.Namespace) -> None:
    password = await password_for(arguments.ssid, no_password=arguments.no_password)
    encryption = Encryption.OPEN if arguments.no_password else Encryption.WPA2_PSK
    wanted = softap.SoftApSettings(
        arguments.ssid, password, arguments.channel, encryption, arguments.stations, arguments.hidden
    )
    command = softap.SetSoftAp(wanted)
    command.line(session.firmware)  # raises for a wrong argument before any setting changes
    await keep_settings(session, arguments)
    mode = await session.execute(wifi.Mode())
    if mode in WITH_SOFTAP:
        await session.execute(wifi.SetMode(WITH_SOFTAP[mode]))
    await session.execute(command)
    subnet = await session.execute(addresses.SoftApAddress())
    data = {
        "ssid": wanted.ssid,
        "channel": wanted.channel,
        "encryption": wanted.encryption,
        "hidden": wanted.hidden,
        "address": subnet and subnet.address,
    }
    pairs = {
        "SSID": printable(wanted.ssid),
        "channel": wanted.channel,
        "encryption": member_name(encryption),
        "address": subnet and subnet.address,
    }
    print_result(arguments, data, lambda: print_fields(pairs))


async def stop(session: ManagementSession, arguments: argparse.Namespace) -> None:
    mode = await session.execute(wifi.Mode())
    if mode in WITHOUT_SOFTAP:
        await keep_settings(session, arguments)
        await session.execute(wifi.SetMode(WITHOUT_SOFTAP[mode]))
    print_result(arguments, {"ssid": None}, lambda: print("off"))


async def stations(session: ManagementSession, arguments: argparse.Namespace) -> None:
    # Without an access point the firmware refuses the question (real-firmware 9).
    is_on = await session.execute(wifi.Mode()) in WITHOUT_SOFTAP
    found = await session.execute(softap.Stations()) if is_on else []

    def show() -> None:
        if found:
            table(("ADDRESS", "MAC"), [(one.address, one.mac) for one in found])
        else:
            print("no stations")

    print_result(arguments, {"stations": found}, show)


async def leases_of(session: ManagementSession, arguments: argparse.Namespace) -> None:
    if arguments.default or arguments.first is not None:
        if (arguments.first is None) != (arguments.last is None) or (arguments.default and arguments.first):
            raise UsageError("give both the first and the last address, or --default")
        duration = timedelta(minutes=arguments.minutes)
        leases = None if arguments.default else dhcp.Leases(duration, arguments.first, arguments.last)
        command = dhcp.SetDhcpServer(leases)
        command.line(session.firmware)
        await keep_settings(session, arguments)
        await session.execute(command)
    present_leases(arguments, await session.execute(dhcp.DhcpServer()))


def present_leases(arguments: argparse.Namespace, leases: dhcp.Leases) -> None:
    minutes = leases.duration // timedelta(minutes=1)
    pairs = {"range": f"{leases.first} to {leases.last}", "lease time": f"{minutes} minutes"}
    print_result(arguments, leases, lambda: print_fields(pairs))
