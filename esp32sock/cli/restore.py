"""`esp32sock restore`: forget every setting and restart."""

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
"""20 s were seen (real-firmware/README)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Forget everything stored, the network's password too, and restart."
    add_options(parser)
    add_yes(parser)
    set_job(parser, job)


async def job(session: ManagementSession, arguments: argparse.Namespace) -> int | None:
    question = "Every setting, network and password on the module is forgotten, every link ends."
    await confirmed(arguments, question)
    await session.execute(basic.Restore())
    restarted = await until_restarted(session, RESTART_S)
    words = "restored; it runs at 115200 baud now"
    if not restarted:
        words = f"it said OK, but nothing was heard of it for {RESTART_S:g} s; it may run at another rate now"
    print_result(arguments, {"restarted": restarted}, lambda: print(words))
    return None if restarted else FAILED


async def until_restarted(session: ManagementSession, timeout: float) -> bool:
    """Whether `ready` is heard in time."""
    with trio.move_on_after(timeout):
        async for event in session.events:
            if isinstance(event, ModuleRestarted):
                return True
    return False
