"""`esp32sock uart`: the serial line."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from esp32sock.at.commands import basic
from esp32sock.cli.common import add_subcommand, add_subparsers
from esp32sock.cli.info import described
from esp32sock.cli.output import print_fields, print_result
from esp32sock.engine.shielded import run_shielded
from esp32sock.errors import Error, PortError

if TYPE_CHECKING:
    import argparse

    from esp32sock.engine.management import ManagementSession

FLOWS = {"none": 0, "rts": 1, "cts": 2, "rtscts": 3}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "The serial line between host and module."
    commands = add_subparsers(parser)
    add_subcommand(commands, "show", show, "show the settings now and after a restart")
    setting = add_subcommand(commands, "set", set_flow, "change the flow control")
    setting.add_argument("--flow", choices=FLOWS, required=True, help="which of the module's lines are used")
    rate = add_subcommand(commands, "baud", set_baud, "change the rate of both sides; back if that fails")
    rate.add_argument("rate", type=int, help="80 to 5000000")
    for changing in (setting, rate):
        changing.add_argument("--store", action="store_true", help="keep it after a restart too")


async def show(session: ManagementSession, arguments: argparse.Namespace) -> None:
    now, stored = await session.execute(basic.Uart()), await session.has(basic.StoredUart())
    pairs = {"now": described(now), "after a restart": stored and described(stored)}
    print_result(arguments, {"now": now, "stored": stored}, lambda: print_fields(pairs))


async def set_flow(session: ManagementSession, arguments: argparse.Namespace) -> None:
    current = await session.execute(basic.Uart())
    flow = basic.FlowControl(FLOWS[arguments.flow])
    await change(
        session, arguments, replace(current, baudrate=session.port.baudrate or current.baudrate, flow=flow)
    )


async def set_baud(session: ManagementSession, arguments: argparse.Namespace) -> None:
    current = await session.execute(basic.Uart())
    await change(session, arguments, replace(current, baudrate=arguments.rate))


async def change(
    session: ManagementSession, arguments: argparse.Namespace, wanted: basic.UartSettings
) -> None:
    command = basic.SetUart(wanted)
    command.line(session.firmware)  # what cannot be sent is refused before anything is changed
    until = "" if arguments.store else ", until the module restarts"

    async def all_of_it() -> None:
        await session.change_uart(wanted, store=arguments.store)
        print(f"verified; from now on use --baud {wanted.baudrate}{until}", file=sys.stderr, flush=True)

    try:
        await run_shielded(all_of_it)  # half of it would leave the two sides at different rates
    except PortError as error:
        if session.dialogue.error is not None:
            raise
        raise Error(str(error)) from error  # the port is there, and so is the module
    await show(session, arguments)
