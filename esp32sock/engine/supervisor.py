"""Keeps a module usable: opens its port, sets it up, and does both again when they are lost.

Theory of operation: `run` is a loop of channels. Within one, an unexpected `ready` means that everything set
up is lost: the session has notified every link already, and the settings are made again while the channel is
held exclusively, so that no other command reaches a module that is half set up. A lost port ends the channel;
the port is then opened again until it is back. Meanwhile `Context.ready` waits, bounded.
"""

from __future__ import annotations

import errno
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import trio

from esp32sock.at.firmware import Firmware
from esp32sock.at.state import ModuleState
from esp32sock.engine import baud, startup
from esp32sock.engine.adapter import AdapterPort
from esp32sock.engine.channel import CommandChannel
from esp32sock.engine.heartbeat import keep_heartbeat
from esp32sock.engine.link_options import LinkOptions
from esp32sock.engine.link_pool import LinkPool
from esp32sock.engine.options import DEFAULT_BAUD
from esp32sock.engine.outage_log import OutageLog
from esp32sock.engine.probe import probe
from esp32sock.engine.receive_mode import ReceiveMode
from esp32sock.engine.reconcile import Reconciler
from esp32sock.engine.rescue import find_again
from esp32sock.engine.tls_setup import TlsConfigurator
from esp32sock.engine.trace import traced
from esp32sock.errors import CommandError, CommandTimeout, Error, ModuleReset, PortError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from datetime import timedelta

    from esp32sock.at.commands import basic
    from esp32sock.engine.channel_listener import ChannelListener
    from esp32sock.engine.context import Context
    from esp32sock.engine.trace import Trace
    from esp32sock.engine.transports import Port
    from esp32sock.engine.wifi import Station

REOPEN_S = 0.5
"""Between two tries to get a lost port back."""
FIND_S = 120.0
"""A silent module is looked for so long before its port is opened anew; by taste."""
BOOT_S = 5.0
"""From the word of a restart to `ready`, twice what hardware needs (real-firmware): it may have been lost."""
RESTART_S = 30.0
"""A restart takes 2 s on hardware, 18 to 25 s in an emulator (real-firmware)."""

log = logging.getLogger("esp32sock")


class Supervisor:
    """The loop of channels of one engine, and what must be remembered from one to the next."""

    def __init__(
        self, context: Context, station: Station, opener: Callable[[str, int], Awaitable[Port]]
    ) -> None:
        self._context = context
        self._station = station
        self._port = AdapterPort(opener)
        self._bauds = [context.options.baudrate]
        """The rates at which the module may be: the one that worked last first."""
        self._outage = OutageLog(f"the module on {context.options.url}", trio.current_time)
        self._boot_baud = context.options.baudrate
        """The rate after a restart, as far as is known."""
        self._chosen: basic.UartSettings | None = None
        """What a command has set the line to; a restart may undo it."""
        self._line_changes = False
        self._wakes_at = 0.0
        self._stores_passthrough = False
        self._restarted = False
        self._trace: Trace | None = None
        self._reconciler = Reconciler(context, station)
        self._firmware = Firmware()
        """What the module was found to have, on whatever channel."""

    # -- what events and commands report --------------------------------------------------------------

    def module_restarted(self) -> None:
        """The module printed `ready`: a set-up that is under way does not count."""
        self._restarted = True

    def module_silent(self, error: Error) -> None:
        """The module answers nothing any more: it is looked for until it does, and set up again."""
        self._context.counters.silences += 1
        self._context.failure = error
        self._outage.failed(error)

    def module_sleeps(self, duration: timedelta) -> None:
        """The module sleeps and restarts afterwards; until then its use fails with Error(ENETDOWN)."""
        self._wakes_at = trio.current_time() + duration.total_seconds()
        self._context.failure = Error(f"the module sleeps for {duration}", errno=errno.ENETDOWN)

    def module_restored(self) -> None:
        """The module has its factory settings: a restart ends at the default rate."""
        self._boot_baud, self._chosen = DEFAULT_BAUD, None
        self._bauds = list(dict.fromkeys([DEFAULT_BAUD, *self._bauds]))

    @contextmanager
    def line_change(
        self, channel: CommandChannel, wanted: basic.UartSettings, *, store: bool
    ) -> Iterator[None]:
        """Within the block the serial settings change, and the module is not set up again.

        Once that succeeded, the settings are made again after every restart that undoes them.
        """
        self._line_changes = True
        channel.session.line_changes()
        try:
            yield
            self._chosen = wanted
            if store:
                self._boot_baud = wanted.baudrate
        finally:
            self._line_changes = False
            self._expect_baud(channel.port.baudrate)
            if channel.state is ModuleState.SYNCING:
                channel.set_up()
            self._context.notify()

    def _expect_baud(self, baud: int | None) -> None:
        """The module answered at this rate; a restart may end at that of the options, or the default."""
        configured = self._context.options.baudrate
        self._bauds = list(dict.fromkeys([baud or configured, self._boot_baud, configured, DEFAULT_BAUD]))

    # -- one channel after another --------------------------------------------------------------------

    async def run(
        self, listener: ChannelListener, started: Callable[[], None], trace: Trace | None = None
    ) -> NoReturn:
        """Run until cancelled; `started` is called once the module is set up for the first time.

        PortError or CommandError if it never can be. A port that is lost later is opened again. `trace` gets
        what passes on each.
        """
        self._trace = trace
        is_started = False

        def begun() -> None:
            nonlocal is_started
            if not is_started:
                is_started = True
                started()

        while True:
            try:
                await self._run_channel(listener, begun, first=not is_started)
            except Error as error:
                if not is_started:
                    raise
                self._context.failure = error
                self._outage.failed(error)
            await trio.sleep(REOPEN_S)

    async def _run_channel(
        self, listener: ChannelListener, begun: Callable[[], None], *, first: bool
    ) -> None:
        """From opening the port to losing it; always ends in an Error."""
        port = traced(await self._port.open(self._context.options.url, self._bauds[0]), self._trace)
        channel = CommandChannel(port, listener)
        channel.supervise(self._reconciler.compare)
        channel.session.firmware = self._firmware
        channel.is_found = not first
        channel.silence = None if first else self._context.failure
        failure: Error | None = None
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(channel.run)
                self._context.connect(
                    channel, LinkPool(channel.session, self._context.options.reclaim_idle_s)
                )
                try:
                    await self._start(channel, first=first)
                    self._outage.ended()
                    self._expect_baud(port.baudrate)
                    channel.is_found = True
                    begun()
                    nursery.start_soon(keep_heartbeat, self._context, channel, self._reconciler)
                    await self._supervise(channel)
                except Error as error:
                    failure = error
                nursery.cancel_scope.cancel()
        finally:
            self._station.forget()
            channel.lose(_as_port_error(failure))
            self._end_links(failure or PortError("the port was closed"))
            self._context.disconnect()
            with trio.CancelScope(shield=True):
                await port.aclose()
        if failure is not None:
            raise failure

    def _end_links(self, error: Error) -> None:
        for pump in self._context.pumps():
            pump.fail(error)
        if self._context.server is not None:
            self._context.server.fail(error)

    # -- set-up, and the way back to it ---------------------------------------------------------------

    async def _start(self, channel: CommandChannel, *, first: bool) -> None:
        if not first:
            await self._find_again(channel)
        async with channel.setting_up():
            if first:
                options = self._context.options
                await probe(channel, reset=options.reset, fill=options.fill_data_phase)
            try:
                await self._set_up(channel, must_join=first)
                if first:
                    await startup.warn_of_light_sleep(channel)
                return
            except ModuleReset:
                url = self._context.options.url
                log.warning("the module on %s restarted during set-up", url)
        await self._recover(channel)

    async def _set_up(self, channel: CommandChannel, *, must_join: bool = False) -> None:
        """The settings, and what they make true; called while holding the channel."""
        context, session = self._context, channel.session
        self._restarted = False
        if await startup.set_up(channel):
            self._stores_passthrough = True
        self._firmware = session.firmware
        await self._choose_rate_again(channel)
        context.receive_mode = ReceiveMode(context.options.receive, session.firmware)
        await context.receive_mode.set_up(channel)
        context.link_options = LinkOptions(session.firmware)
        await context.link_options.set_up(channel)
        context.tls = TlsConfigurator(session.firmware)
        if context.options.rtscts:
            await startup.use_flow_control(channel)
        await self._station.set_up(channel, must_join=must_join)
        if channel.state is ModuleState.SYNCING and not self._restarted:
            channel.set_up()
            context.failure = None
            context.notify()
            if session.links.are_left:  # a server of before may have accepted them meanwhile
                channel.comparison.need("links opened during set-up")
                context.tasks.spawn(channel.settle)
            address = context.station_ip or "no address"
            log.info(
                "the module on %s is set up: %s, %s", channel.port.name, session.firmware.release, address
            )

    async def _choose_rate_again(self, channel: CommandChannel) -> None:
        """A restart ends at the stored rate: back to the one that a command chose."""
        chosen = self._chosen
        if chosen is None or channel.port.baudrate in (None, chosen.baudrate):
            return
        try:
            await baud.change(channel, chosen)
        except (CommandError, PortError) as error:
            if channel.error is not None:
                raise
            self._chosen = None
            log.warning("the module on %s stays at its stored rate: %s", self._context.options.url, error)
        self._expect_baud(channel.port.baudrate)

    async def _supervise(self, channel: CommandChannel) -> None:
        """Do what events ask for; raises when the port is lost or the module cannot be brought back."""
        while True:
            if channel.error is not None:
                raise channel.error
            if self._needs_set_up:
                await self._recover(channel)
            await self._context.until(lambda: channel.error is not None or self._needs_set_up)

    @property
    def _needs_set_up(self) -> bool:
        return not self._context.is_ready and not self._line_changes

    async def _find_again(self, channel: CommandChannel) -> None:
        """Until the module answers; Error when it does not for FIND_S: the port is opened anew then."""
        with trio.move_on_after(FIND_S):
            reset = self._context.options.reset
            await find_again(channel, self._bauds, reset=reset, is_stuck=channel.is_stuck)
            self._expect_baud(channel.port.baudrate)
            return
        raise channel.silence or PortError(f"nothing answers on {channel.port.name}", errno=errno.ETIMEDOUT)

    async def _recover(self, channel: CommandChannel) -> None:
        """After a restart or silence: wait until the module is up again, and set it up again."""
        was_silent, self._restarted = channel.silence is not None, False
        if was_silent:
            await self._find_again(channel)
        self._context.counters.restarts += self._restarted or not was_silent
        with trio.move_on_after(RESTART_S + self._asleep_s):
            while channel.state is not ModuleState.READY:
                await self._until_booted(channel)
                if channel.error is not None:
                    raise channel.error
                try:
                    async with channel.setting_up():
                        if self._stores_passthrough:
                            await startup.leave_stored_passthrough(channel)
                        await self._set_up(channel)
                except (CommandError, ModuleReset) as error:
                    self._outage.failed(error)
                    await trio.sleep(REOPEN_S)
                    if isinstance(error, CommandTimeout):
                        await self._find_again(channel)
            self._outage.ended()
            return
        url = self._context.options.url
        raise PortError(f"the module on {url} restarted and does not answer", errno=errno.ENETDOWN)

    async def _until_booted(self, channel: CommandChannel) -> None:
        """Until a restart under way has ended; a module whose `ready` was missed is found again."""
        if channel.state is not ModuleState.RESETTING:
            return
        if channel.port.baudrate not in (None, self._boot_baud):
            channel.set_baud(self._boot_baud)
        heard = await channel.until_booted(BOOT_S + self._asleep_s)
        if not heard:
            await self._find_again(channel)

    @property
    def _asleep_s(self) -> float:
        return max(0.0, self._wakes_at - trio.current_time())


def _as_port_error(failure: Error | None) -> PortError:
    """What ends whatever still waits in a channel."""
    if isinstance(failure, PortError):
        return failure
    return PortError("the port was closed" if failure is None else str(failure), errno=errno.ENETDOWN)
