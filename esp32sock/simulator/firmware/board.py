"""What every part of the firmware shares: clock, settings, flash, the way to the serial line, activities.

A part imports this file and the parts below it, never the firmware that is made of them (see firmware.py for
the order).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from esp32sock.simulator.firmware.memory import Memory
from esp32sock.simulator.firmware.results import BUSY, BUSY_CODE, CommandRefused, Result, is_parse_error
from esp32sock.simulator.firmware.state import State
from esp32sock.simulator.firmware.state_tcpip import TcpOptions, restore_links
from esp32sock.simulator.kernel import Future, Kernel, Mailbox, Process

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from esp32sock.simulator.environment.radio import Radio
    from esp32sock.simulator.environment.settings import Settings
    from esp32sock.simulator.faults.hooks import Faults
    from esp32sock.simulator.network.api import Request
    from esp32sock.simulator.nvs import Nvs
    from esp32sock.simulator.observers.journal import Journal
    from esp32sock.simulator.profiles.generations import Profile
    from esp32sock.simulator.serial.uart import Uart, UartSettings


class Board:
    """The chip and what the firmware keeps on it."""

    def __init__(
        self,
        kernel: Kernel,
        *,
        profile: Profile,
        settings: Settings,
        uart: Uart,
        radio: Radio,
        nvs: Nvs,
        journal: Journal,
        faults: Faults,
        request: Callable[[Request], None],
    ) -> None:
        self.kernel = kernel
        self.profile = profile
        self.settings = settings
        self.uart = uart
        self.radio = radio
        self.nvs = nvs
        self.journal = journal
        self.faults = faults
        self.request = request
        """Puts a request to the network."""
        self.state = State()
        self.memory = Memory(nvs)
        self.running = False
        """False while the chip boots: nothing is received."""
        self._clock_offset_s = 0.0
        self._processes: list[Process] = []
        self._waiting_for_room: list[Future[None]] = []

    # Life

    def boot(self) -> None:
        """Be as after a restart: what is in flash holds, all else is as shipped."""
        profile = self.profile
        self.memory = Memory(self.nvs)
        self.state = State.booted(
            self.nvs, default_cwmode=profile.default_cwmode, sleep_mode=profile.default_sleep
        )
        restore_links(self.state, self.nvs)
        self.running = True

    def halt(self) -> None:
        """End every activity: the firmware restarts."""
        for process in self._processes:
            process.cancel()
        self._processes.clear()
        self._waiting_for_room.clear()
        self.running = False

    def stored_uart(self) -> UartSettings:
        """What AT+UART_DEF last stored, or the settings of a fresh module."""
        return self.nvs.get("uart", self.settings.uart)

    def keep_tcp_options(self, link_id: int, options: TcpOptions) -> None:
        """Options of all later links of this id, over a restart too unless AT+SYSSTORE=0."""
        self.state.tcp_options[link_id] = options
        if self.state.store:
            self.nvs.set(f"tcp_{link_id}", options)

    # Time

    @property
    def now(self) -> float:
        """Seconds since power-on."""
        return self.kernel.now

    def clock(self) -> float:
        """Seconds since 1970 by the module's clock, which begins with 0 at power-on until it is set."""
        return self.now + self._clock_offset_s

    def set_clock(self, seconds: float) -> None:
        self._clock_offset_s = seconds - self.now

    # Activities

    def spawn(self, coroutine: Coroutine[Any, None, object]) -> Process:
        """Start an activity that a restart ends."""
        self._processes = [process for process in self._processes if not process.done]
        process = self.kernel.spawn(coroutine)
        self._processes.append(process)
        return process

    def mailbox(self) -> Mailbox[Any]:
        return Mailbox(self.kernel)

    # Printing

    def write(self, data: bytes) -> None:
        """One write of the firmware: nothing unsolicited can stand inside it."""
        if self.faults.active:
            self.faults.module_bytes(self.uart, data)
        else:
            self.uart.write(data)

    def line(self, text: str) -> None:
        self.write(text.encode("utf-8", "surrogateescape") + b"\r\n")

    async def until_room(self) -> None:
        """Until the transmit ring takes more: a task that writes to a full one waits (at-dialects 2)."""
        if not self.uart.room:
            waiting: Future[None] = self.kernel.future()
            self._waiting_for_room.append(waiting)
            await waiting

    def has_room_again(self) -> None:
        """Let the tasks go on that wait for room."""
        waiting, self._waiting_for_room = self._waiting_for_room, []
        for each in waiting:
            each.set(None)

    def spelling(self, result: Result) -> bytes:
        """The bytes of a result in this firmware."""
        return self.profile.send_failure if result is Result.SEND_FAIL else result.value

    def print_refusal(self, refusal: CommandRefused) -> None:
        codes = refusal.codes if self.profile.coded_ranges else tuple(filter(is_parse_error, refusal.codes))
        self.print_codes(*codes)
        self.write(Result.ERROR.value)

    def print_busy(self) -> None:
        self.print_codes(BUSY_CODE)
        self.write(BUSY)

    def print_codes(self, *codes: int) -> None:
        """Print error codes if this firmware does."""
        if self.state.syslog or self.profile.error_codes_always:
            for code in codes:
                self.write(b"ERR CODE:0x%08x\r\n" % code)
