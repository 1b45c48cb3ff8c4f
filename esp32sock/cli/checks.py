"""The checks of `esp32sock doctor`, from the firmware to the name server."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from esp32sock.at.chips import chip_named
from esp32sock.at.commands import Raw, addresses, basic, ping, tcpip, wifi
from esp32sock.cli.findings import Finding, ok, problem, warning
from esp32sock.cli.output import printable
from esp32sock.errors import CommandBusy, CommandError, CommandTimeout, Error

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

    from esp32sock.engine.management import ManagementSession

OLD = (2, 1)
"""Before it all settings go to flash, and 2.0 does not receive while it sends (real-firmware)."""
EXCHANGES = 20
SLOW_S = 0.012
"""An FTDI adapter with its default settings adds 16 ms and more (performance-facts 2.2); by taste."""
FAST_BAUD = 460_800
"""From here on the module's buffer of 2048 bytes fills in less than 45 ms; by taste."""
LOW_BYTES = 40_000
"""What one TLS link may need (at-dialects 7.4)."""
WEAK_DBM = -80
"""By taste."""
LATENCY = "/sys/bus/usb-serial/devices/{}/latency_timer"
LOW_LATENCY_MS = 1
"""What low-latency mode sets an FTDI adapter's timer to (performance-facts 2.2)."""
PASSES = 3
LEAST_BYTES = 2000
"""How many bytes one throughput measurement receives; by taste."""
SLOW_LINE = 2.0
"""A measurement counts as slow if it takes so many times the expected time; by taste."""
USUAL_BAUD = 115_200
FAST_ENOUGH_BAUD = 921_600
"""What most adapters and the cables of many boards can do (performance-facts 2); by taste."""


def garbled(error: Error) -> Finding:
    """The finding for answers that do not match their commands."""
    advice = "try a shorter cable, a lower baud rate or another adapter"
    return problem("line", str(error), "lossy-line", advice)


async def firmware(session: ManagementSession, arguments: argparse.Namespace) -> Finding:
    """The firmware's version; a warning before 2.1."""
    text = str(session.firmware).removeprefix("AT version:")
    if session.firmware.at_least(*OLD):
        return ok("firmware", text)
    advice = "firmware before 2.1 can lose data while it sends; run `esp32sock update`"
    return warning("firmware", text, "old-firmware", advice)


async def chip(session: ManagementSession, arguments: argparse.Namespace) -> Finding:
    """The chip, and the pins of its AT port as shipped."""
    return ok("chip", described_chip(session.firmware.chip))


def described_chip(name: str) -> str:
    """`ESP32C3, AT on TX 7, RX 6, CTS 5, RTS 4`: GPIO numbers."""
    ports = [
        f"TX {pins.tx}, RX {pins.rx}, CTS {pins.cts}, RTS {pins.rts}" + (f" ({modules})" if modules else "")
        for modules, pins in chip_named(name).pins
    ]
    return f"{name}, AT on {' or '.join(ports)}" if ports else name


async def dialect(session: ManagementSession, arguments: argparse.Namespace) -> Finding:
    """Abilities that differ between firmware generations and matter to sockets."""
    firmware = session.firmware
    stored = "can be temporary" if firmware.has_sysstore else "are always stored in flash"
    release = ".".join(map(str, firmware.version[:2]))
    return ok("dialect", f"AT {release}: up to {firmware.cipsend_max} bytes per send, settings {stored}")


async def adapter(session: ManagementSession, arguments: argparse.Namespace) -> Finding:
    """Whether low-latency mode, requested when the port was opened, is on; FTDI adapters only."""
    timer = latency_ms(session.port.name)
    if timer is None:
        return ok("adapter", "has no latency timer; see the round trip below")
    if timer > LOW_LATENCY_MS:
        path = LATENCY.format(Path(session.port.name).name)
        advice = f"low-latency mode could not be set; as root run `echo {LOW_LATENCY_MS} > {path}`"
        return warning("adapter", f"the latency timer is {timer} ms", "slow-adapter", advice)
    return ok("adapter", f"low-latency mode is on, the latency timer is {timer} ms")


async def line(session: ManagementSession, arguments: argparse.Namespace) -> Finding:
    """Whether every answer is complete, and how long an exchange takes.

    An adapter that waits delays every pass; other load on this machine delays single ones. So the fastest of
    up to PASSES passes counts.
    """
    trip_s = delay_s = float("inf")
    for _ in range(PASSES):
        answers, trips_s = await time_exchanges(session)
        if len(answers) > 1:
            return garbled(Error(f"{EXCHANGES} equal commands got {len(answers)} different answers"))
        trip_s = min(trip_s, statistics.median(trips_s))
        delay_s = min(delay_s, statistics.quantiles(trips_s)[0] - own_time_s(session))
        if delay_s <= SLOW_S:
            break
    found = f"{EXCHANGES} of {EXCHANGES} answers complete, round trip {trip_s * 1000:.1f} ms"
    if delay_s > SLOW_S:
        advice = "the adapter or its driver delays each answer: try another one"
        return warning("line", found, "slow-adapter", advice)
    return ok("line", found)


async def time_exchanges(session: ManagementSession) -> tuple[set[object], list[float]]:
    """The distinct answers to EXCHANGES equal commands, and the round trips of as many `AT` in seconds."""
    answers: set[object] = set()
    trips_s = []
    for _ in range(EXCHANGES):
        answers.add(await session.execute(basic.Version()))
        began = trio.current_time()
        await session.execute(basic.Test())
        trips_s.append(trio.current_time() - began)
    return answers, trips_s


def own_time_s(session: ManagementSession) -> float:
    """How long the bytes of one `AT` and its answer take at this baud rate."""
    return len(b"AT\r\n\r\nOK\r\n") * session.channel.session.s_per_byte


def latency_ms(port: str) -> int | None:
    """The latency timer of an FTDI adapter in ms; None for other adapters."""
    try:
        return int(Path(LATENCY.format(Path(port).name)).read_text())
    except (OSError, ValueError):
        return None


async def throughput(session: ManagementSession, arguments: argparse.Namespace) -> Finding:
    """The receive rate: the best of PASSES, because other load on this machine slows single passes."""
    rate_bytes_per_s, expected_s = 0.0, 1.0
    for _ in range(PASSES):
        heard_bytes, seconds, expected_s = await receive_long_replies(session)
        rate_bytes_per_s = max(rate_bytes_per_s, heard_bytes / seconds)
        if seconds <= SLOW_LINE * expected_s:
            break
    found = f"{rate_bytes_per_s / 1000:.1f} kB/s from the module at {arguments.baudrate} baud"
    if heard_bytes / rate_bytes_per_s > SLOW_LINE * expected_s:
        advice = "check for a busy USB hub, a slow network path to the adapter, or high load on this machine"
        return warning("throughput", found, "slow-line", advice)
    if arguments.baudrate <= USUAL_BAUD:
        return ok("throughput", found, f"`esp32sock uart baud {FAST_ENOUGH_BAUD}` makes the line faster")
    return ok("throughput", found)


async def receive_long_replies(session: ManagementSession) -> tuple[int, float, float]:
    """Bytes received, the seconds needed, and the seconds expected from baud rate and round trips."""
    began, heard = trio.current_time(), session.channel.heard_bytes
    await session.execute(basic.Test())
    trip_s = trio.current_time() - began
    trips, began, heard = 0, trio.current_time(), session.channel.heard_bytes
    while session.channel.heard_bytes - heard < LEAST_BYTES:
        if await session.try_execute(Raw(b"AT+CMD?")) is None:
            await session.execute(basic.Version())
            trips += 1
        trips += 1
    count = session.channel.heard_bytes - heard
    return count, trio.current_time() - began, count * session.channel.session.s_per_byte + trips * trip_s


async def flow_control(session: ManagementSession, arguments: argparse.Namespace) -> Finding:
    """Which side can pause the other."""
    settings = await session.try_execute(basic.Uart())
    flow = settings.flow if settings is not None else basic.FlowControl.NONE
    found = {
        basic.FlowControl.NONE: "off",
        basic.FlowControl.RTS: "the module can pause the host, if the host uses --rtscts",
        basic.FlowControl.CTS: "the host can pause the module",
        basic.FlowControl.RTS_CTS: "both sides can pause each other",
    }[flow]
    if arguments.baudrate >= FAST_BAUD and not (arguments.rtscts and flow is basic.FlowControl.RTS_CTS):
        advice = "wire RTS and CTS, run `esp32sock uart set --flow rtscts`, then use --rtscts"
        return warning("flow control", found, "no-flow-control", advice)
    return ok("flow control", found)


async def memory(session: ManagementSession, arguments: argparse.Namespace) -> Finding:
    """Free memory, compared with what one TLS link needs."""
    free = (await session.execute(basic.FreeMemory())).free_bytes
    found = f"{free} bytes free"
    if free < LOW_BYTES:
        return warning(
            "memory", found, "low-memory", "a TLS link may need more: close links or restart the module"
        )
    return ok("memory", found)


async def station(session: ManagementSession, arguments: argparse.Namespace) -> Finding:
    """Whether the station is on, joined, has an address, and receives a strong signal."""
    if await session.execute(wifi.Mode()) in (wifi.WifiMode.OFF, wifi.WifiMode.SOFTAP):
        return problem("Wi-Fi", "the station is off", "station-off", "run `esp32sock wifi join SSID`")
    joined = await session.execute(wifi.Joined())
    if joined is None:
        return problem(
            "Wi-Fi",
            "not joined to a network",
            "not-joined",
            "run `esp32sock wifi scan`, then `esp32sock wifi join SSID`",
        )
    name = printable(joined.ssid)
    subnet = await session.execute(addresses.StationAddress())
    if subnet is None:
        advice = "check the network's DHCP server, or run `esp32sock wifi static ADDRESS GATEWAY NETMASK`"
        return problem("Wi-Fi", f"joined to {name}, no IP address", "no-address", advice)
    found = f"joined to {name}, signal {joined.rssi_dbm} dBm, address {subnet.address}"
    if joined.rssi_dbm < WEAK_DBM:
        return warning(
            "Wi-Fi",
            found,
            "weak-signal",
            "move the module nearer to the access point, or use a better antenna",
        )
    return ok("Wi-Fi", found)


async def gateway(session: ManagementSession, arguments: argparse.Namespace) -> Finding:
    """Whether the gateway answers a ping, where the firmware can send one."""
    subnet = await session.execute(addresses.StationAddress())
    if subnet is None or subnet.gateway is None:
        return ok("gateway", "this firmware does not show the gateway")
    try:
        trip = await session.execute(ping.Ping(str(subnet.gateway)))
    except CommandError as error:
        if b"+PING:TIMEOUT" not in error.lines:
            return ok("gateway", f"{subnet.gateway}; this firmware cannot ping it")
        advice = "some gateways ignore pings; if no other host can be reached either, the gateway is down"
        return warning("gateway", f"{subnet.gateway} does not answer", "no-gateway", advice)
    return ok("gateway", f"{subnet.gateway} answers in {trip.total_seconds() * 1000:.0f} ms")


NAMES_ADVICE = "check the network's name server and internet access; --name NAME checks another name"


async def names(session: ManagementSession, arguments: argparse.Namespace) -> Finding:
    """Whether the name given with --name resolves."""
    try:
        found = await session.execute(tcpip.Resolve(arguments.name))
    except (CommandTimeout, CommandBusy) as error:
        return problem("names", str(error), "no-names", NAMES_ADVICE)
    except CommandError:
        return problem("names", f"{arguments.name} was not found", "no-names", NAMES_ADVICE)
    return ok("names", f"{arguments.name} resolves to {', '.join(map(str, found))}")


CHECKS: tuple[Callable[[ManagementSession, argparse.Namespace], Awaitable[Finding]], ...] = (
    firmware,
    chip,
    dialect,
    adapter,
    line,
    throughput,
    flow_control,
    memory,
    station,
    gateway,
    names,
)

OF_THE_LINE = (adapter, line, throughput, flow_control)
"""Checks that need the serial line itself; beside a broker they are left out."""
