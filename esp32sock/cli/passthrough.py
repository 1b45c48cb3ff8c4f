"""`esp32sock passthrough`: a terminal or a pipe to one host, by the module's passthrough mode."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import trio

from esp32sock.cli.common import Misuse, add_port, set_job
from esp32sock.module.passthrough import Passthrough, passthrough

if TYPE_CHECKING:
    import argparse

    from esp32sock.module.talk import Talk

READ_BYTES = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Connect stdin and stdout with one host by the module's passthrough mode: nothing but payload is on "
        "the serial line. The end of input (Ctrl-D) leaves, and so does Ctrl-C; the module is in command mode "
        "again then. What the host does not take is not noticed: to carry data safely, use sockets."
    )
    add_port(parser)
    parser.add_argument("host")
    parser.add_argument("host_port", type=int, metavar="PORT")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--udp", dest="kind", action="store_const", const="UDP", help="UDP instead of TCP")
    kind.add_argument("--ssl", dest="kind", action="store_const", const="SSL", help="TLS, by the module")
    parser.add_argument(
        "--wait",
        type=float,
        default=1.0,
        metavar="S",
        help="at the end of input, wait until nothing came for so long (%(default)s s)",
    )
    set_job(parser, job)


async def job(talk: Talk, arguments: argparse.Namespace) -> None:
    if arguments.wait < 0:
        raise Misuse("--wait is a time from 0 up")
    async with passthrough(talk, arguments.host, arguments.host_port, arguments.kind or "TCP") as stream:
        _note(f"connected with {arguments.host}:{arguments.host_port}; Ctrl-D leaves")
        async with trio.open_nursery() as nursery:
            heard = _Heard(stream, arguments.wait)
            nursery.start_soon(heard.show)
            await _send_input(stream)
            await heard.until_silent()
            nursery.cancel_scope.cancel()
    _note("left")


def _note(text: str) -> None:
    """Beside the payload, for people only."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)


async def _send_input(stream: Passthrough) -> None:
    while data := await trio.to_thread.run_sync(os.read, 0, READ_BYTES, abandon_on_cancel=True):
        await stream.send(data)


class _Heard:
    """What comes from the host, on stdout at once."""

    def __init__(self, stream: Passthrough, wait_s: float) -> None:
        self._stream = stream
        self._wait_s = wait_s
        self._heard_at = trio.current_time()

    async def show(self) -> None:
        while True:
            data = await self._stream.receive()
            self._heard_at = trio.current_time()
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    async def until_silent(self) -> None:
        self._heard_at = max(self._heard_at, trio.current_time())
        while trio.current_time() < self._heard_at + self._wait_s:
            await trio.sleep_until(self._heard_at + self._wait_s)
