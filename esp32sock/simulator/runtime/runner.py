"""Runs one module under trio: a port on one side, a network on the other, trio's clock in between.

Three small tasks and no queues of their own. Everything happens in `feed`, `_wake` and `_tick`, which call
the sans-IO module and then write its output, without waiting for a task switch.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import trio

from esp32sock.simulator.device import Device
from esp32sock.simulator.environment.settings import Settings
from esp32sock.simulator.network.memory import MemoryNetwork
from esp32sock.simulator.runtime.controls import Controls
from esp32sock.simulator.runtime.timers import FineTimer
from esp32sock.simulator.serial.endpoints import MemoryPort

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from esp32sock.simulator.device import Observer
    from esp32sock.simulator.faults.hooks import Faults
    from esp32sock.simulator.network.api import Network
    from esp32sock.simulator.serial.endpoints import Port
    from esp32sock.simulator.serial.wire import HostLine

T = TypeVar("T")

WRITE_BYTES = 65536

_NEVER = float("inf")


class Runner:
    """Moves bytes and time between a module, its port and its network, until cancelled or the line ends."""

    def __init__(self, module: Device, port: Port, *, fine_timer: bool = False) -> None:
        """`fine_timer`: keep a paced line's time to less than a millisecond; for the real clock only."""
        self.module = module
        self.port = port
        self._started_at = trio.current_time()
        self._pending = b""
        self._blocked = trio.Event()
        self._unblocked = True
        self._accepting = trio.Event()
        self._end: Callable[[], None] = port.close
        self._away: trio.Event | None = None
        """While the line is unplugged, set when it is back."""
        self._earlier = trio.Event()
        self._sleeping_until = _NEVER
        self._timer: FineTimer | None = None
        if fine_timer and module.settings.paced:
            with suppress(OSError):
                self._timer = FineTimer()
        module.wake = self._tick

    @property
    def now(self) -> float:
        """Seconds since power-on."""
        return trio.current_time() - self._started_at

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.module.network.run)
                nursery.start_soon(self._write_when_possible)
                nursery.start_soon(self._keep_time)
                self._tick()
                task_status.started()
                self._end = nursery.cancel_scope.cancel
                await self._read()
                nursery.cancel_scope.cancel()
        finally:
            self.module.wake = None
            self.port.close()
            if self._timer is not None:
                self._timer.close()

    async def _read(self) -> None:
        """Feed what the host writes, until the end of the line."""
        while True:
            if data := await self.port.read():
                self.feed(data)
                await self.until_accepting()
            elif self._away is not None:
                await self._away.wait()
            else:
                return

    def perform(self, action: Callable[[], T]) -> T:
        """Do something to the module, now; what comes of it goes out."""
        result = self.module.perform(action, self.now)
        self._flush()
        return result

    def feed(self, data: bytes) -> None:
        """The host has written."""
        self.module.uart.host = self.port.host_line()
        self.module.host_wrote(data, self.now)
        self._flush()

    async def until_accepting(self) -> None:
        """Until the line takes more of the host, whose writes wait meanwhile."""
        while not self.module.uart.accepting:
            self._accepting = trio.Event()
            await self._accepting.wait()

    def _tick(self) -> None:
        self.module.advance(self.now)
        self._flush()

    # Output

    def _flush(self) -> None:
        """Write as much as the port takes, then see when there is more to do."""
        module, port = self.module, self.port
        if not module.uart.idle:
            module.uart.host = port.host_line()
        while self._unblocked:
            if not self._pending:
                self._pending = module.take_output(self.now, WRITE_BYTES)
                if not self._pending:
                    break
            count = port.write_some(self._pending)
            if count == len(self._pending):
                self._pending = b""
            else:
                self._pending = self._pending[count:]
                self._unblocked = False
                self._blocked.set()
        if module.uart.accepting:
            self._accepting.set()
        if module.uart.unplugged:
            if not self._pending and self._away is None:
                self._take_away()
        elif self._away is not None:
            port.plug_in()
            self._away.set()
            self._away = None
        deadline = self._deadline()
        if self._timer is not None:
            if deadline != self._sleeping_until:
                self._sleeping_until = deadline
                self._timer.set(None if deadline == _NEVER else deadline - self.now)
        elif deadline < self._sleeping_until:
            self._earlier.set()

    def _take_away(self) -> None:
        if self.module.uart.comes_back:
            self._away = trio.Event()
            self.port.unplug()
        else:
            self._end()

    async def _write_when_possible(self) -> None:
        while True:
            await self._blocked.wait()
            await self.port.wait_writable()
            self._blocked = trio.Event()
            self._unblocked = True
            self._flush()

    # Time

    def _deadline(self) -> float:
        deadline = self.module.deadline()
        result = _NEVER if deadline is None else deadline
        if self._unblocked and not self._pending:
            output = self.module.output_deadline()
            if output is not None:
                result = min(result, output)
        return result

    async def _keep_time(self) -> None:
        if self._timer is not None:
            while True:
                await self._timer.wait()
                self._sleeping_until = _NEVER
                self._tick()
        while True:
            deadline = self._deadline()
            self._sleeping_until = deadline
            self._earlier = trio.Event()
            with trio.move_on_at(self._started_at + deadline):
                await self._earlier.wait()
            self._sleeping_until = _NEVER
            self._tick()


class HostStream(trio.abc.Stream):
    """The host's end of a memory port: what a program would have a serial port for. One `send_all` is one
    read of the module's UART.
    """

    def __init__(self, runner: Runner, port: MemoryPort) -> None:
        self._runner = runner
        self._port = port

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        if self._port.closed:
            raise trio.ClosedResourceError("the port is closed")
        self._runner.feed(bytes(data))
        await self._runner.until_accepting()

    @property
    def line(self) -> HostLine:
        """How this end is set: by default as is right, whatever the module does."""
        return self._port.line

    @line.setter
    def line(self, line: HostLine) -> None:
        self._port.line = line

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        return await self._port.take(max_bytes)

    async def aclose(self) -> None:
        self._port.close()
        await trio.lowlevel.checkpoint()


@dataclass(frozen=True, slots=True)
class Opened:
    """A module in memory: the stream of the host's end, and the module itself for inspection."""

    stream: HostStream
    module: Device
    runner: Runner

    @property
    def controls(self) -> Controls:
        """What may be done to it."""
        return Controls(self.module, self.runner.perform)


@asynccontextmanager
async def open_module(
    settings: Settings | None = None,
    network: Network | None = None,
    *,
    faults: Faults | None = None,
    observers: tuple[Observer, ...] = (),
) -> AsyncIterator[Opened]:
    """A module on a line in memory, running inside the `async with`. Deterministic under trio's MockClock."""
    module = Device(
        settings if settings is not None else Settings(),
        network if network is not None else MemoryNetwork(),
        faults=faults,
        observers=observers,
    )
    port = MemoryPort()
    runner = Runner(module, port)
    body_error: Exception | None = None
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(runner.run)
            try:
                yield Opened(HostStream(runner, port), module, runner)
            except Exception as error:
                body_error = error
                raise
            nursery.cancel_scope.cancel()
    except ExceptionGroup as group:
        # An error of the block reaches the caller as itself, not wrapped by the nursery.
        if body_error is not None and group.exceptions == (body_error,):
            raise body_error from None
        raise
