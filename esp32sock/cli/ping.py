"""`esp32sock ping`: measure the round trip from the module to a host."""

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
    parser.description = "Send ICMP echo requests from the module to a host. Needs firmware 1.0 or later."
    add_options(parser)
    parser.add_argument("host", help="host name or IPv4 address")
    parser.add_argument(
        "-c", "--count", type=int, default=4, help="number of requests (default: %(default)s)"
    )
    parser.add_argument(
        "-i",
        "--interval",
        type=float,
        default=1.0,
        metavar="S",
        help="seconds between requests (default: %(default)g)",
    )
    set_job(parser, job)


async def job(session: ManagementSession, arguments: argparse.Namespace) -> int | None:
    if arguments.count < 1:
        raise UsageError("--count must be at least 1")
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
    """The round trip; None without an answer. Error if the firmware lacks the command."""
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
        line += f"; {min(answered) // MS} / {mean:.1f} / {max(answered) // MS} ms (min / mean / max)"
    print(line)
