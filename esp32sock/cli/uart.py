"""`esp32sock uart`: show or change the settings of the serial line."""

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
    from collections.abc import Awaitable, Callable

    from esp32sock.engine.management import ManagementSession

FASTEST = "fastest"
FLOWS = {"none": 0, "rts": 1, "cts": 2, "rtscts": 3}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Show or change the settings of the serial line between this machine and the module."
    commands = add_subparsers(parser)
    add_subcommand(commands, "show", show, "show the settings in use and those after a restart")
    setting = add_subcommand(commands, "set", set_flow, "set the flow control")
    setting.add_argument(
        "--flow", choices=FLOWS, required=True, help="the flow control lines that the module uses"
    )
    rate = add_subcommand(
        commands, "baud", set_baud, "change the baud rate of both sides; if that fails, the old rate stays"
    )
    rate.add_argument(
        "rate",
        type=baud_rate,
        help=f"baud rate, 80 to 5000000, or {FASTEST}: the most that the line carries",
    )
    for changing in (setting, rate):
        changing.add_argument("--store", action="store_true", help="keep the setting after a restart too")


async def show(session: ManagementSession, arguments: argparse.Namespace) -> None:
    now, stored = await session.try_execute(basic.Uart()), await session.try_execute(basic.StoredUart())
    if now is None:
        print("this firmware does not show its serial settings", file=sys.stderr, flush=True)
    pairs = {"now": now and described(now), "after a restart": stored and described(stored)}
    print_result(arguments, {"now": now, "stored": stored}, lambda: print_fields(pairs))


async def set_flow(session: ManagementSession, arguments: argparse.Namespace) -> None:
    current = await session.uart_settings()
    flow = basic.FlowControl(FLOWS[arguments.flow])
    await change(
        session, arguments, replace(current, baudrate=session.port.baudrate or current.baudrate, flow=flow)
    )


def baud_rate(text: str) -> int | str:
    return text if text == FASTEST else int(text)


async def set_baud(session: ManagementSession, arguments: argparse.Namespace) -> None:
    if arguments.rate == FASTEST:
        await use_fastest(session, arguments)
        return
    current = await session.uart_settings()
    await change(session, arguments, replace(current, baudrate=arguments.rate))


async def change(
    session: ManagementSession, arguments: argparse.Namespace, wanted: basic.UartSettings
) -> None:
    command = basic.SetUart(wanted)
    command.line(session.firmware)  # raises for a wrong argument before any setting changes

    async def change_and_confirm() -> None:
        await session.change_uart(wanted, store=arguments.store)
        _confirm(wanted.baudrate, arguments)

    await _change_whole(session, change_and_confirm)
    await show(session, arguments)


async def use_fastest(session: ManagementSession, arguments: argparse.Namespace) -> None:
    async def climb_and_confirm() -> None:
        _confirm((await session.use_fastest_rate(store=arguments.store)).baudrate, arguments)

    await _change_whole(session, climb_and_confirm)
    await show(session, arguments)


def _confirm(baudrate: int, arguments: argparse.Namespace) -> None:
    until = "" if arguments.store else ", until the module restarts"
    print(f"verified: use --baud {baudrate} from now on{until}", file=sys.stderr, flush=True)


async def _change_whole(session: ManagementSession, job: Callable[[], Awaitable[None]]) -> None:
    """An interrupt half-way would leave both sides at different rates."""
    try:
        await run_shielded(job)
    except PortError as error:
        if session.channel.error is not None:
            raise
        raise Error(str(error)) from error  # not a lost port: the module still answers at its old rate
