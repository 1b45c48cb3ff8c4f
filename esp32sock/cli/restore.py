"""`esp32sock restore`: reset the module to factory settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from esp32sock.at.commands import basic
from esp32sock.at.events import ModuleRestarted
from esp32sock.cli.common import add_options, set_job
from esp32sock.cli.exit_status import FAILED
from esp32sock.cli.output import print_result
from esp32sock.cli.prompts import add_yes, confirmed

if TYPE_CHECKING:
    import argparse

    from esp32sock.engine.management import ManagementSession

RESTART_S = 30.0
"""20 s were observed (real-firmware)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Erase all settings stored on the module, Wi-Fi passwords included, and restart it."
    add_options(parser)
    add_yes(parser)
    set_job(parser, job)


async def job(session: ManagementSession, arguments: argparse.Namespace) -> int | None:
    question = "This erases all settings and Wi-Fi passwords on the module and closes all connections."
    await confirmed(arguments, question)
    await session.execute(basic.Restore())
    restarted = await until_restarted(session, RESTART_S)
    text = "factory settings restored; the module uses 115200 baud now"
    if not restarted:
        text = f"the module has not restarted within {RESTART_S:g} s; it may use another baud rate now"
    print_result(arguments, {"restarted": restarted}, lambda: print(text))
    return None if restarted else FAILED


async def until_restarted(session: ManagementSession, timeout: float) -> bool:
    """Whether the module restarts within `timeout` seconds."""
    with trio.move_on_after(timeout):
        async for event in session.events:
            if isinstance(event, ModuleRestarted):
                return True
    return False
