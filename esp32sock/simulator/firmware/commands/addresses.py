"""Addresses, of the station and of the SoftAP: IP, MAC, DHCP (V1.0 4.2.8, 4.2.11 to 4.2.14, 5.2.7).

Error codes and what is taken as an address: sweeps of CIPSTAMAC, CIPAPMAC, CIPAP, CWDHCP, CWDHCPS of 1.0 and
2.0. CIPSTA was not swept and is taken to be as CIPAP.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from esp32sock.simulator.environment.radio import Subnet
from esp32sock.simulator.firmware.address_text import read_address
from esp32sock.simulator.firmware.commands.registry import command
from esp32sock.simulator.firmware.results import CommandRefused, failed, out_of_range, refuse_if, wrong_count
from esp32sock.simulator.firmware.subnets import (
    DHCP_ETHERNET,
    DHCP_SOFTAP,
    DHCP_STATION,
    NO_SUBNET,
    dhcp_range,
)

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.commands.call import Call
    from esp32sock.simulator.firmware.commands.params import Arguments

_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}\Z")


CLASS_C = (192, 223)
"""First octets; "currently, ESP32 only supports class C IP addresses" (V1.0 4.2.14)."""


def is_mac(text: str) -> bool:
    return _MAC.match(text) is not None


# MAC addresses


def station_mac(call: Call) -> str:
    return call.memory.get("station_mac", call.board.settings.identity.station_mac)


def softap_mac(call: Call) -> str:
    return call.memory.get("softap_mac", call.board.settings.identity.softap_mac)


def _read_mac(call: Call) -> str:
    arguments = call.arguments
    arguments.expect(1, 1)
    mac = arguments.string(64).lower()
    if not is_mac(mac) or mac in ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"):
        raise out_of_range(0)
    return mac


def _is_group(mac: str) -> bool:
    return bool(int(mac[:2], 16) & 1)


@command("CIPSTAMAC", "q")
def station_mac_query(call: Call) -> None:
    call.respond(f'+CIPSTAMAC:"{station_mac(call)}"')


@command("CIPSTAMAC", "s")
def set_station_mac(call: Call) -> None:
    """V1.0 4.2.11; only with the station on, and no group address."""
    mac = _read_mac(call)
    if not call.state.station or _is_group(mac):
        raise failed()
    refuse_if(call.profile.literal_addresses and mac == softap_mac(call))
    call.remember("station_mac", mac)


@command("CIPAPMAC", "q")
def softap_mac_query(call: Call) -> None:
    call.respond(f'+CIPAPMAC:"{softap_mac(call)}"')


@command("CIPAPMAC", "s")
def set_softap_mac(call: Call) -> None:
    """V1.0 4.2.12; here the refusals have no code on 1.0 (sweep of CIPAPMAC)."""
    mac = _read_mac(call)
    if not call.state.softap or _is_group(mac):
        raise CommandRefused
    refuse_if(call.profile.literal_addresses and mac == station_mac(call))
    call.remember("softap_mac", mac)


# IP addresses


def _read_subnet(arguments: Arguments, before: Subnet) -> Subnet:
    """Address, gateway and mask; those left out at the end stay as they were."""
    arguments.expect(1, 3)
    values = []
    for index in range(arguments.count):
        address = read_address(arguments.string(64))
        if address is None or (index < 2 and address in ("0.0.0.0", "255.255.255.255")):
            raise out_of_range(index)
        values.append(address)
    if len(values) == 3 and values[2] == "0.0.0.0":
        values[2] = "255.255.255.0"  # an empty mask becomes that of the class (sweep of CIPAP)
    return replace(before, **dict(zip(("address", "gateway", "netmask"), values, strict=False)))


def _print_subnet(call: Call, subnet: Subnet) -> None:
    for line in call.profile.subnet_lines:
        call.respond(line.format(name=call.name, subnet=subnet))


@command("CIPSTA", "q")
def station_address(call: Call) -> None:
    """V1.0 4.2.13; zeros when not joined (observed 1.0, 2.0)."""
    _print_subnet(call, call.firmware.station.subnet or NO_SUBNET)
    if call.firmware.station.has_address_6:  # at-dialects 6
        interfaces = call.firmware.interfaces
        call.respond(f'+CIPSTA:ip6ll:"{interfaces.link_local}"')
        call.respond(f'+CIPSTA:ip6gl:"{interfaces.global_address}"')


@command("CIPSTA", "s")
def set_station_address(call: Call) -> None:
    """V1.0 4.2.13: a fixed address, which turns DHCP off (observed 1.0, 2.0, 4.1)."""
    firmware = call.firmware
    refuse_if(call.arguments.count > 3)  # without a code (real-firmware 9)
    before = firmware.station.subnet or Subnet(address="0.0.0.0", gateway="0.0.0.0", netmask="255.255.255.0")
    alone = call.arguments.count == 1
    subnet = _read_subnet(call.arguments, before)
    if alone:  # real-firmware 9: 1.0, 2.0
        gateway = subnet.address.rpartition(".")[0] + ".1"
        subnet = replace(subnet, gateway=gateway, netmask="255.255.255.0")
    call.remember("station_subnet", subnet)
    call.remember("dhcp", dhcp_bits(call) & ~DHCP_STATION)


@command("CIPAP", "q")
def softap_address(call: Call) -> None:
    subnet = call.firmware.interfaces.softap_subnet
    if call.profile.cipap_line is not None:
        call.respond(call.profile.cipap_line.format(subnet=subnet))
    else:
        _print_subnet(call, subnet)


@command("CIPAP", "s")
def set_softap_address(call: Call) -> None:
    """V1.0 4.2.14; taken in every mode, and CWDHCP? does not change (sweep of CIPAP)."""
    subnet = _read_subnet(call.arguments, call.firmware.interfaces.softap_subnet)
    if call.profile.literal_addresses:
        refuse_if(not CLASS_C[0] <= int(subnet.address.partition(".")[0]) <= CLASS_C[1])
        refuse_if(subnet.netmask != "255.255.255.0")
        call.remember("dhcp", dhcp_bits(call) & ~DHCP_SOFTAP)
    call.remember("softap_subnet", subnet)


@command("CIFSR", "e")
def local_addresses(call: Call) -> None:
    """Only active interfaces; labelled and quoted on every firmware (at-dialects 6). The order is that of
    at-dialects 7.14, and that the SoftAP has no IPv6 address a guess.
    """
    state = call.state
    if state.softap:
        call.respond(f'+CIFSR:APIP,"{call.firmware.interfaces.softap_subnet.address}"')
        call.respond(f'+CIFSR:APMAC,"{softap_mac(call)}"')
    if state.station:
        call.respond(f'+CIFSR:STAIP,"{call.firmware.station.address}"')
        if call.firmware.station.has_address_6:
            interfaces = call.firmware.interfaces
            call.respond(f'+CIFSR:STAIP6LL,"{interfaces.link_local}"')
            call.respond(f'+CIFSR:STAIP6GL,"{interfaces.global_address}"')
        call.respond(f'+CIFSR:STAMAC,"{station_mac(call)}"')


# DHCP


def dhcp_bits(call: Call) -> int:
    return call.memory.get("dhcp", DHCP_STATION | DHCP_SOFTAP)


@command("CWDHCP", "q")
def dhcp_query(call: Call) -> None:
    """One CR LF before OK; bit 2 always set where Ethernet is in the build (observed 2.0)."""
    bits = dhcp_bits(call) | (DHCP_ETHERNET if call.profile.has_ethernet else 0)
    call.respond_open(f"+CWDHCP:{bits}")


@command("CWDHCP", "s")
def dhcp(call: Call) -> None:
    """V1.0 4.2.8; from 1.0 on a switch and the bits it is for (sweep of CWDHCP)."""
    arguments = call.arguments
    if arguments.count != 2:
        raise wrong_count(1, arguments.count)  # it says that one is needed (sweep of CWDHCP, 1.0)
    on = arguments.integer(0, 1)
    highest = 7 if call.profile.has_ethernet else 3
    bits = arguments.integer(1, highest) & (DHCP_STATION | DHCP_SOFTAP)
    present = dhcp_bits(call)
    call.remember("dhcp", present | bits if on else present & ~bits)


@command("CWDHCPS", "q")
def dhcp_server_query(call: Call) -> None:
    """One CR LF before OK, and no quotes (observed 1.0, 2.0, 4.1)."""
    lease, first, last = dhcp_range(call.memory)
    call.respond_open(f"+CWDHCPS{call.profile.dhcps_separator}{lease},{first},{last}")


@command("CWDHCPS", "s")
def dhcp_server(call: Call) -> None:
    """V1.0 4.2.9.

    Refused: a lease beyond 2880, a range that is empty, longer than 100, outside the network, or holds the
    SoftAP itself (sweep of CWDHCPS).
    """
    arguments = call.arguments
    if not call.state.softap:
        raise CommandRefused
    refuse_if(call.profile.literal_addresses and not dhcp_bits(call) & DHCP_SOFTAP)
    bare = arguments.without_codes()
    if not bare.integer(0, 1):
        if arguments.count != 1:
            raise wrong_count(1, arguments.count)
        call.remember("dhcp_range", (0, "", ""))
        return
    bare.expect(4, 4)
    lease = bare.integer(1, 2880)
    ends = []
    for index in (2, 3):
        text = bare.string(64)
        if not text:
            raise out_of_range(index)
        ends.append(text)
    first, last = (read_address(text) for text in ends)
    own = call.firmware.interfaces.softap_subnet.address
    network, _, own_host = own.rpartition(".")
    if first is None or last is None or {first.rpartition(".")[0], last.rpartition(".")[0]} != {network}:
        raise CommandRefused
    low, high = (int(address.rpartition(".")[2]) for address in (first, last))
    if not 1 <= low <= high <= 254 or high - low >= 101 or low <= int(own_host) <= high:
        raise CommandRefused
    call.remember("dhcp_range", (lease, first, last))
