"""`esp32sock ping`: the round trip to a host, where the firmware has it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import trio

from esp32sock.at.commands import ping
from esp32sock.cli.common import UsageError, add_options, execute_if_supported, set_job
from esp32sock.cli.exit_status import FAILED
from esp32sock.cli.output import print_result
from esp32sock.errors import CommandError, CommandTimeout

if TYPE_CHECKING:
    import argparse

    from esp32sock.engine.management import ManagementSession

MS = timedelta(milliseconds=1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Have the module ask a host for an echo. Firmware 1.0 and later."
    add_options(parser)
    parser.add_argument("host", help="a name or an address")
    parser.add_argument("-c", "--count", type=int, default=4, help="how often (%(default)s)")
    parser.add_argument(
        "-i", "--interval", type=float, default=1.0, metavar="S", help="seconds between two (%(default)g)"
    )
    set_job(parser, job)


async def job(session: ManagementSession, arguments: argparse.Namespace) -> int | None:
    if arguments.count < 1:
        raise UsageError("ping at least once")
    trips: list[timedelta | None] = []
    for number in range(arguments.count):
        if number:
            await trio.sleep(arguments.interval)
        trip = await once(session, arguments.host)
        trips.append(trip)
        if not arguments.json:
            print(f"{arguments.host}: {_text(trip)}", flush=True)
    answered = [trip for trip in trips if trip is not None]
    data = {"host": arguments.host, "round_trips": trips, "lost": len(trips) - len(answered)}
    print_result(arguments, data, lambda: _summary(trips, answered))
    return None if answered else FAILED


async def once(session: ManagementSession, host: str) -> timedelta | None:
    """The round trip; None without an answer. A firmware without the command is an error."""
    try:
        return await execute_if_supported(session, ping.Ping(host))
    except CommandTimeout:
        raise
    except CommandError:
        return None


def _text(trip: timedelta | None) -> str:
    return "no answer" if trip is None else f"{trip // MS} ms"


def _summary(trips: list[timedelta | None], answered: list[timedelta]) -> None:
    line = f"{len(trips)} sent, {len(answered)} answered"
    if answered:
        mean = sum(answered, timedelta()) / len(answered) / MS
        line += f"; {min(answered) // MS} / {mean:.1f} / {max(answered) // MS} ms (least, mean, most)"
    print(line)
