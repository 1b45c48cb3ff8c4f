"""`esp32sock doctor`: check everything between this machine and the network, and give advice.

The checks go from the serial port to the name server. A problem ends the run, because the checks behind it
would fail for the same reason. Each problem has a name, see `findings.PROBLEMS`, for programs and tests.
"""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING

from esp32sock.cli.checks import CHECKS, OF_THE_LINE, garbled
from esp32sock.cli.common import add_options, handle_errors, module_of, open_module, run_trio
from esp32sock.cli.exit_status import FAILED, NO_MODULE
from esp32sock.cli.findings import PROBLEMS, Finding, Verdict, ok, problem
from esp32sock.cli.fingerprints import identify
from esp32sock.cli.output import print_result
from esp32sock.engine.probe import ForeignDeviceError
from esp32sock.errors import CommandError, Error, ModuleReset, PortError, unwrap_group

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

_OF_ERRNO = {
    errno.ENOENT: "no-port",
    errno.ENODEV: "silent",
    errno.EACCES: "permission",
    errno.EPERM: "permission",
    errno.EBUSY: "port-busy",
    errno.EAGAIN: "port-busy",
    errno.EPROTO: "not-at",
}
SHOWN_BYTES = 60
"""How much of what a foreign device sent is shown; by taste."""
MARKS = {Verdict.OK: "ok", Verdict.WARNING: "warn", Verdict.PROBLEM: "FAIL"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Check everything between this machine and the network: the port and its permissions, the baud rate, "
        "the firmware, the adapter, round trip and throughput of the line, flow control, memory, Wi-Fi, the "
        "gateway, name resolution. No setting of the module changes except its echo."
    )
    add_options(parser)
    parser.add_argument("--name", default="example.com", help="the name to look up (default: %(default)s)")
    parser.set_defaults(run=lambda arguments: handle_errors(arguments, lambda: run(arguments)))


def run(arguments: argparse.Namespace) -> int | None:
    findings: list[Finding] = []

    def add(finding: Finding) -> None:
        findings.append(finding)
        if not arguments.json:
            print_finding(finding)

    reached = examine(arguments, add)
    problems = [one for one in findings if one.verdict is Verdict.PROBLEM]
    print_result(arguments, {"findings": findings, "healthy": not problems}, lambda: print_summary(findings))
    return (FAILED if problems else None) if reached else NO_MODULE


def print_finding(finding: Finding) -> None:
    print(f"{MARKS[finding.verdict]:<4} {finding.check:<12} {finding.found}", flush=True)
    if finding.advice:
        print(f"{'':17} {finding.advice}", flush=True)


def print_summary(findings: list[Finding]) -> None:
    names = dict.fromkeys(one.problem for one in findings if one.problem)
    print(f"found: {', '.join(names)}" if names else "no problem found")


def examine(arguments: argparse.Namespace, add: Callable[[Finding], None]) -> bool:
    """Run the checks and add their findings; whether a module was reached."""
    module = module_of(arguments)
    if isinstance(module, str):
        url = module
    else:
        url, arguments.baudrate, arguments.rtscts = module.url, module.baudrate, module.rtscts

    async def run_checks() -> None:
        async with open_module(arguments) as session:
            at = f"at {arguments.baudrate} baud" if session.has_line else "through a broker"
            add(ok("port", f"{url} opens, and a module answers {at}"))
            for check in CHECKS:
                if check in OF_THE_LINE and not session.has_line:
                    continue
                finding = await check(session, arguments)
                add(finding)
                if finding.verdict is Verdict.PROBLEM:
                    return

    try:
        run_trio(run_checks)
    except BaseException as raised:
        error = unwrap_group(raised)
        match error:
            case ModuleReset():
                add(_restarts(error))
                return True
            case PortError():
                add(_unreachable(error))
                return False
            case CommandError():
                add(garbled(error))
                return True
        raise
    return True


def _unreachable(error: PortError) -> Finding:
    """Why the port does not open or no module answers, from the error."""
    if isinstance(error, ForeignDeviceError) and error.heard:
        device = identify(error.heard)
        return problem("port", f"{device.found}: {shown(error.heard)}", device.name, device.advice)
    text = str(error)
    rate = re.search(r"answers at (\d+) baud", text)
    if rate is not None:
        found = f"the module answers at {rate[1]} baud"
        advice = f"use --baud {rate[1]}, or change the rate with `esp32sock uart baud`"
        return problem("port", found, "wrong-baud", advice)
    name = _OF_ERRNO.get(error.errno, "silent")
    return problem("port", PROBLEMS[name], name, text)


def shown(heard: bytes) -> str:
    """The last of what was heard, on one line."""
    return repr(heard[-SHOWN_BYTES:])[1:]


def _restarts(error: Error) -> Finding:
    advice = "check that the power supply delivers 500 mA; a firmware crash looks the same"
    return problem("line", str(error), "restarts", advice)
