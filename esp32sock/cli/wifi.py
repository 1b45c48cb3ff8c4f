"""`esp32sock wifi`: scan, join, leave, and the station's addresses."""

from __future__ import annotations

import os
import sys
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

from esp32sock.at.commands import addresses, dhcp, scan, wifi
from esp32sock.cli.common import UsageError, add_subcommand, add_words, keep_settings
from esp32sock.cli.output import facts, present, printable, table, word
from esp32sock.cli.prompts import secret
from esp32sock.net.local_interface import PASSWORD_VARIABLE

if TYPE_CHECKING:
    import argparse

    from esp32sock.engine.management import ManagementSession


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "The station: which access points there are, which one is joined, its addresses."
    words = add_words(parser)
    add_subcommand(words, "scan", scan_all, "list the access points in reach")
    joining = add_subcommand(words, "join", join, "join an access point", stores=True)
    joining.add_argument("ssid", help="its name")
    joining.add_argument("--bssid", help="its address, where several have that name")
    joining.add_argument("--open", action="store_true", help="it has no password")
    add_subcommand(words, "leave", leave, "leave the access point")
    add_subcommand(words, "status", status, "tell how far the station is")
    autojoin = add_subcommand(words, "autojoin", auto_join, "whether the module joins by itself")
    autojoin.add_argument("switch", nargs="?", choices=("on", "off"), help="change it")
    static = add_subcommand(words, "static", set_static, "give the station a fixed address", stores=True)
    static.add_argument("address", type=IPv4Address, help="like 192.168.1.50")
    static.add_argument("gateway", type=IPv4Address, nargs="?", help="the way out, like 192.168.1.1")
    static.add_argument("netmask", type=IPv4Address, nargs="?", help="with a gateway; like 255.255.255.0")
    dynamic = add_subcommand(words, "dhcp", set_dhcp, "the station's address by DHCP, or not", stores=True)
    dynamic.add_argument("switch", nargs="?", choices=("on", "off"), help="change it")
    mac = add_subcommand(words, "mac", set_mac, "the station's MAC address", stores=True)
    mac.add_argument("mac", nargs="?", help="change it, like 18:fe:35:98:d3:7b")


async def enable_station(talk: ManagementSession) -> None:
    """The station's role on, besides what there is."""
    mode = await talk.execute(wifi.Mode())
    if mode in (wifi.WifiMode.OFF, wifi.WifiMode.SOFTAP):
        both = mode is wifi.WifiMode.SOFTAP
        wanted = wifi.WifiMode.STATION_AND_SOFTAP if both else wifi.WifiMode.STATION
        await talk.execute(wifi.SetMode(wanted))


async def scan_all(talk: ManagementSession, arguments: argparse.Namespace) -> None:
    await enable_station(talk)
    found = sorted(await talk.execute(scan.Scan()), key=lambda point: -(point.rssi_dbm or 0))
    rows = [
        (
            printable(point.ssid or ""),
            point.bssid,
            point.channel,
            f"{point.rssi_dbm} dBm",
            word(point.encryption) if point.encryption is not None else "",
        )
        for point in found
    ]
    headings = ("SSID", "BSSID", "CHANNEL", "STRENGTH", "ENCRYPTION")
    present(
        arguments,
        {"access_points": found},
        lambda: table(headings, rows, numbers=("CHANNEL", "STRENGTH")),
    )


async def password_for(ssid: str, *, is_open: bool) -> str:
    """From the environment or asked for; never from the command line, where everybody can read it."""
    if is_open:
        return ""
    if PASSWORD_VARIABLE in os.environ:
        return os.environ[PASSWORD_VARIABLE]
    if not sys.stdin.isatty():
        raise UsageError(f"set {PASSWORD_VARIABLE}, or say --open for a network without a password")
    return await secret(f"password of {printable(ssid)}: ")


async def join(talk: ManagementSession, arguments: argparse.Namespace) -> None:
    password = await password_for(arguments.ssid, is_open=arguments.open)
    command = wifi.Join(arguments.ssid, password, arguments.bssid)
    command.line(talk.firmware)  # what cannot be sent is refused before anything is changed
    await keep_settings(talk, arguments)
    await enable_station(talk)
    await talk.execute(command)
    await status(talk, arguments)


async def leave(talk: ManagementSession, arguments: argparse.Namespace) -> None:
    await talk.execute(wifi.Leave())
    present(arguments, {"network": None}, lambda: print("left"))


async def status(talk: ManagementSession, arguments: argparse.Namespace) -> None:
    run = talk.execute
    state, joined = (await run(wifi.StationStatus())).state, await run(wifi.Joined())
    subnet = await run(addresses.StationAddress())
    data: dict[str, Any] = {"state": state, "network": joined, "address": subnet}
    pairs = {
        "state": word(state).replace("-", " "),
        "network": joined and printable(joined.ssid),
        "access point": joined and f"{joined.bssid}, channel {joined.channel}, {joined.rssi_dbm} dBm",
        "address": subnet and subnet.address,
        "gateway": subnet and subnet.gateway,
        "netmask": subnet and subnet.netmask,
    }
    present(arguments, data, lambda: facts(pairs))


async def auto_join(talk: ManagementSession, arguments: argparse.Namespace) -> None:
    if arguments.switch is not None:
        await talk.execute(wifi.SetAutoJoin(on=arguments.switch == "on"))
    on = await talk.execute(wifi.AutoJoin())
    present(arguments, {"autojoin": on}, lambda: print("on" if on else "off"))


async def set_static(talk: ManagementSession, arguments: argparse.Namespace) -> None:
    if arguments.gateway is not None and arguments.netmask is None:
        raise UsageError("a gateway needs a netmask behind it")
    if arguments.netmask is not None:
        network = IPv4Network(f"{arguments.address}/{arguments.netmask}", strict=False)
        if arguments.gateway not in network:
            raise UsageError(f"the gateway {arguments.gateway} is not in {network}")
    wanted = addresses.Subnet(arguments.address, arguments.gateway, arguments.netmask)
    await keep_settings(talk, arguments)
    await talk.execute(addresses.SetStationAddress(wanted))
    await status(talk, arguments)


async def set_dhcp(talk: ManagementSession, arguments: argparse.Namespace) -> None:
    if arguments.switch is not None:
        await keep_settings(talk, arguments)
        await talk.execute(dhcp.SetDhcp(on=arguments.switch == "on", roles=dhcp.Role.STATION))
    on = dhcp.Role.STATION in await talk.execute(dhcp.Dhcp())
    present(arguments, {"dhcp": on}, lambda: print("on" if on else "off"))


async def set_mac(talk: ManagementSession, arguments: argparse.Namespace) -> None:
    if arguments.mac is not None:
        command = addresses.SetStationMac(arguments.mac)
        command.line(talk.firmware)
        await keep_settings(talk, arguments)
        await talk.execute(command)
    mac = await talk.execute(addresses.StationMac())
    present(arguments, {"mac": mac}, lambda: print(mac))
