"""The doors to passthrough: one TCP or UDP link with the serial line to itself, as a stream or a socket.

Theory of operation: passthrough takes the module alone, so it does not go through an attached interface but
opens the port itself, and puts the module back as it found it. Programs without trio get one end of a socket
pair; a thread runs the module at the other end for as long as the block lasts.
"""

from __future__ import annotations

import os
import socket
import threading
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import trio

from esp32sock._address_text import address_text
from esp32sock._answer import Answer
from esp32sock._clock import UnfrozenClock
from esp32sock.engine import passthrough as engine
from esp32sock.engine import startup
from esp32sock.engine.hangup import HangupWatch
from esp32sock.engine.management import open_management_session
from esp32sock.engine.options import DEFAULT_BAUD
from esp32sock.errors import Error, unwrap_group
from esp32sock.net.context import PORT_VARIABLE
from esp32sock.net.error_map import translated
from esp32sock.net.local_interface import open_on_host

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from esp32sock.engine.passthrough import Kind, OnLink, Passthrough

READ_BYTES = 16384


class PassthroughSocket(socket.socket):
    """The socket of `passthrough`: one end of a pair, which keeps the fate of its link."""

    reconnected: bool | None = None
    """Whether the link broke meanwhile, so that bytes were lost; None within the block."""


@asynccontextmanager
async def open_passthrough(
    host: str,
    port: int,
    kind: Kind = "TCP",
    *,
    url: str | None = None,
    baudrate: int = DEFAULT_BAUD,
    rtscts: bool = False,
    on_link: OnLink | None = None,
) -> AsyncIterator[Passthrough]:
    """The module behind `url` (or ESP32SOCK_PORT) in passthrough with one host: a trio stream of bytes.

    What is in the payload does not matter, `+++` neither. There is no end of stream: when the peer closes,
    the module connects again (from 2.0 on), and `stream.reconnected` says so after the block, or `on_link` at
    once (see `module.passthrough.passthrough`). Without `rtscts` nothing keeps a fast sender from
    overrunning the module where its network is slower than the line.

    OSError that says what is wrong: no such port, no module, the host refuses (ECONNREFUSED, after a
    while ETIMEDOUT), links open on the module (EBUSY). The end of the block leaves the mode, about 1.2 s once
    all is on the line, and puts the module back as it was, also when cancelled.
    """
    chosen = url if url is not None else os.environ.get(PORT_VARIABLE)
    if not chosen:
        raise ValueError(f"passthrough needs a port: url=, or set {PORT_VARIABLE}")
    if chosen == "auto" or chosen.startswith("unix:"):
        raise ValueError("passthrough takes the module alone: end the broker, and give the port itself")
    with translated(f"passthrough to {address_text(host, port)}"):
        async with open_management_session(chosen, baudrate, opener=open_on_host) as management:
            if rtscts:
                async with management.channel.exclusive():
                    await startup.use_flow_control(management.channel)
            async with engine.open_passthrough(management, host, port, kind, on_link=on_link) as stream:
                yield stream


@contextmanager
def passthrough(host: str, port: int, kind: Kind = "TCP", **options: Any) -> Iterator[PassthroughSocket]:
    """The same for programs without trio: a connected socket, for blocking use, select or asyncio alike.

    `options` and errors are those of `open_passthrough`. The end of the block waits until what was sent is on
    the line and the module is back; a port that was lost meanwhile is an end of stream within the block, and
    OSError at its end.
    """
    ours, engines = socket.socketpair()
    user = PassthroughSocket(fileno=ours.detach())
    begun: Answer[None] = Answer()
    ended: Future[bool | None] = Future()
    starting = trio.CancelScope()

    async def run() -> bool | None:
        token = trio.lowlevel.current_trio_token()

        def give_up(done: Future[None]) -> None:
            if done.cancelled():
                with suppress(trio.RunFinishedError):
                    token.run_sync_soon(starting.cancel)

        begun.add_done_callback(give_up)
        with starting:
            async with open_passthrough(host, port, kind, **options) as stream:
                if begun.set_running_or_notify_cancel():
                    begun.set_result(None)
                    await _carry(stream, engines)
            return stream.reconnected
        return None

    def main() -> None:
        try:
            ended.set_result(trio.run(run, clock=UnfrozenClock()))
        except BaseException as error:
            (ended if begun.done() else begun).set_exception(unwrap_group(error))
        finally:
            engines.close()

    thread = threading.Thread(target=main, name="esp32sock passthrough", daemon=True)
    try:
        thread.start()
        begun.result()
        yield user
    finally:
        user.close()
        begun.cancel()  # no effect once it is there: then what was sent is delivered
        with suppress(RuntimeError):  # interrupted before the thread had begun: it ends at once
            thread.join()
    user.reconnected = ended.result()


async def _carry(stream: Passthrough, end: socket.socket) -> None:
    """Both ways, until the user's end is closed and what was sent there is on the line."""
    end.setblocking(False)
    wire = trio.SocketStream(trio.socket.from_stdlib_socket(end.dup()))

    async def up() -> None:
        async for data in wire:
            await stream.send_all(data)

    async def down() -> None:
        try:
            while True:
                await wire.send_all(await stream.receive_some(READ_BYTES))
        except trio.BrokenResourceError as error:
            if isinstance(error, Error):
                end.shutdown(socket.SHUT_RDWR)
                raise

    async with wire:
        with HangupWatch(end.fileno()) as hangup:
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(down)
                    async with trio.open_nursery() as sending:
                        sending.start_soon(up)
                        await hangup.wait()
                    nursery.cancel_scope.cancel()
            except ExceptionGroup as group:
                raise unwrap_group(group) from None
