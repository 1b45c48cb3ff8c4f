"""A broker as a program of its own: ports opened, clients served, an orderly end."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from esp32sock._ending import ending
from esp32sock.broker import socket_file
from esp32sock.broker.access import Access
from esp32sock.broker.notify import keep_watchdog, notify
from esp32sock.broker.server import Broker, ServedModule
from esp32sock.errors import unwrap_group
from esp32sock.net.local_interface import new_engine

if TYPE_CHECKING:
    import _socket
    from collections.abc import Awaitable, Callable, Sequence

    from esp32sock.engine.engine import Engine
    from esp32sock.engine.options import Options

PRIVATE_MODE, SHARED_MODE = 0o600, 0o666
"""Of the socket file; where other users have rights, the table of rights decides and not the file."""


@dataclass(frozen=True, slots=True)
class Module:
    """A module to serve; clients choose it by its name (`unix:PATH#NAME`), or by its port."""

    options: Options
    name: str = ""


async def serve(
    modules: Sequence[Module],
    path: str | _socket.socket,
    access: Access | None = None,
    *,
    on_ready: Callable[[], object] = lambda: None,
    until: Callable[[Broker], Awaitable[None]] | None = None,
) -> None:
    """Serve modules at a Unix socket until SIGTERM, SIGINT or SIGHUP, or `until` returns; then deliver.

    `path` is a file to listen at, or a socket that listens already. Error says why a port or the path cannot
    be had; nothing is left open then.
    """
    access = access or Access()
    mode = PRIVATE_MODE if access.is_private else SHARED_MODE
    failure: BaseException | None = None
    listening = socket_file.listening(path, mode=mode) if isinstance(path, str) else nullcontext(path)
    with listening as listener, ending() as ended:
        try:
            await _serve(modules, listener, access, ended, on_ready, until)
        except Exception as error:
            failure = unwrap_group(error)
    if failure is not None:
        raise failure


async def _serve(
    modules: Sequence[Module],
    listener: _socket.socket,
    access: Access,
    ended: trio.Event,
    on_ready: Callable[[], object],
    until: Callable[[Broker], Awaitable[None]] | None,
) -> None:
    async with trio.open_nursery() as nursery:
        engines: list[Engine] = []
        nursery.start_soon(keep_watchdog)
        with trio.CancelScope() as starting:
            nursery.start_soon(_cancel_when, ended, starting)
            for module in modules:
                engine = new_engine(module.options)
                await nursery.start(engine.run)
                engines.append(engine)
        if not starting.cancelled_caught:
            names = [module.name or module.options.url for module in modules]
            served = [ServedModule(name, engine) for name, engine in zip(names, engines, strict=True)]
            broker = Broker(served, access)
            await nursery.start(broker.serve, listener)
            notify("READY=1", f"STATUS=serving {', '.join(names)}")
            on_ready()
            if until is not None:
                nursery.start_soon(_end_after, until, broker, ended)
            await ended.wait()
            notify("STOPPING=1", "STATUS=delivering what was sent")
            await _drain(engines)
        nursery.cancel_scope.cancel()


async def _drain(engines: Sequence[Engine]) -> None:
    async with trio.open_nursery() as nursery:
        for engine in engines:
            nursery.start_soon(engine.drain)


async def _cancel_when(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


async def _end_after(until: Callable[[Broker], Awaitable[None]], broker: Broker, ended: trio.Event) -> None:
    await until(broker)
    ended.set()
