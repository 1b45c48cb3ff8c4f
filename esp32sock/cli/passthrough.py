"""`esp32sock passthrough`: connect stdin and stdout with one host, in the module's passthrough mode."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from esp32sock._address_text import address_text
from esp32sock.cli.common import UsageError, set_job
from esp32sock.cli.shared_options import add_port
from esp32sock.engine.passthrough import Passthrough, open_passthrough

if TYPE_CHECKING:
    import argparse

    from esp32sock.engine.management import ManagementSession

READ_BYTES = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Connect stdin and stdout with one host in the module's passthrough mode, in which the serial line "
        "carries payload only. The end of input (Ctrl-D) or Ctrl-C ends it, and the module accepts commands "
        "again. Data that does not reach the host is lost without an error; use sockets to avoid that."
    )
    add_port(parser)
    parser.add_argument("host", help="host name or IPv4 address")
    parser.add_argument("host_port", type=int, metavar="PORT", help="its TCP or UDP port")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--udp", dest="kind", action="store_const", const="UDP", help="use UDP instead of TCP")
    kind.add_argument(
        "--ssl", dest="kind", action="store_const", const="SSL", help="use TLS, done by the module"
    )
    parser.add_argument(
        "--wait",
        type=float,
        default=1.0,
        metavar="S",
        help="after the end of input, end when no data arrives for S seconds (default: %(default)g)",
    )
    set_job(parser, job)


async def job(session: ManagementSession, arguments: argparse.Namespace) -> None:
    if arguments.wait < 0:
        raise UsageError("--wait must not be negative")
    session.require_line()
    async with open_passthrough(
        session, arguments.host, arguments.host_port, arguments.kind or "TCP"
    ) as stream:
        _note(f"connected with {address_text(arguments.host, arguments.host_port)}; Ctrl-D ends")
        async with trio.open_nursery() as nursery:
            send, received = trio.open_memory_channel[None](0)
            nursery.start_soon(_show, stream, send)
            await _send_input(stream)
            await _until_silent(received, arguments.wait)
            nursery.cancel_scope.cancel()
    _note("closed")


def _note(text: str) -> None:
    """Print on stderr if it is a terminal: stdout carries payload."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)


async def _send_input(stream: Passthrough) -> None:
    while data := await trio.to_thread.run_sync(os.read, 0, READ_BYTES, abandon_on_cancel=True):
        await stream.send_all(data)


async def _show(stream: Passthrough, received: trio.MemorySendChannel[None]) -> None:
    """Write received data to stdout at once."""
    while True:
        data = await stream.receive_some()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        with suppress(trio.WouldBlock):
            received.send_nowait(None)


async def _until_silent(received: trio.MemoryReceiveChannel[None], wait_s: float) -> None:
    """Wait until no data arrives for `wait_s` seconds."""
    silent = False
    while not silent:
        with trio.move_on_after(wait_s) as silence:
            await received.receive()
        silent = silence.cancelled_caught
