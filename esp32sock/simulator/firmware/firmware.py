"""The firmware as a whole: what it is made of, how it boots and restarts.

A part imports the board and parts before it in this order, and reaches what comes after it by callbacks:

    board          clock, settings, flash, serial line, activities
    station        joining an access point
    interfaces     station and SoftAP: which addresses are the module's own
    network_client requests to the network and their answers
    link_table     open links by id and handle
    inbound        received data on its way to the host
    links          opening, sending, closing, network events
    tls            how links are secured
    receiver       reads of the UART: lines, echo, busy; data_phase: payload
    passthrough, server, sntp, softap, smartconfig

The commands stand above all of it, in commands/; device.py puts both together.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from esp32sock.simulator.faults.hooks import FaultTarget
from esp32sock.simulator.firmware.boot_text import ROM_UART, ResetCause, boot_text
from esp32sock.simulator.firmware.inbound import Inbound
from esp32sock.simulator.firmware.interfaces import Interfaces
from esp32sock.simulator.firmware.link_table import LinkTable
from esp32sock.simulator.firmware.links import LinkHooks, Links
from esp32sock.simulator.firmware.network_client import NetworkRequests
from esp32sock.simulator.firmware.passthrough import Passthrough
from esp32sock.simulator.firmware.receiver import Receiver
from esp32sock.simulator.firmware.results import READY
from esp32sock.simulator.firmware.server import Server
from esp32sock.simulator.firmware.smartconfig import SmartConfig
from esp32sock.simulator.firmware.sntp import TimeClient
from esp32sock.simulator.firmware.softap import SoftAp
from esp32sock.simulator.firmware.station import Station
from esp32sock.simulator.firmware.tls import TlsConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.simulator.environment.radio import AccessPoint
    from esp32sock.simulator.firmware.board import Board
    from esp32sock.simulator.firmware.receiver import CommandRunner
    from esp32sock.simulator.network.api import Event


class Firmware:
    """One running AT firmware.

    Sans-IO: it writes to a `Uart` and puts requests to the network into `Board.request`.
    """

    def __init__(self, board: Board, run_commands: Callable[[Firmware], CommandRunner]) -> None:
        """`run_commands` makes what runs the complete lines: commands/executor.py."""
        self.board = board
        self.executor = run_commands(self)
        self.receiver = Receiver(board, self.executor, crash=self.crash, restart=self.restart_soon)
        self.station = Station(board)
        self.interfaces = Interfaces(board, self.station)
        self.requests = NetworkRequests(board, self.interfaces)
        self.table = LinkTable(board)
        self.inbound = Inbound(
            board,
            self.table,
            prints_raw=lambda link: self.passthrough.takes(link),
            drained=lambda link: self.links.finish_if_drained(link),
        )
        hooks = LinkHooks(
            accepted=lambda event: self.server.on_accepted(event),
            ended=lambda link: self.passthrough.link_ended(link),
            says_closed=lambda link: self.passthrough.says_closed(link),
        )
        self.links = Links(board, self.table, self.interfaces, self.requests, self.inbound, hooks)
        self.tls = TlsConfiguration(board, self.table)
        self.passthrough = Passthrough(
            board, self.interfaces, self.requests, self.links, self.inbound, self.receiver, self.tls
        )
        self.server = Server(
            board, self.table, self.requests, self.links, self.inbound, self.passthrough, self.tls
        )
        self.time_client = TimeClient(board, self.station, self.requests)
        self.softap = SoftAp(board)
        self.smartconfig = SmartConfig(board)

    # Input

    def receive(self, data: bytes) -> None:
        """One read of the UART; lost while the chip boots."""
        faults = self.board.faults
        if not self.board.running:
            return
        for read in faults.host_bytes(data) if faults.active else (data,):
            if read:
                self.receiver.receive(read)

    def output_drained(self) -> None:
        """Some of what was written has left: the commands' task comes before that of received data."""
        if self.board.uart.room:
            self.receiver.read_on()
            self.board.has_room_again()
        self.inbound.pump()

    def network_event(self, event: Event) -> None:
        faults = self.board.faults
        for each in faults.network_event(event) if faults.active else [event]:
            self.links.on_event(each)

    # What the scenario and the faults do

    def fault_target(self) -> FaultTarget:
        board = self.board
        return FaultTarget(
            kernel=board.kernel,
            uart=board.uart,
            radio=board.radio,
            is_running=lambda: board.running,
            write=board.write,
            turn_echo_on=lambda: setattr(board.state, "echo", True),
            crash=self.crash,
            lose_access_point=self._lose_joined_access_point,
            deliver=self.links.on_event,
        )

    def lose_access_points(self, ssids: set[str]) -> None:
        """Access points are switched off; if the module is joined to one of them, it loses its network:
        WIFI DISCONNECT, links fall, and it tries again by itself (at-dialects 8.2).
        """
        self.board.radio.away.update(ssids)
        joined = self.station.access_point
        if joined is not None and joined.ssid in ssids and self.station.leave():
            self.links.network_lost()
            self.station.rejoin()

    def _lose_joined_access_point(self) -> AccessPoint | None:
        joined = self.station.access_point
        if joined is not None:
            self.lose_access_points({joined.ssid})
        return joined

    # Life

    def start(self, *, cold: bool) -> None:
        """Power on: boot now, or be as if the boot had been long ago."""
        if self.board.faults.active:
            self.board.faults.start(self.fault_target())
        if cold:
            self._begin_boot(ResetCause.POWER_ON)
        else:
            self._become_ready()
            self.station.start_joined()

    def restart_soon(self, *, quiet: bool = False) -> None:
        """Restart once the activity that asks for it has ended."""
        self.board.kernel.call_soon(lambda: self.restart(quiet=quiet))

    def sleep_soon(self, seconds: float | None) -> None:
        """AT+GSLP: switch off, print nothing, and wake through a reset; None: never."""
        asleep_s = float("inf") if seconds is None else seconds
        self.board.kernel.call_soon(partial(self._fall_asleep, asleep_s))

    def _fall_asleep(self, seconds: float) -> None:
        self.board.uart.mute()
        self.restart(ResetCause.DEEP_SLEEP, off_s=seconds)

    def restart(
        self, cause: ResetCause = ResetCause.SOFTWARE, *, off_s: float = 0.0, quiet: bool = False
    ) -> None:
        """Close everything, print what the firmware prints unless `quiet`, be off for a time, and boot.

        Order: links, WIFI DISCONNECT, silence, `ready` (sweep of RST, 2.0); 4.1 does not name the links,
        and 1.0 names them last.
        """
        if not self.board.running:
            return
        self.board.halt()
        self.executor.reset()
        self.receiver.reset()
        self.passthrough.reset()
        self.server.reset()
        self.time_client.reset()
        quiet = quiet or (self.board.profile.tcpip.forced_restart_silent and self.board.state.wedged)
        if self.board.profile.tcpip.restart_order == "network first":
            self.station.leave(announce=not quiet)
        self.links.reset(quiet=quiet)
        self.station.leave(announce=not quiet)
        self.softap.reset()
        self.smartconfig.end()
        self.board.uart.restart()
        self._begin_boot(cause, off_s=off_s)

    def crash(self) -> None:
        """A watchdog resets the chip: no line is printed, whatever runs."""
        if self.board.running:
            self.board.uart.mute()
            self.restart(ResetCause.WATCHDOG)

    def _begin_boot(self, cause: ResetCause, *, off_s: float = 0.0) -> None:
        self.board.spawn(self._boot(cause, off_s))

    async def _boot(self, cause: ResetCause, off_s: float) -> None:
        board = self.board
        if off_s == float("inf"):
            return
        await board.kernel.sleep(off_s)
        if board.settings.boot_noise:
            board.uart.change_after_output(ROM_UART)
            board.uart.write(boot_text(cause))
        boot_s = max(board.settings.timing.boot_s, board.uart.seconds_to_drain())
        ready_at = board.now + boot_s
        await board.kernel.sleep(boot_s - board.profile.answers_before_ready_s)
        self._become_ready()
        if board.profile.joins_before_ready and self.station.will_join:
            await self.station.associate()
        await board.kernel.sleep(ready_at - board.now)
        board.write(READY)
        self.station.join_stored()

    def _become_ready(self) -> None:
        board = self.board
        board.boot()
        board.uart.change_after_output(board.stored_uart())
        self.receiver.reset()
        self.station.failed = False
        self.passthrough.resume()
        if board.state.softap:
            self.softap.open()
        board.journal.boots += 1
