"""The firmware as a whole: what it is made of, how it prints, how it boots and restarts.

The parts and their files: `receiver` (bytes in), `executor` (commands), `links` and `inbound` (connections
and what they receive), `station` (Wi-Fi). Commands are in one file a chapter; they find everything through
their `Call`. Importing this module registers all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..kernel import Kernel, Mailbox, Process
from . import basic, linking, names, sending, tcpip, wifi  # noqa: F401  (they register their commands)
from .executor import Executor
from .inbound import Inbound
from .links import Links
from .receiver import Receiver
from .results import BUSY, BUSY_CODE, READY, Refusal, Result
from .state import State
from .station import Station

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ..faults import Faults
    from ..journal import Journal
    from ..network import Event, Request
    from ..nvs import Nvs
    from ..profiles import Profile
    from ..radio import Radio
    from ..settings import Settings
    from ..uart import Uart, UartSettings


class Firmware:
    """One running AT firmware.

    Sans-IO: it writes to a `Uart` and puts requests to the network into `request`.
    """

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
        self.state = State()
        self.running = False
        self._processes: list[Process] = []
        self.receiver = Receiver(self)
        self.executor = Executor(self)
        self.links = Links(self)
        self.inbound = Inbound(self)
        self.station = Station(self)

    @property
    def now(self) -> float:
        return self.kernel.now

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
            for piece in self.faults.module_bytes(data):
                self.uart.write(piece)
        else:
            self.uart.write(data)

    def line(self, text: str) -> None:
        self.write(text.encode("utf-8", "surrogateescape") + b"\r\n")

    def spelling(self, result: Result) -> bytes:
        """The bytes of a result in this firmware."""
        return self.profile.send_failure if result is Result.SEND_FAIL else result.value

    def print_refusal(self, refusal: Refusal) -> None:
        self._print_code(refusal.code)
        self.write(Result.ERROR.value)

    def print_busy(self) -> None:
        self._print_code(BUSY_CODE)
        self.write(BUSY)

    def _print_code(self, code: int | None) -> None:
        if code is not None and (self.state.syslog or self.profile.error_codes_always):
            self.write(b"ERR CODE:0x%08x\r\n" % code)

    # Input

    def receive(self, data: bytes) -> None:
        """One read of the UART; lost while the chip boots."""
        if not self.running:
            return
        if self.faults.active:
            data = self.faults.host_bytes(data)
        if data:
            self.receiver.receive(data)

    def network_event(self, event: Event) -> None:
        events = self.faults.network_event(event) if self.faults.active else [event]
        for each in events:
            self.links.on_event(each)

    # Life

    def start(self, *, cold: bool) -> None:
        """Power on: boot now, or be as if the boot had been long ago."""
        if self.faults.active:
            self.faults.start(self)
        if cold:
            self._begin_boot()
        else:
            self._become_ready()
            self.station.already_joined()

    def restart_soon(self) -> None:
        """Restart once the activity that asks for it has ended."""
        self.kernel.call_soon(self.restart)

    def restart(self) -> None:
        """Close everything, say so as the firmware does, and boot.

        Order: links, WIFI DISCONNECT, silence, `ready` (sweep of RST, 2.0).
        """
        if not self.running:
            return
        for process in self._processes:
            process.cancel()
        self._processes.clear()
        self.executor.reset()
        self.receiver.reset()
        self.links.reset()
        self.station.leave()
        self.running = False
        self._begin_boot()

    def _begin_boot(self) -> None:
        self.spawn(self._boot())

    async def _boot(self) -> None:
        await self.kernel.sleep(max(self.settings.timing.boot_s, self.uart.seconds_to_drain()))
        self._become_ready()
        if self.profile.joins_before_ready and self.station.will_join:
            await self.station.associate()
        self.write(READY)
        self.station.join_stored()

    def _become_ready(self) -> None:
        self.state = State.booted(self.nvs, default_cwmode=self.profile.default_cwmode)
        self.uart.change(self.stored_uart())
        self.receiver.reset()
        self.station.failed = False
        self.running = True
        self.journal.boots += 1

    def stored_uart(self) -> UartSettings:
        """What AT+UART_DEF last stored, or the settings of a fresh module."""
        return self.nvs.get("uart", self.settings.uart)
