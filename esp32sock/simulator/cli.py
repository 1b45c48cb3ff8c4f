"""`esp32sock simulate`, also `python -m esp32sock.simulator`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from io import TextIOWrapper
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import trio

from esp32sock._files import open_private
from esp32sock.simulator.environment.radio import Subnet
from esp32sock.simulator.network.host import HostNetwork
from esp32sock.simulator.observers.pcapng import PcapNg
from esp32sock.simulator.observers.trace import line_writer
from esp32sock.simulator.options import BY_NAME, OPTIONS, Option, settings_with
from esp32sock.simulator.runtime.serve import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from esp32sock.simulator.environment.settings import Settings


Place: TypeAlias = str | tuple[str, int] | None
"""A link to the terminal, a TCP address, or a terminal without a link."""


def _tcp(text: str) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `esp32sock simulate`: where modules run, those of options.py, what is recorded."""
    parser.add_argument(
        "--pty",
        metavar="LINK",
        dest="places",
        action="append",
        help="make LINK a symbolic link to the pseudo-terminal; each --pty or --tcp is a module of its own",
    )
    parser.add_argument(
        "--tcp",
        metavar="HOST:PORT",
        dest="places",
        action="append",
        type=_tcp,
        help="listen there instead; open as socket://HOST:PORT",
    )
    for option in OPTIONS:
        _add_option(parser, option)
    parser.add_argument("--trace", action="store_true", help="print the AT dialogue with times")
    parser.add_argument(
        "--pcap",
        metavar="FILE",
        help="write dialogue and payloads for Wireshark; further modules FILE.2, FILE.3",
    )
    parser.add_argument(
        "--journal", metavar="FILE", help="append a line of JSON for each link opened or closed"
    )


def _add_option(parser: argparse.ArgumentParser, option: Option) -> None:
    """An option of the table: not in the namespace unless it is given."""
    flag = f"--{option.name.replace('_', '-')}"
    if not option.metavar:
        on = not option.default
        parser.add_argument(
            flag if on else f"--no-{flag[2:]}",
            dest=option.name,
            action="store_const",
            const=on,
            default=argparse.SUPPRESS,
            help=option.help if on else option.help_off,
        )
        return
    shown = "" if option.default is None else f" ({option.default})".replace("%", "%%")
    parser.add_argument(
        flag,
        dest=option.name,
        metavar=option.metavar if not option.choices else None,
        choices=option.choices or None,
        type=partial(_checked, option),
        action="append" if option.repeats else "store",
        default=argparse.SUPPRESS,
        help=option.help + shown,
    )


def _checked(option: Option, text: str) -> str:
    """The text of an option, if it can be read."""
    try:
        option.read(text)
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def settings_of(arguments: argparse.Namespace, number: int = 1) -> Settings:
    """Those of the module with this number, from 1: the first is what was asked for, the others differ in
    seed, MAC addresses and flash.
    """
    chosen = {name: value for name, value in vars(arguments).items() if name in BY_NAME}
    settings = settings_with(chosen)
    if settings.nvs is not None:
        settings = replace(settings, nvs=numbered(settings.nvs, number))
    settings = replace(settings, seed=settings.seed + number - 1)
    if number > 1:
        identity = settings.identity
        settings = replace(
            settings,
            identity=replace(
                identity,
                station_mac=another_mac(identity.station_mac, number),
                softap_mac=another_mac(identity.softap_mac, number),
            ),
        )
    return settings


def numbered(path: str, number: int) -> str:
    return path if number == 1 else f"{path}.{number}"


def another_mac(mac: str, number: int) -> str:
    """The MAC address of a further module; the two of one module stay apart."""
    value = int(mac.replace(":", ""), 16) + 2 * (number - 1)
    return ":".join(f"{byte:02x}" for byte in (value % (1 << 48)).to_bytes(6, "big"))


async def simulate(
    arguments: argparse.Namespace,
    places: list[Place],
    captures: list[BinaryIO],
    journal: Callable[[str], object] | None,
) -> None:
    """Run a module at each place until SIGINT or SIGTERM, or until every one has been unplugged."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_until_signal, signals, nursery.cancel_scope)
            async with trio.open_nursery() as modules:
                for number, place in enumerate(places, 1):
                    settings = settings_of(arguments, number)
                    network = HostNetwork(aliases=dict(settings.aliases))
                    label = f"[{number}] " if len(places) > 1 else ""
                    serving = partial(
                        serve,
                        settings,
                        pty_link=place if isinstance(place, str) else None,
                        tcp=place if isinstance(place, tuple) else None,
                        trace=line_writer(sys.stdout, label) if arguments.trace else None,
                        network=network,
                        journal=journal,
                        observers=tuple(_captured(file, settings) for file in captures[number - 1 : number]),
                    )
                    where = await modules.start(serving)
                    servers = f"its servers at {network.address}"
                    print(f"simulated ESP32, profile {settings.profile}, {servers}, at {where}", flush=True)
            nursery.cancel_scope.cancel()


def _captured(file: BinaryIO, settings: Settings) -> PcapNg:
    return PcapNg(file, started_at=time.time(), address=address_of(settings))


async def _until_signal(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    async for _ in signals:
        scope.cancel()
        return


def address_of(settings: Settings) -> str:
    """What the module's address will be, as far as that can be known before it joins."""
    return (settings.access_points[0].subnet if settings.access_points else Subnet()).address


def run(arguments: argparse.Namespace) -> int:
    """What the command does once its options are read; the exit status."""
    status = os.EX_OK
    try:
        with ExitStack() as files:
            journal = None
            if arguments.journal is not None:
                file = files.enter_context(open_private(arguments.journal, append=True))
                journal = line_writer(files.enter_context(TextIOWrapper(file, "utf-8", line_buffering=True)))
            places: list[Place] = arguments.places or [None]
            captures: list[BinaryIO] = []
            if arguments.pcap is not None:
                names = [numbered(arguments.pcap, number) for number in range(1, len(places) + 1)]
                captures = [files.enter_context(open_private(name)) for name in names]
            trio.run(simulate, arguments, places, captures, journal)
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
