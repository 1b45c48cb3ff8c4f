"""`esp32sock passthrough`: a terminal or a pipe to one host, by the module's passthrough mode."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from esp32sock.cli.common import UsageError, add_port, set_job
from esp32sock.engine.passthrough import Passthrough, open_passthrough

if TYPE_CHECKING:
    import argparse

    from esp32sock.engine.management import ManagementSession

READ_BYTES = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Connect stdin and stdout with one host by the module's passthrough mode: nothing but payload is on "
        "the serial line. The end of input (Ctrl-D) leaves, and so does Ctrl-C; the module takes commands "
        "again then. What the host does not take is not noticed: to carry data safely, use sockets."
    )
    add_port(parser)
    parser.add_argument("host", help="a name or an address")
    parser.add_argument("host_port", type=int, metavar="PORT", help="its port")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--udp", dest="kind", action="store_const", const="UDP", help="UDP instead of TCP")
    kind.add_argument("--ssl", dest="kind", action="store_const", const="SSL", help="TLS, by the module")
    parser.add_argument(
        "--wait",
        type=float,
        default=1.0,
        metavar="S",
        help="at the end of input, wait until nothing came for so many seconds (%(default)g)",
    )
    set_job(parser, job)


async def job(session: ManagementSession, arguments: argparse.Namespace) -> None:
    if arguments.wait < 0:
        raise UsageError("--wait is a time from 0 up")
    async with open_passthrough(
        session, arguments.host, arguments.host_port, arguments.kind or "TCP"
    ) as stream:
        _note(f"connected with {arguments.host}:{arguments.host_port}; Ctrl-D leaves")
        async with trio.open_nursery() as nursery:
            send, heard = trio.open_memory_channel[None](0)
            nursery.start_soon(_show, stream, send)
            await _send_input(stream)
            await _until_silent(heard, arguments.wait)
            nursery.cancel_scope.cancel()
    _note("left")


def _note(text: str) -> None:
    """Beside the payload, for people only."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)


async def _send_input(stream: Passthrough) -> None:
    while data := await trio.to_thread.run_sync(os.read, 0, READ_BYTES, abandon_on_cancel=True):
        await stream.send_all(data)


async def _show(stream: Passthrough, heard: trio.MemorySendChannel[None]) -> None:
    """What comes from the host, on stdout at once."""
    while True:
        data = await stream.receive_some()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        with suppress(trio.WouldBlock):
            heard.send_nowait(None)


async def _until_silent(heard: trio.MemoryReceiveChannel[None], wait_s: float) -> None:
    """Until nothing came for so long."""
    silent = False
    while not silent:
        with trio.move_on_after(wait_s) as silence:
            await heard.receive()
        silent = silence.cancelled_caught
