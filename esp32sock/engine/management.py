"""A session for managing a module: what it has open and how it is set stays as it is.

Theory of operation: attaching a module sets it up for sockets (several links, none open, settings not
stored). Management must not change any of that: the module is only found (`probe.py`), its echo turned
off and its firmware read. The channel stays SYNCING, in which no late answer is expected for an unanswered
command: so a serial rate that was changed in vain can be changed back (`baud.py`).
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

import trio

from esp32sock.at.commands import basic, tcpip
from esp32sock.at.commands.redaction import redacted
from esp32sock.at.events import LinkOpened, ModuleEvent, UnknownText
from esp32sock.at.framing import DISCARD, LINKS
from esp32sock.engine import baud, startup
from esp32sock.engine.channel import CommandChannel
from esp32sock.engine.description import describe_channel, include
from esp32sock.engine.probe import probe
from esp32sock.engine.trace import recording, traced
from esp32sock.engine.transports import open_port
from esp32sock.errors import CommandError, Error, ModuleReset, PortError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from os import PathLike

    from esp32sock.at.commands import Command
    from esp32sock.at.firmware import Firmware
    from esp32sock.engine.transports import Port

R = TypeVar("R")

EVENTS = 1000
"""How many unread events are kept; by taste."""

log = logging.getLogger("esp32sock")


class Stream(Protocol):
    """Takes the payload of the line in passthrough mode; called in the reading task."""

    def payload(self) -> None: ...
    def port_lost(self) -> None: ...


class _EventBuffer:
    """Keeps the module's unsolicited events; payload of links that others opened is dropped."""

    def __init__(self) -> None:
        self.send, self.receive = trio.open_memory_channel[ModuleEvent](EVENTS)
        self.channel: CommandChannel | None = None
        self.stream: Stream | None = None

    def payload(self, link_id: int) -> None:
        assert self.channel is not None
        if self.stream is not None:
            self.stream.payload()
        else:
            self.channel.session.demux.take(link_id)

    def event(self, event: ModuleEvent) -> None:
        if isinstance(event, LinkOpened) and self.stream is None and self.channel is not None:
            self.channel.session.demux.set_sink(event.link_id, DISCARD)
        if isinstance(event, UnknownText):
            event = UnknownText(redacted(event.text))
        try:
            self.send.send_nowait(event)
        except trio.WouldBlock:
            log.debug("event dropped, no reader: %r", event)

    def port_lost(self, error: PortError) -> None:
        self.send.close()
        if self.stream is not None:
            self.stream.port_lost()

    def forget(self) -> None:
        """Drop the events until now."""
        while self.receive.statistics().current_buffer_used:
            self.receive.receive_nowait()


class ManagementSession:
    """One module that is talked to."""

    has_line = True
    """Whether the serial line is this process's own: `channel` and `port` are there."""

    def __init__(self, channel: CommandChannel, buffer: _EventBuffer) -> None:
        self._channel = channel
        self.events = buffer.receive
        """Its unsolicited events; ends when the port is lost."""
        self._buffer = buffer
        include(self)

    def describe(self) -> list[str]:
        """The state of the port, for a diagnostic dump."""
        return [f"management session: {self.firmware.release}", *describe_channel(self.channel)]

    @property
    def channel(self) -> CommandChannel:
        """The commands on the serial line; Error where that is another process's."""
        return self._channel

    def require_line(self) -> None:
        """Error if the serial line is another process's, before anything is changed."""

    @property
    def firmware(self) -> Firmware:
        return self.channel.session.firmware

    @property
    def port(self) -> Port:
        return self.channel.port

    def set_payload_sink(self, stream: Stream | None) -> None:
        """Payload goes there from now on; None: nowhere."""
        self._buffer.stream = stream

    async def execute(self, command: Command[R], *, timeout: float | None = None) -> R:
        """Run one command; see `CommandChannel.execute_exclusive` for what it raises."""
        return await self.channel.execute(command, timeout=timeout)

    async def try_execute(self, command: Command[R]) -> R | None:
        """The result of a command that this firmware may not have, or refuses now; None then."""
        try:
            return await self.execute(command)
        except CommandError as error:
            log.debug("%s", error)
            return None

    async def is_responding(self) -> bool:
        """Whether it answers OK to AT."""
        try:
            await self.execute(basic.Test())
        except PortError:
            raise
        except Error as error:
            log.debug("%s", error)
            return False
        return True

    async def uart_settings(self) -> basic.UartSettings:
        """The module's side of the serial line; see `baud.present` for firmware that cannot say."""
        async with self.channel.exclusive():
            return await baud.present(self.channel)

    async def change_uart(self, wanted: basic.UartSettings, *, store: bool = False) -> None:
        """Change the serial line on both sides; see `baud.change` for what it raises."""
        async with self.channel.exclusive():
            await baud.change(self.channel, wanted, store=store)

    async def use_fastest_rate(self, *, store: bool = False) -> basic.UartSettings:
        """Bring both sides to the highest rate that carries; see `baud.climb` for what it raises."""
        async with self.channel.exclusive():
            return await baud.climb(self.channel, store=store)


@asynccontextmanager
async def open_management_session(
    url: str,
    baud: int,
    *,
    opener: Callable[[str, int], Awaitable[Port]] = open_port,
    trace: str | PathLike[str] | None = None,
    pcap: str | PathLike[str] | None = None,
) -> AsyncIterator[ManagementSession]:
    """Open a port and find the module behind it; PortError or CommandError if there is none.

    `trace` and `pcap` are files for a record of the line, as with `Options`; OSError if one cannot be opened.
    """
    with recording(trace, pcap) as record:
        port = traced(await opener(url, baud), record)
        async with _session_on(port) as session:
            yield session


@asynccontextmanager
async def _session_on(port: Port) -> AsyncIterator[ManagementSession]:
    """A session with the module on an open port, which is closed at the end of the block."""
    buffer = _EventBuffer()
    channel = buffer.channel = CommandChannel(port, buffer)
    failure: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(channel.run)
            try:
                await _identify(channel)
                buffer.forget()
                yield ManagementSession(channel, buffer)
            except BaseException as error:  # not in a group of the nursery's making
                failure = error
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await port.aclose()
    if failure is not None:
        raise failure


async def _identify(channel: CommandChannel) -> None:
    """Find the module and read what is needed; a module that boots may answer shortly before `ready`."""
    await probe(channel)
    try:
        await _read_state(channel)
    except ModuleReset:
        await _read_state(channel)
    for link_id in range(LINKS):
        channel.session.demux.set_sink(link_id, DISCARD)


async def _read_state(channel: CommandChannel) -> None:
    async with channel.exclusive():
        await startup.identify(channel)
        channel.session.demux.mux = await channel.execute_exclusive(tcpip.Multiplexed())
        await startup.end_passthrough(channel)
