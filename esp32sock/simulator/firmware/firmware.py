"""The firmware as a whole: what it is made of, how it prints, how it boots and restarts.

The parts and their files: `receiver` (bytes in), `executor` (commands), `links` and `inbound` (connections
and what they receive), `station` (Wi-Fi). Commands are in one file a chapter; they find everything through
their `Call`. Importing this module registers all of them.
"""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

from esp32sock.simulator.environment.settings import WINDOW_BYTES
from esp32sock.simulator.firmware.boot_text import ROM_UART, ResetCause, boot_text
from esp32sock.simulator.firmware.commands.executor import Executor
from esp32sock.simulator.firmware.commands.results import BUSY, BUSY_CODE, READY, CommandRefused, Result
from esp32sock.simulator.firmware.inbound import Inbound
from esp32sock.simulator.firmware.links import Links
from esp32sock.simulator.firmware.memory import Memory
from esp32sock.simulator.firmware.network_client import NetworkRequests
from esp32sock.simulator.firmware.passthrough import Passthrough
from esp32sock.simulator.firmware.receiver import Receiver
from esp32sock.simulator.firmware.server import Server
from esp32sock.simulator.firmware.smartconfig import SmartConfig
from esp32sock.simulator.firmware.sntp import TimeClient
from esp32sock.simulator.firmware.softap import SoftAp
from esp32sock.simulator.firmware.state import State
from esp32sock.simulator.firmware.state_tcpip import restore_links
from esp32sock.simulator.firmware.station import Station
from esp32sock.simulator.firmware.subnets import SOFTAP_SUBNET
from esp32sock.simulator.kernel import Future, Kernel, Mailbox, Process
from esp32sock.simulator.network.api import ITSELF

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from esp32sock.simulator.environment.radio import Radio
    from esp32sock.simulator.environment.settings import Settings
    from esp32sock.simulator.faults.hooks import Faults
    from esp32sock.simulator.network.api import Event, Request
    from esp32sock.simulator.nvs import Nvs
    from esp32sock.simulator.observers.journal import Journal
    from esp32sock.simulator.profiles.generations import Profile
    from esp32sock.simulator.serial.uart import Uart, UartSettings


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
        self.memory = Memory(nvs)
        self.running = False
        self._clock_offset_s = 0.0
        self._processes: list[Process] = []
        self._waiting_for_room: list[Future[None]] = []
        self.receiver = Receiver(self)
        self.executor = Executor(self)
        self.questions = NetworkRequests(self)
        self.links = Links(self)
        self.inbound = Inbound(self)
        self.server = Server(self)
        self.passthrough = Passthrough(self)
        self.time_client = TimeClient(self)
        self.station = Station(self)
        self.softap = SoftAp(self)
        self.smartconfig = SmartConfig(self)

    @property
    def now(self) -> float:
        return self.kernel.now

    def clock(self) -> float:
        """Seconds since 1970 as the module believes; it believes 1970 until somebody tells it."""
        return self.now + self._clock_offset_s

    def set_clock(self, seconds: float) -> None:
        self._clock_offset_s = seconds - self.now

    # The network interfaces

    @property
    def has_network(self) -> bool:
        """Whether a link can be opened: joined with an address, or a SoftAP (sweep of CIPSTART, 2.0)."""
        return self.station.has_address or self.state.softap

    def own_addresses(self) -> set[str]:
        """What leads to the module itself."""
        own = {ITSELF}
        if self.station.has_address:
            own.add(self.station.address)
        if self.state.softap:
            own.add(self.memory.get("softap_subnet", SOFTAP_SUBNET).address)
        return own

    def is_at_softap(self, address: str) -> bool:
        """Whether an address belongs to the network of our SoftAP."""
        if not self.state.softap:
            return False
        subnet = self.memory.get("softap_subnet", SOFTAP_SUBNET)
        network = IPv4Network(f"{subnet.address}/{subnet.netmask}", strict=False)
        return IPv4Address(address) in network

    def window_bytes(self, link_id: int) -> int:
        """The receive window of a new link: never open in passive receive, which would hold all of it."""
        keeps = self.state.passive or self.state.receive_types[link_id]
        return min(self.settings.window, WINDOW_BYTES) if keeps else self.settings.window

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
            self.faults.module_bytes(self, data)
        else:
            self.uart.write(data)

    async def until_room(self) -> None:
        """Until the transmit ring takes more: whoever writes to a full one waits (at-dialects 2: 8192)."""
        if not self.uart.room:
            waiting: Future[None] = self.kernel.promise()
            self._waiting_for_room.append(waiting)
            await waiting

    def output_drained(self) -> None:
        """Some of what was written has left: the commands' task comes before that of received data."""
        if self.uart.room:
            self.receiver.read_on()
            waiting, self._waiting_for_room = self._waiting_for_room, []
            for promise in waiting:
                promise.set(None)
        self.inbound.pump()

    def line(self, text: str) -> None:
        self.write(text.encode("utf-8", "surrogateescape") + b"\r\n")

    def spelling(self, result: Result) -> bytes:
        """The bytes of a result in this firmware."""
        return self.profile.send_failure if result is Result.SEND_FAIL else result.value

    def print_refusal(self, refusal: CommandRefused) -> None:
        self.print_codes(*refusal.codes)
        self.write(Result.ERROR.value)

    def print_busy(self) -> None:
        self.print_codes(BUSY_CODE)
        self.write(BUSY)

    def print_codes(self, *codes: int) -> None:
        """Print error codes if this firmware does."""
        if self.state.syslog or self.profile.error_codes_always:
            for code in codes:
                self.write(b"ERR CODE:0x%08x\r\n" % code)

    # Input

    def receive(self, data: bytes) -> None:
        """One read of the UART; lost while the chip boots."""
        if not self.running:
            return
        for read in self.faults.host_bytes(data) if self.faults.active else (data,):
            if read:
                self.receiver.receive(read)

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
            self._begin_boot(ResetCause.POWER_ON)
        else:
            self._become_ready()
            self.station.already_joined()

    def restart_soon(self) -> None:
        """Restart once the activity that asks for it has ended."""
        self.kernel.call_soon(self.restart)

    def sleep_soon(self, seconds: float | None) -> None:
        """AT+GSLP: switch off without a word, and wake through a reset; None: never."""
        self.kernel.call_soon(partial(self._fall_asleep, float("inf") if seconds is None else seconds))

    def _fall_asleep(self, seconds: float) -> None:
        self.uart.mute()
        self.restart(ResetCause.DEEP_SLEEP, off_s=seconds)

    def restart(self, cause: ResetCause = ResetCause.SOFTWARE, *, off_s: float = 0.0) -> None:
        """Close everything, say so as the firmware does, be off for a time, and boot.

        Order: links, WIFI DISCONNECT, silence, `ready` (sweep of RST, 2.0).
        """
        if not self.running:
            return
        for process in self._processes:
            process.cancel()
        self._processes.clear()
        self._waiting_for_room.clear()
        self.executor.reset()
        self.receiver.reset()
        self.passthrough.reset()
        self.server.reset()
        self.time_client.reset()
        self.links.reset()
        self.station.leave()
        self.softap.reset()
        self.smartconfig.end()
        self.running = False
        self.uart.restart()
        self._begin_boot(cause, off_s=off_s)

    def crash(self) -> None:
        """A watchdog resets the chip: not a word, whatever was under way."""
        if self.running:
            self.uart.mute()
            self.restart(ResetCause.WATCHDOG)

    def _begin_boot(self, cause: ResetCause, *, off_s: float = 0.0) -> None:
        self.spawn(self._boot(cause, off_s))

    async def _boot(self, cause: ResetCause, off_s: float) -> None:
        if off_s == float("inf"):
            return
        await self.kernel.sleep(off_s)
        if self.settings.boot_noise:
            self.uart.change_after_output(ROM_UART)
            self.uart.write(boot_text(cause))
        await self.kernel.sleep(max(self.settings.timing.boot_s, self.uart.seconds_to_drain()))
        self._become_ready()
        if self.profile.joins_before_ready and self.station.will_join:
            await self.station.associate()
        self.write(READY)
        self.station.join_stored()

    def _become_ready(self) -> None:
        profile = self.profile
        self.memory = Memory(self.nvs)
        self.state = State.booted(
            self.nvs, default_cwmode=profile.default_cwmode, sleep_mode=profile.default_sleep
        )
        self.uart.change_after_output(self.stored_uart())
        self.receiver.reset()
        self.station.failed = False
        self.running = True
        restore_links(self.state, self.nvs)
        self.passthrough.resume()
        if self.state.softap:
            self.softap.open()
        self.journal.boots += 1

    def stored_uart(self) -> UartSettings:
        """What AT+UART_DEF last stored, or the settings of a fresh module."""
        return self.nvs.get("uart", self.settings.uart)
