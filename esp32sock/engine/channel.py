"""The session on a port: three tasks that read, write and keep the time, and one verb, `execute`.

The session decides everything; this file decides when. A command waits for the channel in a fair queue, so
links that send alternate chunk by chunk. A command that is cancelled while it runs is abandoned, and the
next one starts when the module has answered it.
"""

from __future__ import annotations

import errno
import logging
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from esp32sock.at.events import (
    CommandDone,
    CommandFailed,
    DataReceived,
    ModuleRestarted,
    ModuleSilent,
)
from esp32sock.at.framing import LINKS, NEED_DATA
from esp32sock.at.session import Session
from esp32sock.at.state import ModuleState
from esp32sock.engine.command_outcome import result_of
from esp32sock.engine.comparison import Comparison
from esp32sock.engine.rests import Rests
from esp32sock.engine.turns import Turns
from esp32sock.errors import CommandTimeout, Error, ModuleReset, PortError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from esp32sock.at.commands import Command
    from esp32sock.engine.channel_listener import ChannelListener
    from esp32sock.engine.transports import Port

R = TypeVar("R")

log = logging.getLogger("esp32sock")

BITS_A_BYTE = 10
"""8N1 on the wire."""
PAUSE_S = 0.5
"""A deadline found so late passed while the host was paused: it starts anew."""
END_LINE_S = 0.1
"""Between an empty line and AT+RST: what comes in one write with another line is dropped (real-firmware)."""
WRITE_BYTES = 8192
"""What the port gets at a time: a long send ends there when the module restarts."""
SAMPLE_BYTES = 4096
"""How much of the last input is kept for the probe while the module is not set up."""


class CommandChannel:
    """One port with a session on it."""

    def __init__(self, port: Port, listener: ChannelListener) -> None:
        self.port = port
        self.session = Session()
        self._count_bits()
        self.session.port_opened()
        self.error: PortError | None = None
        self.heard_bytes = 0
        self.sample = b""
        self._heard = trio.Event()
        self._rests = Rests()
        self._listener = listener
        self.silence: Error | None = None
        """Why nothing waits for the module to be set up: it is silent, or was when the port was opened."""
        self.is_found = False
        """Whether a module that was known is set up again: one that does not answer is looked for again."""
        self.is_stuck = False
        """Whether the module is not silent, but busy without an end."""
        self.comparison = Comparison(lambda: self.state is ModuleState.READY)
        self.turns = Turns()
        self.has_flow_control = False
        """Whether module and host hold each other back with RTS and CTS."""
        self.era = 0
        """How often the module restarted or fell silent."""
        self._holder_era: int | None = None
        """That when the channel was taken; None for the supervisor, which sets the module up."""
        self._state_changed = trio.Event()
        self._state_seen = self.session.module.state
        self._outcome: CommandDone | CommandFailed | None = None
        self._answered = trio.Event()
        self._became_idle = trio.Event()
        self._outgoing: list[bytes | memoryview] = []
        self._can_write = trio.Event()
        self._alarm = trio.CancelScope()
        self._scope = trio.CancelScope()

    def _count_bits(self) -> None:
        self.session.s_per_byte = BITS_A_BYTE / self.port.baudrate if self.port.baudrate else 0.0

    # -- the three tasks ------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Carry bytes until the port is lost (then `error` says why) or cancelled."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._guarded, self._read)
                nursery.start_soon(self._guarded, self._write)
                nursery.start_soon(self._guarded, self._keep_time)
                task_status.started()

    async def _guarded(self, task: Any) -> None:
        try:
            await task()
        except PortError as error:
            self.lose(error)
        except Exception as error:
            # A defect of the engine: it costs this channel and its links, and not the others.
            log.exception("the command channel fails")
            self.lose(PortError(f"the engine failed: {error!r}", errno=errno.EPROTO))

    def lose(self, error: PortError) -> None:
        """The port is lost, or given up: the channel ends with this error. Idempotent."""
        if self.error is not None:
            return
        self.error = error
        self.session.connection_lost(error)
        self._dispatch()
        self._notify_state()
        self._scope.cancel()
        self._listener.port_lost(error)

    async def _read(self) -> None:
        while True:
            data = await self.port.receive()
            while data:
                self._take(data)
                rest_s = self._rest_s(len(data)) if self.port.can_poll else 0.0
                if not rest_s:
                    break
                await trio.sleep(rest_s)
                data = self.port.receive_nowait()

    def _rest_s(self, read_bytes: int) -> float:
        session = self.session
        missing_bytes = session.demux.missing_bytes
        return self._rests.after(read_bytes, missing_bytes, session.s_per_byte, trio.current_time())

    def _take(self, data: bytes) -> None:
        self.heard_bytes += len(data)
        if self.state is ModuleState.SYNCING:
            self.sample = (self.sample + data)[-SAMPLE_BYTES:]
            self._heard.set()
        self.session.receive_data(data, trio.current_time())
        self._dispatch()
        self._flush()

    async def _write(self) -> None:
        while True:
            await self._can_write.wait()
            while self._outgoing:
                piece = self._outgoing[0]
                await self.port.send(piece[:WRITE_BYTES])
                if self._outgoing and self._outgoing[0] is piece:  # else the module restarted meanwhile
                    self._outgoing[:1] = [piece[WRITE_BYTES:]] if len(piece) > WRITE_BYTES else []
            self._can_write = trio.Event()

    async def _keep_time(self) -> None:
        while True:
            with trio.CancelScope(deadline=self.session.next_deadline()) as self._alarm:
                await trio.sleep_forever()
            if not self._alarm.cancelled_caught:
                continue
            await self._read_what_is_there()
            now = trio.current_time()
            late_s = now - self.session.next_deadline()
            if late_s > PAUSE_S:
                self.session.host_paused(late_s)
            elif late_s >= 0:
                self.session.handle_deadline(now)
            self._dispatch()
            self._flush()

    async def _read_what_is_there(self) -> None:
        """A deadline is judged after the port was read: a host that paused finds the answers there."""
        with trio.move_on_after(PAUSE_S):
            while self.port.is_readable():
                await trio.lowlevel.checkpoint()

    # -- events and bytes -----------------------------------------------------------------------------

    def dispatch(self) -> None:
        """Deliver the session's events to the listener, after a change that did not come from the port."""
        self._dispatch()
        self._flush()

    def _dispatch(self) -> None:
        while (event := self.session.next_event()) is not NEED_DATA:
            if isinstance(event, DataReceived):
                for link_id in range(LINKS):
                    if event.links >> link_id & 1:
                        self._listener.payload(link_id)
            elif isinstance(event, CommandDone | CommandFailed):
                self._outcome = event
                self._answered.set()
            else:
                if isinstance(event, ModuleRestarted | ModuleSilent):
                    self.era += 1
                    self._outgoing.clear()  # what the port has not taken yet was for the module as it was
                if isinstance(event, ModuleSilent):
                    self._fell_silent(event)
                self.comparison.note(event)  # type: ignore[arg-type]
                self._listener.event(event)  # type: ignore[arg-type]
        if self.session.idle:
            self._became_idle.set()
        if self.state is not self._state_seen:
            self._notify_state()

    def _fell_silent(self, event: ModuleSilent) -> None:
        """Every wait in this channel ends, the links too; it is open still, for the module to be found."""
        self.is_stuck = event.is_busy
        what = "is busy without an end" if event.is_busy else "answers nothing any more"
        reason = f"the module on {self.port.name} {what}, since {event.label}"
        self.silence = PortError(reason, errno=errno.ETIMEDOUT)
        self.session.fell_silent(self.silence)
        self._notify_state()

    def _flush(self) -> None:
        """Write the session's output, at once if the port takes it."""
        pieces = self.session.data_to_send(trio.current_time())
        try:
            for piece in pieces:
                sent = 0 if self._outgoing else self.port.send_nowait(piece)
                if sent < len(piece):
                    self._outgoing.append(memoryview(piece)[sent:])
        except PortError as error:
            self.lose(error)
            return
        if self._outgoing:
            self._can_write.set()
        deadline = self.session.next_deadline()
        if deadline < self._alarm.deadline:  # one that is later is found when the alarm goes off
            self._alarm.deadline = deadline

    # -- commands -------------------------------------------------------------------------------------

    @asynccontextmanager
    async def exclusive(self, *, in_background: bool = False) -> AsyncIterator[None]:
        """Hold the channel: no other command goes out meanwhile, and no doubt is left when it begins.

        On a supervised channel this waits, unbounded, until the module is set up; PortError when the port
        is lost or the module silent. `in_background`: nothing is late if this has to wait.
        """
        while True:
            async with self.turns.hold(in_background=in_background):
                await self._until_idle()
                await self.comparison.settle()
                if not self.comparison.is_supervised or self.state is ModuleState.READY:
                    self._holder_era = self.era
                    yield
                    return
            await self._until_set_up()

    @asynccontextmanager
    async def setting_up(self) -> AsyncIterator[None]:
        """Hold the channel while the module is not set up yet: for the supervisor."""
        async with self.turns.hold():
            self._holder_era = None
            yield

    def supervise(self, compare: Callable[[CommandChannel, str], Awaitable[None]]) -> None:
        """From now on doubts are settled by `compare`, and commands wait until the module is set up."""
        self.comparison.supervise(partial(compare, self))

    async def settle(self) -> None:
        """Compare with the module until there is no doubt; ends with the channel."""
        while await self.comparison.until_due():
            async with self.exclusive():
                pass

    async def until_booted(self, timeout: float) -> bool:
        """While a restart is under way: until `ready`, or so long, False: then it may not have begun."""
        with trio.move_on_after(timeout):
            while self.state is ModuleState.RESETTING:
                await self._state_changed.wait()
            return True
        self.session.fell_silent(self.silence or PortError("the module does not restart"))
        self.dispatch()
        return False

    def _notify_state(self) -> None:
        self._state_seen = self.state
        self._state_changed.set()
        self._state_changed = trio.Event()

    async def _until_set_up(self) -> None:
        while self.state is not ModuleState.READY:
            failure = self.error or self.silence
            if failure is not None:
                raise failure.clone()
            await self._state_changed.wait()

    async def execute(
        self, command: Command[R], *, timeout: float | None = None, in_background: bool = False
    ) -> R:
        """Run one command in its turn; `timeout` counts from then, beyond the command's own."""
        async with self.exclusive(in_background=in_background):
            return await self.execute_exclusive(command, timeout=timeout)

    async def execute_exclusive(self, command: Command[R], *, timeout: float | None = None) -> R:
        """Run one command while holding the channel; `timeout` in seconds, besides the command's own.

        Raises CommandError (and its children) as the module answers, ModuleReset or PortError when it is
        lost, ValueError for an argument that cannot be sent. Cancellation abandons the command.
        """
        with trio.move_on_after(float("inf") if timeout is None else timeout):
            await self._until_idle()
            self._check_era()
            self._answered, self._outcome = trio.Event(), None
            self.session.send(command, trio.current_time())
            self._flush()
            try:
                await self._answered.wait()
            except trio.Cancelled:
                self.session.abandon()
                raise
        if self._outcome is None:
            raise CommandTimeout(command.label, f"nothing within {timeout} s")
        outcome, self._outcome = self._outcome, None
        return result_of(command, outcome, self.session.firmware)

    def _check_era(self) -> None:
        """Nothing goes to a module that restarted or fell silent since the channel was taken."""
        if self.error is not None:
            raise self.error.clone()
        if self._holder_era not in (None, self.era):
            raise ModuleReset("the module restarted") if self.silence is None else self.silence.clone()

    async def _until_idle(self) -> None:
        while not self.session.idle and self.error is None:
            self._became_idle = trio.Event()
            await self._became_idle.wait()

    # -- outside any command --------------------------------------------------------------------------

    async def until_heard(self, holds: Callable[[bytes], bool]) -> None:
        """Wait until this holds for the last input, while the module is not set up; unbounded."""
        while not holds(self.sample):
            self._heard = trio.Event()
            await self._heard.wait()

    def write_raw(self, data: bytes) -> None:
        """For the start-up probe; PortError if the port is lost."""
        if self.error is not None:
            raise self.error.clone()
        self.session.write_raw(data)
        self._flush()

    def set_baud(self, baud: int) -> None:
        """The host's side of the line, and how long a byte takes on it from now on."""
        self.port.set_baud(baud)
        self._count_bits()

    def set_up(self) -> None:
        """The settings are made: the module is READY, and what waits for that goes on."""
        self.session.set_up()
        self.silence = None
        self._notify_state()

    def missed_restart(self, evidence: str) -> None:
        """The module shows that it restarted, though no `ready` was read."""
        self.session.missed_restart(evidence)
        self.dispatch()

    async def force_restart(self) -> None:
        """AT+RST through whatever is going on, behind the end of what stands unfinished on the line."""
        self.session.end_line()
        self._flush()
        await trio.sleep(END_LINE_S)
        self.session.force_restart()
        self._dispatch()
        self._flush()

    @property
    def state(self) -> ModuleState:
        return self.session.module.state
