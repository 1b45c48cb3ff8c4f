"""A session with a module that a broker shares: the same commands, beside the programs that use it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NoReturn, TypeVar

import trio

from esp32sock.broker import client
from esp32sock.engine.management import EVENTS, ManagementSession
from esp32sock.errors import Error
from esp32sock.net.routes import Routes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from esp32sock.at.commands import Command
    from esp32sock.at.events import ModuleEvent
    from esp32sock.at.firmware import Firmware
    from esp32sock.broker.client import BrokerInterface

R = TypeVar("R")


class BrokeredSession(ManagementSession):
    """Commands go to the broker; what needs the serial line itself raises Error."""

    has_line = False

    def __init__(self, interface: BrokerInterface, events: trio.MemoryReceiveChannel[ModuleEvent]) -> None:
        self._interface = interface
        self.events = events

    @property
    def firmware(self) -> Firmware:
        return self._interface.firmware

    @property
    def channel(self) -> NoReturn:
        raise _needs_the_line()

    @property
    def port(self) -> NoReturn:
        raise _needs_the_line()

    def require_line(self) -> NoReturn:
        raise _needs_the_line()

    async def execute(self, command: Command[R], *, timeout: float | None = None) -> R:
        """As `ManagementSession.execute`; a command that would end links of other programs is refused."""

        def run() -> R:
            return self._interface.execute(command, timeout=timeout)

        try:
            return await trio.to_thread.run_sync(run, abandon_on_cancel=True)
        except OSError as error:
            if isinstance(error.__cause__, Error):
                raise error.__cause__ from None
            raise
        except TypeError as error:
            raise Error(f"{command.label} cannot go through a broker: {error}") from error


def _needs_the_line() -> Error:
    return Error("this needs the serial line itself, which a broker has: end the broker, and give the port")


@asynccontextmanager
async def open_brokered_session(url: str) -> AsyncIterator[BrokeredSession]:
    """A session with the module of a broker; PortError if the broker cannot be reached."""
    interface = await trio.to_thread.run_sync(_connect, url)
    send, receive = trio.open_memory_channel["ModuleEvent"](EVENTS)
    token = trio.lowlevel.current_trio_token()

    def keep(event: ModuleEvent) -> None:
        try:
            send.send_nowait(event)
        except (trio.WouldBlock, trio.ClosedResourceError, trio.BrokenResourceError):
            return  # as with a line of one's own: there is no reader

    def heard(event: ModuleEvent) -> None:
        try:
            token.run_sync_soon(keep, event)
        except trio.RunFinishedError:
            return

    unwatch = interface.watch(heard)
    try:
        yield BrokeredSession(interface, receive)
    finally:
        unwatch()
        interface.disconnect()
        send.close()


def _connect(url: str) -> BrokerInterface:
    try:
        return client.connect(url, Routes())
    except OSError as error:
        if isinstance(error.__cause__, Error):
            raise error.__cause__ from None
        raise
