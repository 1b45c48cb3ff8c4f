"""`esp32sock wifi`: scan, join or leave an access point, and set the station's addresses."""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

from esp32sock.at.commands import addresses, dhcp, scan, wifi
from esp32sock.cli.common import UsageError, add_subcommand, add_subparsers, keep_settings
from esp32sock.cli.output import member_name, print_fields, print_result, printable, table
from esp32sock.cli.prompts import line_given, secret
from esp32sock.config import PASSWORD_VARIABLE
from esp32sock.engine.wifi import enable_station
from esp32sock.errors import CommandError

if TYPE_CHECKING:
    import argparse

    from esp32sock.engine.management import ManagementSession


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Control the module's Wi-Fi station: scan, join or leave an access point, set addresses."
    )
    commands = add_subparsers(parser)
    add_subcommand(commands, "scan", scan_all, "list the access points in reach")
    joining = add_subcommand(commands, "join", join, "join an access point", stores=True)
    joining.add_argument("ssid", help="name of the access point")
    joining.add_argument("--bssid", help="MAC address of the access point, if several have the same name")
    joining.add_argument("--no-password", action="store_true", help="join a network without a password")
    add_subcommand(commands, "leave", leave, "leave the access point")
    add_subcommand(commands, "status", status, "show the station's state, network and addresses")
    autojoin = add_subcommand(
        commands, "autojoin", auto_join, "show or set whether the module joins automatically after a start"
    )
    autojoin.add_argument("switch", nargs="?", choices=("on", "off"), help="the new setting")
    static = add_subcommand(commands, "static", set_static, "give the station a fixed address", stores=True)
    static.add_argument("address", type=IPv4Address, help="for example 192.168.1.50")
    static.add_argument("gateway", type=IPv4Address, nargs="?", help="for example 192.168.1.1")
    static.add_argument(
        "netmask", type=IPv4Address, nargs="?", help="required with a gateway; for example 255.255.255.0"
    )
    dynamic = add_subcommand(
        commands, "dhcp", set_dhcp, "show or set whether the station uses DHCP", stores=True
    )
    dynamic.add_argument("switch", nargs="?", choices=("on", "off"), help="the new setting")
    mac = add_subcommand(commands, "mac", set_mac, "show or set the station's MAC address", stores=True)
    mac.add_argument("mac", nargs="?", help="the new address, for example 18:fe:35:98:d3:7b")


async def scan_all(session: ManagementSession, arguments: argparse.Namespace) -> None:
    await enable_station(session.execute)
    found = sorted(await session.execute(scan.Scan()), key=lambda point: -(point.rssi_dbm or 0))
    rows = [
        (
            printable(point.ssid or ""),
            point.bssid,
            point.channel,
            f"{point.rssi_dbm} dBm",
            member_name(point.encryption) if point.encryption is not None else "",
        )
        for point in found
    ]
    headings = ("SSID", "BSSID", "CHANNEL", "STRENGTH", "ENCRYPTION")
    print_result(
        arguments,
        {"access_points": found},
        lambda: table(headings, rows, numbers=("CHANNEL", "STRENGTH")),
    )


async def password_for(ssid: str, *, no_password: bool) -> str:
    """The password, from the environment, a pipe or a prompt; no option, because others can read those."""
    if no_password:
        return ""
    if PASSWORD_VARIABLE in os.environ:
        return os.environ[PASSWORD_VARIABLE]
    if not sys.stdin.isatty():
        given = await line_given()
        if not given:
            raise UsageError(
                f"set {PASSWORD_VARIABLE} or write the password to stdin; --no-password is for open networks"
            )
        return given
    return await secret(f"password of {printable(ssid)}: ")


async def join(session: ManagementSession, arguments: argparse.Namespace) -> None:
    password = await password_for(arguments.ssid, no_password=arguments.no_password)
    command = wifi.Join(arguments.ssid, password, arguments.bssid)
    command.line(session.firmware)  # raises for a wrong argument before any setting changes
    await keep_settings(session, arguments)
    await enable_station(session.execute)
    try:
        await session.execute(command)
    except CommandError as error:
        if error.reason is wifi.JoinFailure.NOT_FOUND:
            await name_similar(session, arguments.ssid)
        raise
    await status(session, arguments)


async def name_similar(session: ManagementSession, ssid: str) -> None:
    """Names in reach that may have been meant, on stderr; nothing if the scan fails."""
    found = {point.ssid for point in await session.try_execute(scan.Scan()) or () if point.ssid}
    near = get_close_matches(ssid.lower(), [name.lower() for name in found], n=3)
    meant = sorted(printable(name) for name in found if name.lower() in near)
    if meant:
        print(f"in reach: {', '.join(meant)}", file=sys.stderr, flush=True)


async def leave(session: ManagementSession, arguments: argparse.Namespace) -> None:
    await session.execute(wifi.Leave())
    print_result(arguments, {"network": None}, lambda: print("disconnected"))


async def status(session: ManagementSession, arguments: argparse.Namespace) -> None:
    run = session.execute
    state, joined = (await run(wifi.StationStatus())).state, await run(wifi.Joined())
    subnet = await run(addresses.StationAddress())
    data: dict[str, Any] = {"state": state, "network": joined, "address": subnet}
    pairs = {
        "state": member_name(state).replace("-", " "),
        "network": joined and printable(joined.ssid),
        "access point": joined and f"{joined.bssid}, channel {joined.channel}, {joined.rssi_dbm} dBm",
        "address": subnet and subnet.address,
        "gateway": subnet and subnet.gateway,
        "netmask": subnet and subnet.netmask,
    }
    print_result(arguments, data, lambda: print_fields(pairs))


async def auto_join(session: ManagementSession, arguments: argparse.Namespace) -> None:
    if arguments.switch is not None:
        await session.execute(wifi.SetAutoJoin(on=arguments.switch == "on"))
    shown = await session.try_execute(wifi.AutoJoin())  # not in the 2017 document
    on = arguments.switch == "on" if shown is None and arguments.switch is not None else shown
    if on is None:
        print("this firmware does not show whether it joins automatically", file=sys.stderr, flush=True)
    text = "unknown" if on is None else "on" if on else "off"
    print_result(arguments, {"autojoin": on}, lambda: print(text))


async def set_static(session: ManagementSession, arguments: argparse.Namespace) -> None:
    if arguments.gateway is not None and arguments.netmask is None:
        raise UsageError("a gateway needs a netmask")
    if arguments.netmask is not None:
        network = IPv4Network(f"{arguments.address}/{arguments.netmask}", strict=False)
        if arguments.gateway not in network:
            raise UsageError(f"the gateway {arguments.gateway} is not in {network}")
    wanted = addresses.Subnet(arguments.address, arguments.gateway, arguments.netmask)
    await keep_settings(session, arguments)
    await session.execute(addresses.SetStationAddress(wanted))
    await status(session, arguments)


async def set_dhcp(session: ManagementSession, arguments: argparse.Namespace) -> None:
    if arguments.switch is not None:
        await keep_settings(session, arguments)
        await session.execute(dhcp.SetDhcp(on=arguments.switch == "on", roles=dhcp.Role.STATION))
    on = dhcp.Role.STATION in await session.execute(dhcp.Dhcp())
    print_result(arguments, {"dhcp": on}, lambda: print("on" if on else "off"))


async def set_mac(session: ManagementSession, arguments: argparse.Namespace) -> None:
    if arguments.mac is not None:
        command = addresses.SetStationMac(arguments.mac)
        command.line(session.firmware)
        await keep_settings(session, arguments)
        await session.execute(command)
    mac = await session.execute(addresses.StationMac())
    print_result(arguments, {"mac": mac}, lambda: print(mac))
