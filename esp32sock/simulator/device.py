"""One simulated module, complete and sans-IO: bytes, network events and time in; bytes and network requests
out.

Theory of operation
-------------------
The caller that runs a module calls, with the present time in seconds since power-on:

    host_wrote(data, now)     the host has written to the serial line
    post(event)               the network has an event (`wake` then asks for `advance`)
    advance(now)              a deadline has come
    take_output(now, limit)   the bytes that have left towards the host by now

and between calls sleeps no longer than `deadline()` says. Each call works until nothing is due:
first what time has brought, then the new input, then the requests of the firmware go to the network, and so
on. So at equal times the order is always: timers, then input. A network may post events from inside its
`handle`; they queue up.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeVar

from esp32sock.simulator.environment.radio import Radio
from esp32sock.simulator.faults.hooks import NO_FAULTS, Faults
from esp32sock.simulator.faults.injector import FaultInjector
from esp32sock.simulator.faults.spec import parse_faults
from esp32sock.simulator.firmware.board import Board
from esp32sock.simulator.firmware.commands.executor import Executor
from esp32sock.simulator.firmware.firmware import Firmware
from esp32sock.simulator.kernel import Kernel
from esp32sock.simulator.network.api import Network
from esp32sock.simulator.network.shaping import ShapedNetwork
from esp32sock.simulator.nvs import Nvs, NvsFile
from esp32sock.simulator.observers.journal import Journal
from esp32sock.simulator.profiles.generations import profile_named
from esp32sock.simulator.serial.uart import Uart

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.simulator.environment.settings import Settings
    from esp32sock.simulator.faults.spec import Fault, Triggers
    from esp32sock.simulator.network.api import Event, Request


T = TypeVar("T")


class Observer:
    """Sees everything that crosses the module's edges; the methods do nothing unless overridden."""

    def host_bytes(self, now_s: float, data: bytes) -> None:
        """The host wrote."""

    def module_bytes(self, now_s: float, data: bytes) -> None:
        """Bytes left for the host."""

    def request(self, now_s: float, request: Request) -> None:
        """The module has put a request to the network."""

    def event(self, now_s: float, event: Event) -> None:
        """The network gave the module an event."""


class Device:
    """One module. Times are seconds since power-on and never go backwards."""

    def __init__(
        self,
        settings: Settings,
        network: Network,
        *,
        faults: Faults | None = None,
        nvs: Nvs | None = None,
        observers: tuple[Observer, ...] = (),
        journal: Journal | None = None,
    ) -> None:
        """Raises ValueError for settings that cannot be, OSError if the flash is a file and cannot.

        `faults` and `nvs` take the place of those that the settings name.
        """
        self.settings = settings
        self.profile = profile_named(settings.profile)
        self.kernel = Kernel(settings.seed)
        self.journal = journal if journal is not None else Journal()
        if faults is None:
            found = parse_faults(settings.faults)
            faults = FaultInjector(found) if found else NO_FAULTS
        faults.bind(self.kernel.random)
        self._shaped: ShapedNetwork | None = None
        if faults.triggers is not None or settings.names or settings.update is not None:
            network = self._shaped = self._shape(network, faults.triggers)
        self.network = network
        self.observers = observers
        self.nvs = nvs if nvs is not None else _flash(settings)
        self.wake: Callable[[], None] | None = None
        """Called when something was posted from outside a call."""
        self._requests: deque[Request] = deque()
        self._arrived: deque[Event] = deque()
        self._advancing = False
        self.uart = Uart(
            self.kernel,
            settings=settings.uart,
            paced=settings.paced,
            latency_s=settings.latency_ms / 1000,
            ring_bytes=settings.ring_bytes,
            deliver=self._deliver,
            drained=self._drained,
            drain_bytes_per_s=settings.drain_bytes_per_s,
        )
        radio = Radio(settings.access_points, self.kernel.random)
        radio.provisioning = settings.provisioning
        radio.wps_access_point = next((ap for ap in settings.access_points if ap.ssid == settings.wps), None)
        board = Board(
            self.kernel,
            profile=self.profile,
            settings=settings,
            uart=self.uart,
            radio=radio,
            nvs=self.nvs,
            journal=self.journal,
            faults=faults,
            request=self._requests.append,
        )
        self.firmware = Firmware(board, Executor)
        network.attach(self.post, self.kernel)
        self.firmware.start(cold=settings.cold)

    # Faults

    def add_faults(self, faults: tuple[Fault, ...]) -> None:
        """More faults from now on. Raises ValueError if the module was made with faults that have no name."""
        present = self.firmware.board.faults
        if isinstance(present, FaultInjector):
            present.add(faults)
        elif present.active:
            raise ValueError("this module has faults of its own")
        elif faults:
            added = FaultInjector(faults)
            added.bind(self.kernel.random)
            self._use_faults(added)
            added.start(self.firmware.fault_target())

    def end_faults(self) -> None:
        """No faults from now on."""
        self.firmware.board.faults.end()
        self._use_faults(NO_FAULTS)

    def _use_faults(self, faults: Faults) -> None:
        self.firmware.board.faults = faults
        if self._shaped is None:
            self._shaped = self._shape(self.network, faults.triggers)
            Network.attach(self._shaped, self.post, self.kernel)  # what is below it has been attached
            self.network = self._shaped
        else:
            self._shaped.triggers = faults.triggers

    def _shape(self, network: Network, triggers: Triggers | None) -> ShapedNetwork:
        """The layer of the scenario and the faults over a network."""
        settings = self.settings
        shaped = ShapedNetwork(network, names=settings.names, update=settings.update, triggers=triggers)
        shaped.deliver = self._deliver_event
        return shaped

    # What comes in

    def host_wrote(self, data: bytes, now: float) -> None:
        self._advance(now)
        for observer in self.observers:
            observer.host_bytes(now, data)
        self.uart.host_wrote(data)
        self._advance(now)

    def post(self, event: Event) -> None:
        """Take a network event; from outside, `wake` then calls `advance`."""
        if self._advancing:
            self._take(event)
            return
        # The kernel stands at the time of the last call: the event waits until it stands at the present.
        self._arrived.append(event)
        if self.wake is not None:
            self.wake()

    def _take(self, event: Event) -> None:
        """The network has an event now."""
        if self._shaped is not None:
            self._shaped.arrived(event)
        else:
            self._deliver_event(event)

    def _deliver_event(self, event: Event) -> None:
        """Give the module this event now."""
        for observer in self.observers:
            observer.event(self.kernel.now, event)
        self.kernel.call_soon(lambda: self.firmware.network_event(event))

    def advance(self, now: float) -> None:
        self._advance(now)

    def perform(self, action: Callable[[], T], now: float) -> T:
        """Do something to the module between two of its own steps (controls.py)."""
        self._advance(now)
        result = action()
        self._advance(now)
        return result

    # What goes out

    def take_output(self, now: float, limit: int) -> bytes:
        """The bytes that have left for the host by now; call again until it is empty."""
        self._advance(now)
        data = self.uart.take(limit)
        if data:
            for observer in self.observers:
                observer.module_bytes(now, data)
            self._advance(now)
        return data

    def deadline(self) -> float | None:
        """When `advance` is wanted next."""
        return self.kernel.deadline()

    def output_deadline(self) -> float | None:
        """When `take_output` will have something again; None if nothing is queued."""
        return self.uart.deadline()

    # The loop

    def _advance(self, now: float) -> None:
        if self._advancing:
            raise RuntimeError("the module was called from inside itself")
        self._advancing = True
        try:
            self.kernel.run(now)
            while self._arrived:
                self._take(self._arrived.popleft())
                self.kernel.run(now)
            while self._requests:
                request = self._requests.popleft()
                for observer in self.observers:
                    observer.request(self.kernel.now, request)
                self.network.handle(request)
                if not self._requests:
                    self.kernel.run(now)
        finally:
            self._advancing = False

    def _deliver(self, data: bytes) -> None:
        self.firmware.receive(data)

    def _drained(self) -> None:
        self.firmware.output_drained()


def _flash(settings: Settings) -> Nvs:
    """The flash of a module as it is handed over: joined to the first access point, or as shipped."""
    values: dict[str, object] = {}
    if settings.joined and settings.access_points:
        access_point = settings.access_points[0]
        values = {"cwmode": 1, "ssid": access_point.ssid, "password": access_point.password}
    return Nvs(values) if settings.nvs is None else NvsFile(settings.nvs, values)
