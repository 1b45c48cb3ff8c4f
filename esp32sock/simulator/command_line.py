"""`esp32sock simulate`, also `python -m esp32sock.simulator`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import trio

from .profiles import DEFAULT_PROFILE, PROFILES
from .serving import serve
from .settings import Settings
from .trace import line_writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def _tcp(text: str) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `esp32sock simulate`."""
    parser.add_argument(
        "--profile",
        choices=list(PROFILES),
        default=DEFAULT_PROFILE,
        help="the firmware generation (%(default)s)",
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--pty", metavar="LINK", help="make LINK a symbolic link to the pseudo-terminal")
    place.add_argument(
        "--tcp", metavar="HOST:PORT", type=_tcp, help="listen there instead; open as socket://HOST:PORT"
    )
    parser.add_argument("--paced", action="store_true", help="slow the line down to its baud")
    parser.add_argument(
        "--baud", type=int, default=115200, metavar="N", help="the baud at power-on (%(default)s)"
    )
    parser.add_argument(
        "--latency-ms",
        type=float,
        default=0.0,
        metavar="N",
        help="delay of the host's adapter, per turn-around",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of everything that is chance")
    parser.add_argument("--window", type=int, metavar="N", help="TCP receive window of each link in bytes")
    parser.add_argument("--cold", action="store_true", help="power on now: boot, `ready`, join")
    parser.add_argument("--no-join", action="store_true", help="as shipped: no access point is stored")
    parser.add_argument("--trace", action="store_true", help="print the AT dialogue with times")
    parser.add_argument(
        "--journal", metavar="FILE", help="append a line of JSON for each link opened or closed"
    )


def settings_of(arguments: argparse.Namespace) -> Settings:
    return Settings(
        profile=arguments.profile,
        seed=arguments.seed,
        joined=not arguments.no_join,
        cold=arguments.cold,
        paced=arguments.paced,
        baud=arguments.baud,
        latency_s=arguments.latency_ms / 1000,
        window_bytes=arguments.window,
    )


async def simulate(arguments: argparse.Namespace, journal: Callable[[str], object] | None) -> None:
    """Run until SIGINT or SIGTERM."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            place = await nursery.start(
                partial(
                    serve,
                    settings_of(arguments),
                    pty_link=arguments.pty,
                    tcp=arguments.tcp,
                    trace=line_writer(sys.stdout) if arguments.trace else None,
                    journal=journal,
                )
            )
            print(f"simulated ESP32, profile {arguments.profile}, at {place}", flush=True)
            async for _ in signals:
                nursery.cancel_scope.cancel()
                break


def run(arguments: argparse.Namespace) -> int:
    """What the command does once its options are read; the exit status."""
    status = os.EX_OK
    try:
        with ExitStack() as files:
            journal = None
            if arguments.journal is not None:
                journal = line_writer(files.enter_context(open(arguments.journal, "a", encoding="utf-8")))
            trio.run(simulate, arguments, journal)
    except* (OSError, ValueError) as group:
        print(f"esp32sock simulate: {_first(group)}", file=sys.stderr)
        status = os.EX_UNAVAILABLE
    return status


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, run, and give the exit status."""
    parser = argparse.ArgumentParser(
        prog="esp32sock simulate", description="Run a simulated ESP32 with Espressif's AT firmware."
    )
    add_arguments(parser)
    return run(parser.parse_args(argv))
