"""`esp32sock wps`: join an access point by its WPS button."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from esp32sock.at.commands import smartconfig
from esp32sock.cli.common import add_options, set_job
from esp32sock.cli.smartconfig import report, until_joined
from esp32sock.engine.shielded import run_shielded
from esp32sock.engine.wifi import enable_station

if TYPE_CHECKING:
    import argparse

    from esp32sock.engine.management import ManagementSession


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Join the access point whose WPS button is pressed within the timeout."
    add_options(parser)
    parser.add_argument(
        "--timeout",
        type=float,
        default=120.0,
        metavar="S",
        help="seconds to wait (default: %(default)g)",
    )
    set_job(parser, job)


async def job(session: ManagementSession, arguments: argparse.Namespace) -> int | None:
    await enable_station(session.execute)
    joined = False
    try:
        await session.execute(smartconfig.Wps(on=True))
        if not arguments.json:
            print("press the WPS button of the access point now", flush=True)
        with trio.move_on_after(arguments.timeout):
            joined = await until_joined(session, quiet=arguments.json)
    finally:
        if not joined:
            await run_shielded(lambda: session.try_execute(smartconfig.Wps(on=False)))
    return await report(session, arguments, joined=joined)
