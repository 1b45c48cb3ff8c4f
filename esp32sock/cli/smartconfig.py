"""`esp32sock smartconfig`: receive the network's name and password from a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from esp32sock.at.commands import smartconfig
from esp32sock.at.events import UnknownText, WifiChanged
from esp32sock.at.urcs import Wifi
from esp32sock.cli.common import add_options, set_job
from esp32sock.cli.exit_status import FAILED
from esp32sock.cli.output import print_result
from esp32sock.cli.wifi import status
from esp32sock.engine.shielded import run_shielded
from esp32sock.engine.wifi import enable_station

if TYPE_CHECKING:
    import argparse

    from esp32sock.engine.management import ManagementSession

KINDS = {
    "esp-touch": smartconfig.SmartConfigKind.ESP_TOUCH,
    "airkiss": smartconfig.SmartConfigKind.AIRKISS,
    "both": smartconfig.SmartConfigKind.BOTH,
}
PROGRESS = {
    b"smartconfig type:": "protocol of the phone: {}",
    b"Smart get wifi info": "received the network's name and password",
    b"ssid:": "network name: {}",
    b"smartconfig connected wifi": "joined",
}
"""The lines of the module (at-dialects 3.4) and the text to print for each; none for the password."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Wait for a phone with Espressif's or WeChat's app that sends the network's name and password."
    )
    add_options(parser)
    parser.add_argument(
        "--kind", choices=KINDS, default="both", help="protocol of the phone's app (default: %(default)s)"
    )
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
        await session.execute(smartconfig.StartSmartConfig(KINDS[arguments.kind]))
        if not arguments.json:
            print("waiting for a phone", flush=True)
        with trio.move_on_after(arguments.timeout):
            joined = await until_joined(session, quiet=arguments.json)
    finally:
        await run_shielded(lambda: session.try_execute(smartconfig.StopSmartConfig()))
    return await report(session, arguments, joined=joined)


async def until_joined(session: ManagementSession, *, quiet: bool) -> bool:
    """Print the progress until the station has an address; False when the session ends before."""
    async for event in session.events:
        if isinstance(event, UnknownText) and not quiet:
            print_progress(event.text)
        if isinstance(event, WifiChanged) and event.state is Wifi.GOT_IP:
            return True
    return False


def print_progress(line: bytes) -> None:
    for beginning, text in PROGRESS.items():
        if line.startswith(beginning):
            print(text.format(line.removeprefix(beginning).decode("utf-8", "replace")), flush=True)


async def report(session: ManagementSession, arguments: argparse.Namespace, *, joined: bool) -> int | None:
    """Print the station as `wifi status` does, or that it did not join."""
    if joined:
        await status(session, arguments)
        return None
    print_result(
        arguments,
        {"state": "join-timeout"},
        lambda: print(f"no network joined within {arguments.timeout:g} s"),
    )
    return FAILED
