"""`esp32sock doctor`: find out what is wrong between this machine and the network, with advice.

The checks go outwards, from the port to the name server. What fails so that nothing behind it can be looked
at ends the examination. Each problem has a name of its own, see `PROBLEMS`, for programs and tests.
"""

from __future__ import annotations

import errno
import re
import statistics
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from esp32sock.at.commands import Raw, addresses, basic, ping, tcpip, wifi
from esp32sock.cli.common import add_options, handle_errors, open_module, port_from, run_trio
from esp32sock.cli.exit_status import FAILED, NO_MODULE
from esp32sock.cli.output import print_result, printable
from esp32sock.errors import (
    CommandBusy,
    CommandError,
    CommandTimeout,
    Error,
    ModuleReset,
    PortError,
    unwrap_group,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

    from esp32sock.engine.management import ManagementSession

PROBLEMS = {
    "no-port": "there is no such port",
    "permission": "this user may not open the port",
    "port-busy": "another program has the port open",
    "silent": "nothing answers",
    "wrong-baud": "the module is at another rate",
    "not-at": "what answers is no AT firmware",
    "lossy-line": "bytes are lost or damaged on the line",
    "restarts": "the module restarts by itself",
    "old-firmware": "the firmware has faults that later ones do not have",
    "slow-adapter": "the adapter makes every round trip slow",
    "slow-line": "the line carries much less than its rate",
    "no-flow-control": "fast, and nothing holds the host back when the module's buffer is full",
    "low-memory": "the module has little memory left",
    "station-off": "the module's station is off",
    "not-joined": "the module is joined to no network",
    "no-address": "the module is joined, but has no address",
    "weak-signal": "the access point is hardly heard",
    "no-gateway": "the network's gateway does not answer",
    "no-names": "names are not found",
}

_OF_ERRNO = {
    errno.ENOENT: "no-port",
    errno.ENODEV: "silent",
    errno.EACCES: "permission",
    errno.EPERM: "permission",
    errno.EBUSY: "port-busy",
    errno.EAGAIN: "port-busy",
    errno.EPROTO: "not-at",
}

OLD = (2, 1)
"""Before it: no flash-sparing settings, and 2.0 stops receiving while it sends (real-firmware/README)."""
EXCHANGES = 20
SLOW_S = 0.012
"""An FTDI adapter as shipped makes it 16 ms and more (performance-facts 2.2); by taste."""
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
"""So much is heard to say how fast the line is; by taste."""
SLOW_LINE = 2.0
"""So many times as long as the rate and the round trips explain; by taste."""
USUAL_BAUD = 115_200
FAST_ENOUGH_BAUD = 921_600
"""What most adapters can do and many boards' cables stand (performance-facts 2); by taste."""


class Verdict(Enum):
    """How a check ended."""

    WELL = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, what was found, and what to do, or could be done where all is well."""

    check: str
    verdict: Verdict
    found: str
    problem: str | None = None
    advice: str | None = None


def well(check: str, found: str, advice: str | None = None) -> Finding:
    return Finding(check, Verdict.WELL, found, advice=advice)


def warning(check: str, found: str, problem: str, advice: str) -> Finding:
    return Finding(check, Verdict.WARNING, found, problem, advice)


def problem(check: str, found: str, name: str, advice: str) -> Finding:
    return Finding(check, Verdict.PROBLEM, found, name, advice)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Look at everything between this machine and the network: the port and who may open it, its rate, "
        "the firmware and its dialect, the adapter, the line's round trip and throughput, flow control, "
        "memory, Wi-Fi, the gateway, names. Changes nothing on the module but its echo."
    )
    add_options(parser)
    parser.add_argument("--name", default="example.com", help="the name to look up (%(default)s)")
    parser.set_defaults(run=lambda arguments: handle_errors(lambda: run(arguments)))


def run(arguments: argparse.Namespace) -> int | None:
    findings: list[Finding] = []

    def tell(finding: Finding) -> None:
        findings.append(finding)
        if not arguments.json:
            show(finding)

    reached = examine(arguments, tell)
    problems = [one for one in findings if one.verdict is Verdict.PROBLEM]
    print_result(arguments, {"findings": findings, "healthy": not problems}, lambda: summary(findings))
    return (FAILED if problems else None) if reached else NO_MODULE


def show(finding: Finding) -> None:
    mark = {Verdict.WELL: "ok", Verdict.WARNING: "hm", Verdict.PROBLEM: "NO"}[finding.verdict]
    print(f"{mark:<3} {finding.check:<12} {finding.found}", flush=True)
    if finding.advice:
        print(f"{'':16} {finding.advice}", flush=True)


def summary(findings: list[Finding]) -> None:
    names = dict.fromkeys(one.problem for one in findings if one.problem)
    print(f"found: {', '.join(names)}" if names else "nothing is wrong")


def examine(arguments: argparse.Namespace, tell: Callable[[Finding], None]) -> bool:
    """All checks; whether there was a module at all."""
    url = port_from(arguments)

    async def run() -> None:
        async with open_module(arguments) as session:
            tell(well("port", f"{url} may be opened and answers at {arguments.baud} baud"))
            for check in CHECKS:
                finding = await check(session, arguments)
                tell(finding)
                if finding.verdict is Verdict.PROBLEM:
                    return  # what lies behind it cannot be looked at

    try:
        run_trio(run)
    except BaseException as raised:
        error = unwrap_group(raised)
        match error:
            case ModuleReset():
                tell(_restarts(error))
                return True
            case PortError():
                tell(_unreachable(error))
                return False
            case CommandError():
                tell(_garbled(error))
                return True
        raise
    return True


def _unreachable(error: PortError) -> Finding:
    """Why the port could not be opened or the module not be found, as the error says."""
    text = str(error)
    rate = re.search(r"answers at (\d+) baud", text)
    if rate is not None:
        found = f"the module answers at {rate[1]} baud"
        return problem("port", found, "wrong-baud", f"say --baud {rate[1]}, or change it with `uart baud`")
    name = _OF_ERRNO.get(error.errno, "silent")
    return problem("port", PROBLEMS[name], name, text)


def _restarts(error: Error) -> Finding:
    advice = "is its power supply good for 500 mA? A brown-out and a crash both look like this"
    return problem("line", str(error), "restarts", advice)


def _garbled(error: Error) -> Finding:
    return problem(
        "line", str(error), "lossy-line", "a shorter cable, a lower rate, or another adapter may help"
    )


async def firmware(session: ManagementSession, arguments: argparse.Namespace) -> Finding:
    """Which generation, and what is known of it."""
    text = str(session.firmware).removeprefix("AT version:")
    if session.firmware.at_least(*OLD):
        return well("firmware", text)
    advice = "2.1 and later spare the flash and do not lose data while sending: `esp32sock update`"
    return warning("firmware", text, "old-firmware", advice)


async def dialect(session: ManagementSession, arguments: argparse.Namespace) -> Finding:
    """What this generation can do that others cannot, as far as it matters to sockets."""
    firmware = session.firmware
    stored = "can stay out of the flash" if firmware.has_sysstore else "always go to the flash"
    release = ".".join(map(str, firmware.version[:2]))
    return well("dialect", f"AT of {release}: {firmware.cipsend_max} bytes a send, settings {stored}")


async def adapter(session: ManagementSession, arguments: argparse.Namespace) -> Finding:
    """Low-latency mode, which opening the port asked for; only FTDI's adapters have something to read."""
    timer = latency_ms(session.port.name)
    if timer is None:
        return well("adapter", "no latency timer to set; the round trip tells")
    if timer > LOW_LATENCY_MS:
        path = LATENCY.format(Path(session.port.name).name)
        advice = f"low-latency mode was refused: as root, `echo {LOW_LATENCY_MS} > {path}`"
        return warning("adapter", f"its latency timer is {timer} ms", "slow-adapter", advice)
    return well("adapter", f"low-latency mode is on, its timer is {timer} ms")


async def line(session: ManagementSession, arguments: argparse.Namespace) -> Finding:
    """The same question many times: every answer must be whole, and soon."""
    answers, trips = set(), []
    for _ in range(EXCHANGES):
        answers.add(await session.execute(basic.Version()))
        began = trio.current_time()
        await session.execute(basic.Test())
        trips.append(trio.current_time() - began)
    if len(answers) > 1:
        return _garbled(Error(f"{EXCHANGES} times the same question, {len(answers)} different answers"))
    trip = statistics.median(trips)
    found = f"{EXCHANGES} of {EXCHANGES} answers whole, round trip {trip * 1000:.1f} ms"
    own_s = len(b"AT\r\n\r\nOK\r\n") * session.dialogue.session.s_per_byte
    quickest_s = statistics.quantiles(trips)[0]  # an adapter waits always, a busy machine sometimes
    if quickest_s - own_s > SLOW_S:
        advice = "the adapter waits before it hands on: another one, or another driver, may not"
        return warning("line", found, "slow-adapter", advice)
    return well("line", found)


def latency_ms(port: str) -> int | None:
    """The latency timer of an FTDI adapter."""
    try:
        return int(Path(LATENCY.format(Path(port).name)).read_text())
    except (OSError, ValueError):
        return None


async def throughput(session: ManagementSession, arguments: argparse.Namespace) -> Finding:
    """How fast much text comes; the best of a few, since this machine may have other things to do."""
    rate_bytes_per_s, expected_s = 0.0, 1.0
    for _ in range(PASSES):
        heard_bytes, seconds, expected_s = await much_text(session)
        rate_bytes_per_s = max(rate_bytes_per_s, heard_bytes / seconds)
        if seconds <= SLOW_LINE * expected_s:
            break
    found = f"{rate_bytes_per_s / 1000:.1f} kB/s from the module at {arguments.baud} baud"
    if heard_bytes / rate_bytes_per_s > SLOW_LINE * expected_s:
        advice = "is the adapter on a busy hub, far away, or this machine overloaded?"
        return warning("throughput", found, "slow-line", advice)
    if arguments.baud <= USUAL_BAUD:
        return well("throughput", found, f"`esp32sock uart baud {FAST_ENOUGH_BAUD}` makes it faster")
    return well("throughput", found)


async def much_text(session: ManagementSession) -> tuple[int, float, float]:
    """The bytes heard, the seconds that took, and those that the rate and the round trips explain."""
    began, heard = trio.current_time(), session.dialogue.heard_bytes
    await session.execute(basic.Test())
    trip_s = trio.current_time() - began
    trips, began, heard = 0, trio.current_time(), session.dialogue.heard_bytes
    while session.dialogue.heard_bytes - heard < LEAST_BYTES:
        if await session.has(Raw(b"AT+CMD?")) is None:
            await session.execute(basic.Version())
            trips += 1
        trips += 1
    count = session.dialogue.heard_bytes - heard
    return count, trio.current_time() - began, count * session.dialogue.session.s_per_byte + trips * trip_s


async def flow_control(session: ManagementSession, arguments: argparse.Namespace) -> Finding:
    """Whether both sides can hold each other back."""
    settings = await session.has(basic.Uart())
    flow = settings.flow if settings is not None else basic.FlowControl.NONE
    found = {
        basic.FlowControl.NONE: "neither side can hold the other back",
        basic.FlowControl.RTS: "the module can hold the host back, if that minds it",
        basic.FlowControl.CTS: "the host can hold the module back",
        basic.FlowControl.RTS_CTS: "both sides can hold each other back",
    }[flow]
    if arguments.baud >= FAST_BAUD and not (arguments.rtscts and flow is basic.FlowControl.RTS_CTS):
        advice = "wire RTS and CTS, then `esp32sock uart set --flow rtscts` and use --rtscts"
        return warning("flow control", found, "no-flow-control", advice)
    return well("flow control", found)


async def memory(session: ManagementSession, arguments: argparse.Namespace) -> Finding:
    free = (await session.execute(basic.FreeMemory())).free_bytes
    found = f"{free} bytes free"
    if free < LOW_BYTES:
        return warning("memory", found, "low-memory", "a TLS link may need more: close links, or restart it")
    return well("memory", found)


async def station(session: ManagementSession, arguments: argparse.Namespace) -> Finding:
    """Joined, with an address, in reach."""
    if await session.execute(wifi.Mode()) in (wifi.WifiMode.OFF, wifi.WifiMode.SOFTAP):
        return problem("Wi-Fi", "the station is off", "station-off", "`esp32sock wifi join SSID` turns it on")
    joined = await session.execute(wifi.Joined())
    if joined is None:
        return problem(
            "Wi-Fi", "joined to nothing", "not-joined", "`esp32sock wifi scan`, then `wifi join SSID`"
        )
    name = printable(joined.ssid)
    subnet = await session.execute(addresses.StationAddress())
    if subnet is None:
        advice = "does DHCP answer there? `esp32sock wifi static ADDRESS GATEWAY NETMASK` does without"
        return problem("Wi-Fi", f"joined to {name}, without an address", "no-address", advice)
    found = f"joined to {name} with {joined.rssi_dbm} dBm, {subnet.address}"
    if joined.rssi_dbm < WEAK_DBM:
        return warning("Wi-Fi", found, "weak-signal", "nearer to the access point, or a better antenna")
    return well("Wi-Fi", found)


async def gateway(session: ManagementSession, arguments: argparse.Namespace) -> Finding:
    """Whether the first stop on the way out answers, where the firmware can ask it."""
    subnet = await session.execute(addresses.StationAddress())
    if subnet is None or subnet.gateway is None:
        return well("gateway", "not told by this firmware")
    try:
        trip = await session.execute(ping.Ping(str(subnet.gateway)))
    except CommandError as error:
        if b"+PING:TIMEOUT" not in error.lines:
            return well("gateway", f"{subnet.gateway}; this firmware cannot ask it")
        advice = "some gateways do not answer pings; if nothing else works either, it is down"
        return warning("gateway", f"{subnet.gateway} does not answer", "no-gateway", advice)
    return well("gateway", f"{subnet.gateway} answers in {trip.total_seconds() * 1000:.0f} ms")


NAMES_ADVICE = "has the network a name server and a way out? --name looks up another name"


async def names(session: ManagementSession, arguments: argparse.Namespace) -> Finding:
    try:
        found = await session.execute(tcpip.Resolve(arguments.name))
    except (CommandTimeout, CommandBusy) as error:
        return problem("names", str(error), "no-names", NAMES_ADVICE)
    except CommandError:
        return problem("names", f"{arguments.name} was not found", "no-names", NAMES_ADVICE)
    return well("names", f"{arguments.name} is {', '.join(map(str, found))}")


CHECKS: tuple[Callable[[ManagementSession, argparse.Namespace], Awaitable[Finding]], ...] = (
    firmware,
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
