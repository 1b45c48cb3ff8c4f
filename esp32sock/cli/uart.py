"""`esp32sock uart`: the serial line."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from esp32sock.at.commands import basic
from esp32sock.cli.common import add_subcommand, add_words
from esp32sock.cli.info import described
from esp32sock.cli.output import facts, present
from esp32sock.engine.shielded import run_shielded
from esp32sock.errors import Error, PortError

if TYPE_CHECKING:
    import argparse

    from esp32sock.engine.management import ManagementSession

FLOWS = {"none": 0, "rts": 1, "cts": 2, "rtscts": 3}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "The serial line between host and module."
    words = add_words(parser)
    add_subcommand(words, "show", show, "show the settings now and after a restart")
    setting = add_subcommand(words, "set", set_flow, "change the flow control")
    setting.add_argument("--flow", choices=FLOWS, required=True, help="which of the module's lines are used")
    rate = add_subcommand(words, "baud", set_baud, "change the rate of both sides; back if that fails")
    rate.add_argument("rate", type=int, help="80 to 5000000")
    for changing in (setting, rate):
        changing.add_argument("--store", action="store_true", help="keep it after a restart too")


async def show(talk: ManagementSession, arguments: argparse.Namespace) -> None:
    now, stored = await talk.execute(basic.Uart()), await talk.has(basic.StoredUart())
    pairs = {"now": described(now), "after a restart": stored and described(stored)}
    present(arguments, {"now": now, "stored": stored}, lambda: facts(pairs))


async def set_flow(talk: ManagementSession, arguments: argparse.Namespace) -> None:
    present_ = await talk.execute(basic.Uart())
    flow = basic.FlowControl(FLOWS[arguments.flow])
    await change(
        talk, arguments, replace(present_, baudrate=talk.port.baudrate or present_.baudrate, flow=flow)
    )


async def set_baud(talk: ManagementSession, arguments: argparse.Namespace) -> None:
    present_ = await talk.execute(basic.Uart())
    await change(talk, arguments, replace(present_, baudrate=arguments.rate))


async def change(talk: ManagementSession, arguments: argparse.Namespace, wanted: basic.UartSettings) -> None:
    command = basic.SetUart(wanted)
    command.line(talk.firmware)  # what cannot be sent is refused before anything is changed
    until = "" if arguments.store else ", until the module restarts"

    async def all_of_it() -> None:
        await talk.change_uart(wanted, store=arguments.store)
        print(f"verified; from now on use --baud {wanted.baudrate}{until}", file=sys.stderr, flush=True)

    try:
        await run_shielded(all_of_it)  # half of it would leave the two sides at different rates
    except PortError as error:
        if talk.dialogue.error is not None:
            raise
        raise Error(str(error)) from error  # the port is there, and so is the module
    await show(talk, arguments)
