"""`esp32sock time`: get the time from a time server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from esp32sock.at.commands import sntp
from esp32sock.cli.common import add_options, set_job
from esp32sock.cli.exit_status import FAILED
from esp32sock.cli.output import print_fields, print_result

if TYPE_CHECKING:
    import argparse
    from datetime import datetime

    from esp32sock.engine.management import ManagementSession

ASK_S = 0.5
"""Between two queries of the module while it waits for a time server; by taste."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Get the time from a time server (SNTP) through the module and print it."
    add_options(parser)
    parser.add_argument(
        "--zone", type=int, help="hours from UTC, -11 to 13 (default: as set on the module, else 0)"
    )
    parser.add_argument(
        "--server", action="append", default=[], help="time server to ask; may be given up to three times"
    )
    parser.add_argument(
        "--timeout", type=float, default=20.0, metavar="S", help="seconds to wait (default: %(default)g)"
    )
    set_job(parser, job)


async def job(session: ManagementSession, arguments: argparse.Namespace) -> int | None:
    source = await session.execute(sntp.GetTimeSource())
    if source is None or arguments.zone is not None or arguments.server:
        zone = arguments.zone if arguments.zone is not None else source.zone if source else 0
        source = sntp.TimeSource(zone, tuple(arguments.server))
        await session.execute(sntp.SetTimeSource(source))
        source = await session.execute(sntp.GetTimeSource()) or source
    now = await time_from_server(session, arguments.timeout)
    data = {"time": now, "zone": source.zone, "servers": source.servers}
    pairs = {
        "time": now.isoformat(" ") if now else f"none within {arguments.timeout:g} s",
        "zone": f"UTC{source.zone:+d}" if source.zone else "UTC",
        "servers": ", ".join(source.servers),
    }
    print_result(arguments, data, lambda: print_fields(pairs))
    return None if now else FAILED


async def time_from_server(session: ManagementSession, timeout: float) -> datetime | None:
    """The time, as soon as a server has answered; None after `timeout` seconds."""
    with trio.move_on_after(timeout):
        while True:
            now = await session.execute(sntp.Time())
            if now is not None:
                return now
            await trio.sleep(ASK_S)
    return None
