"""`esp32sock smartconfig`: let a phone tell the module its network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from esp32sock.at.commands import smartconfig
from esp32sock.at.events import UnknownText, WifiChanged
from esp32sock.at.urcs import Wifi
from esp32sock.cli.common import add_options, set_job
from esp32sock.cli.exit_status import FAILED
from esp32sock.cli.output import print_result
from esp32sock.cli.wifi import enable_station, status
from esp32sock.engine.shielded import run_shielded

if TYPE_CHECKING:
    import argparse

    from esp32sock.engine.management import ManagementSession

KINDS = {
    "esp-touch": smartconfig.SmartConfigKind.ESP_TOUCH,
    "airkiss": smartconfig.SmartConfigKind.AIRKISS,
    "both": smartconfig.SmartConfigKind.BOTH,
}
PROGRESS = {
    b"smartconfig type:": "the phone speaks {}",
    b"Smart get wifi info": "it told a network",
    b"ssid:": "its name is {}",
    b"smartconfig connected wifi": "joined",
}
"""What the module prints (at-dialects 3.4), and how it is told; the password is not."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Wait for a phone with Espressif's or WeChat's app to tell the module its network."
    add_options(parser)
    parser.add_argument("--kind", choices=KINDS, default="both", help="how the phone tells it (%(default)s)")
    parser.add_argument(
        "--timeout",
        type=float,
        default=120.0,
        metavar="S",
        help="give up after so many seconds (%(default)g)",
    )
    set_job(parser, job)


async def job(session: ManagementSession, arguments: argparse.Namespace) -> int | None:
    await enable_station(session)
    joined = False
    try:
        await session.execute(smartconfig.StartSmartConfig(KINDS[arguments.kind]))
        if not arguments.json:
            print("waiting for a phone", flush=True)
        with trio.move_on_after(arguments.timeout):
            joined = await until_joined(session, quiet=arguments.json)
    finally:
        await run_shielded(lambda: session.has(smartconfig.StopSmartConfig()))
    return await report(session, arguments, joined=joined)


async def until_joined(session: ManagementSession, *, quiet: bool) -> bool:
    """Tell what happens until the station has an address; False when the module is gone."""
    async for event in session.events:
        if isinstance(event, UnknownText) and not quiet:
            print_progress(event.text)
        if isinstance(event, WifiChanged) and event.state is Wifi.GOT_IP:
            return True
    return False


def print_progress(text: bytes) -> None:
    for beginning, story in PROGRESS.items():
        if text.startswith(beginning):
            print(story.format(text.removeprefix(beginning).decode("utf-8", "replace")), flush=True)


async def report(session: ManagementSession, arguments: argparse.Namespace, *, joined: bool) -> int | None:
    """How it ended: the station as `wifi status` shows it, or nothing joined."""
    if joined:
        await status(session, arguments)
        return None
    print_result(
        arguments, {"state": "join-timeout"}, lambda: print(f"nothing joined within {arguments.timeout:g} s")
    )
    return FAILED
