"""`esp32sock sleep`: put the module to sleep."""

from __future__ import annotations

import re
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

from esp32sock.at.commands import sleep
from esp32sock.cli.common import UsageError, add_options, set_job
from esp32sock.cli.output import member_name, print_result
from esp32sock.cli.prompts import add_yes, confirmed

if TYPE_CHECKING:
    import argparse

    from esp32sock.engine.management import ManagementSession

UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
MODES = {member_name(mode): mode for mode in sleep.SleepMode}


def duration(text: str) -> timedelta:
    """`90`, `90s`, `250ms`, `5m`, `12h`, `2d`."""
    match = re.fullmatch(r"(\d{1,9})(ms|s|m|h|d)?", text)
    if match is None:
        raise ValueError(f"{text!r} is not a time like 250ms, 90s, 5m, 12h or 2d")
    return timedelta(milliseconds=int(match[1]) * UNITS_MS[match[2] or "s"])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Put the module into deep sleep for TIME, after which it restarts; or show or set the power-saving "
        "mode it uses between commands."
    )
    add_options(parser)
    add_yes(parser)
    parser.add_argument(
        "time", metavar="TIME", nargs="?", help="duration of deep sleep: 250ms, 90s, 5m, 12h, 2d"
    )
    parser.add_argument("--mode", choices=MODES, help="power-saving mode to set")
    set_job(parser, job)


async def job(session: ManagementSession, arguments: argparse.Namespace) -> None:
    if arguments.time is not None and arguments.mode is not None:
        raise UsageError("give either a time or --mode, not both")
    if arguments.time is not None:
        command = sleep.DeepSleep(duration(arguments.time))
        command.line(session.firmware)
        await confirmed(
            arguments, f"The module closes all connections and does not answer for {arguments.time}."
        )
        asleep = await session.execute(command)
        print_result(arguments, {"deep_sleep": asleep}, lambda: print(f"deep sleep for {arguments.time}"))
        return
    wanted = None if arguments.mode is None else MODES[arguments.mode]
    if wanted is not None:
        await session.execute(sleep.SetSleep(wanted))
    shown = await session.try_execute(sleep.Sleep())  # not in the 2017 document
    mode = wanted if shown is None else shown
    if mode is None:
        print("this firmware does not show its sleep mode", file=sys.stderr, flush=True)
    print_result(arguments, {"mode": mode}, lambda: print("unknown" if mode is None else member_name(mode)))
