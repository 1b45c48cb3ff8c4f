"""A trio program's own engine: the module as a network interface, without a thread for it.

    async with esp32sock.trio.open_interface("/dev/ttyUSB0") as interface:
        stream = await interface.open_tcp_stream("example.com", 80)

`esp32sock.shims.trio` is for unmodified trio programs over an attached interface.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import trio

from esp32sock import config
from esp32sock.engine.portal import EnginePortal
from esp32sock.errors import unwrap_group
from esp32sock.net.error_map import translated
from esp32sock.net.event_queue import MAX_EVENTS
from esp32sock.net.local_interface import LocalInterface, new_engine
from esp32sock.net.passthrough import open_passthrough
from esp32sock.trio_network import ModuleNetwork
from esp32sock.trio_socket import ModuleSocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractContextManager
    from typing import Unpack

    from esp32sock.at.commands import Command, wifi
    from esp32sock.config import AttachOptions
    from esp32sock.engine.engine import Engine
    from esp32sock.engine.options import Options
    from esp32sock.net.event_channel import EventChannel
    from esp32sock.net.interface_api import Interface, ModuleStatus, Stats
    from esp32sock.net.routes import Direct

__all__ = ["ModuleSocket", "TrioInterface", "open_interface", "open_passthrough"]

R = TypeVar("R")

CANCELLED_CLOSE_S = 1.0
"""How long a cancelled `open_interface` still closes links, which the module would keep (chosen)."""


class TrioInterface(ModuleNetwork):
    """One module whose engine runs in this trio program; `open_interface` gives it.

    `execute`, `resolve` and `join` raise what those of `Interface` do: OSError with the errno that Linux
    gives in the same case, and the `esp32sock.Error` as its `__cause__`.
    """

    def __init__(self, interface: LocalInterface, engine: Engine) -> None:
        super().__init__(interface)
        self._local = interface
        self._engine = engine

    def __repr__(self) -> str:
        return f"<TrioInterface over {self._interface!r}>"

    async def execute(self, command: Command[R], *, timeout: float | None = None, force: bool = False) -> R:
        """Run one command, as `Interface.execute` does, with its errors.

        Cancelling returns at once; a command that was sent already is carried out all the same.
        """
        with translated(getattr(command, "label", "execute")):
            return await self._engine.execute(command, timeout=timeout, force=force)

    async def join(
        self,
        ssid: str,
        password: str = "",
        *,
        bssid: str | None = None,
        timeout: float | None = None,
        force: bool = False,
    ) -> wifi.JoinedTo | None:
        """Join an access point, as `Interface.join` does, with its errors.

        Cancelling returns at once; a join that was begun goes on in the module.
        """
        with translated(f"joining {ssid!r}"):
            return await self._engine.join(ssid, password, bssid=bssid, timeout=timeout, force=force)

    def events(self, maxsize: int = MAX_EVENTS) -> EventChannel:
        """What the module says unasked, from now on: `async for event in interface.events()`.

        The latest `maxsize` are kept for a reader that is late. It ends with the interface, or by `close`.
        """
        return self._local.event_channel(maxsize)

    def status(self) -> ModuleStatus:
        """What is known now, without asking the module."""
        return self._interface.status()

    def stats(self) -> Stats:
        """Counters since the interface was opened, as `Interface.stats`."""
        return self._interface.stats()

    def use(self) -> AbstractContextManager[Interface]:
        """Sockets that this task makes within the block, and threads it starts with its context, are here.

        Blocking calls belong into `trio.to_thread`: in the loop itself they are refused (EDEADLK), since the
        engine could not run meanwhile.
        """
        return self._interface.use()


@asynccontextmanager
async def open_interface(
    url: str | Options | None = None,
    *,
    module: str | None = None,
    direct: Direct | None = None,
    **options: Unpack[AttachOptions],
) -> AsyncIterator[TrioInterface]:
    """Run a module in this trio program, without a thread of its own; arguments and errors as `attach`.

    At the end of the block, also when it failed, what was sent is delivered and every link closed, at most
    `close_s` long; a cancelled block closes links for CANCELLED_CLOSE_S at most. Sockets that are still open
    then end as if the port were lost. Does not become the default interface.
    """
    chosen, routes = config.resolve(url, direct, options, module)
    if isinstance(chosen, str):
        raise ValueError(f"{chosen} is a broker, with an engine of its own: use esp32sock.attach for it")
    engine, portal, scope = new_engine(chosen), EnginePortal(), trio.CancelScope()
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        try:
            await _start(engine, portal, scope, nursery)
            interface = LocalInterface(chosen, routes, portal, engine)
            try:
                yield TrioInterface(interface, engine)
            finally:
                await _close(engine)
                interface.close()
        except Exception as error:
            failure = error  # raised outside, or the nursery would wrap it in a group
        finally:
            scope.cancel()
    if failure is not None:
        raise failure


async def _start(
    engine: Engine, portal: EnginePortal, scope: trio.CancelScope, nursery: trio.Nursery
) -> None:
    """Run the engine in this nursery until `scope` is cancelled; OSError if it cannot be set up."""
    with translated(f"attaching {engine.options.url}"):
        try:
            await nursery.start(_run, engine, portal, scope)
        except ExceptionGroup as group:
            raise unwrap_group(group) from None


async def _run(
    engine: Engine, portal: EnginePortal, scope: trio.CancelScope, *, task_status: trio.TaskStatus[None]
) -> None:
    """Run until `scope` is cancelled; once it is set up, the caller's cancellation alone cuts no link off."""
    portal.open()
    with scope:
        async with trio.open_nursery() as nursery:
            portal.run_jobs_in(nursery)
            await nursery.start(engine.run)
            scope.shield = True
            task_status.started()


async def _close(engine: Engine) -> None:
    """End the links; shortly, if the caller was cancelled."""
    try:
        await engine.drain()
    except trio.Cancelled:
        with trio.move_on_after(CANCELLED_CLOSE_S, shield=True):
            await engine.drain()
        raise
