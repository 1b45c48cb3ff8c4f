"""The line between engine and simulator, and what can happen to bytes, tokens and writes on it.

Bytes are damaged and tokens lost on the module's side, where a write of the firmware is one token; writes of
the host are lost, and answers late, at the port. Every fault done is counted by its kind.
"""

from __future__ import annotations

import re
from random import Random
from typing import TYPE_CHECKING

import trio

from esp32sock.engine.transports import StreamPort
from esp32sock.simulator.faults.injector import FaultInjector
from esp32sock.simulator.faults.spec import Triggers, parse_faults
from tests.chaos.world import CLIENT_PORTS, TCP_PORTS, UDP_PORTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from esp32sock.simulator.faults.spec import Fault
    from esp32sock.simulator.firmware.link import Link
    from esp32sock.simulator.firmware.link_table import LinkTable
    from esp32sock.simulator.runtime.runner import Opened
    from esp32sock.simulator.serial.uart import Uart
    from tests.chaos.plan import Dose
    from tests.chaos.trace import Trace

TOKENS = {
    "lost-ok": re.compile(rb"\r\nOK\r\n\Z"),
    "lost-error": re.compile(rb"\r\nERROR\r\n\Z"),
    "lost-connect": re.compile(rb"(\d,)?CONNECT\r\n\Z|\+LINK_CONN:"),
    "lost-closed": re.compile(rb"(\d,)?CLOSED\r\n\Z"),
    "lost-ready": re.compile(rb"\r\nready\r\n\Z"),
    "lost-wifi": re.compile(rb"WIFI (CONNECTED|GOT IP|DISCONNECT)\r\n\Z"),
    "lost-answer": re.compile(rb"\+(?!IPD|LINK_CONN)[A-Z_]+:"),
    "lost-block": re.compile(rb"\r\n\+IPD,.*:", re.DOTALL),
    "double-result": re.compile(rb"\r\n(OK|ERROR|SEND OK)\r\n\Z"),
    "double-closed": re.compile(rb"\d,CLOSED\r\n\Z"),
}
"""What each kind of token fault takes."""

BUSY = b"\r\nbusy p...\r\n"
PAYLOAD = re.compile(rb"\r\n\+IPD,[^:]*:|\+CIPRECVDATA[:,]\d+[^,:]*[,:]")
"""What stands before payload in a token of the module."""
LOOKS_RIGHT = re.compile(rb"(?:OK|SEND OK|ERROR|ready|busy p\.\.\.|>|\d,CLOSED)\Z|.*\+IPD,\d", re.DOTALL)
"""A line of payload that means something as a line of the module."""
SENDS = re.compile(rb"AT\+CIPSEND=(\d),\d")
SENDS_NOTHING = re.compile(rb"AT\+CIPSEND=\d,0+[,\r]")
LINK = re.compile(rb"\r\n\+IPD,(\d),")


def number_of(link: Link) -> int:
    """The number that the plan gives to the socket of this link; -1 if it is none of the plan's."""
    if link.kind == "UDP":
        return link.local_port - UDP_PORTS
    return link.port - CLIENT_PORTS if link.accepted else link.port - TCP_PORTS


class CountingTriggers(Triggers):
    """The simulator's triggers while the window is open, with a count of what they did."""

    def __init__(self, faults: tuple[Fault, ...], random: Random, window: FaultWindow, trace: Trace) -> None:
        self._window = window
        self._trace = trace
        super().__init__(faults, random)

    def hit(self, name: str) -> Fault | None:
        if not self._window.is_open:
            return None
        found = super().hit(name)
        if found is not None:
            self._trace.fault(name)
            self._window.used()
        return found

    def hits(self, name: str, count: int) -> list[tuple[int, Fault]]:
        if not self._window.is_open:
            return []
        found = super().hits(name, count)
        for at, _ in found:
            self._trace.fault(name, b"at %d of %d" % (at, count))
        return found


class ChaosFaults(FaultInjector):
    """The simulator's faults of a plan, and those of whole tokens."""

    def __init__(self, doses: Iterable[Dose], seed: int, trace: Trace, window: FaultWindow) -> None:
        doses = tuple(doses)
        spec = ",".join(f"{d.kind.name}:{d.dose}" for d in doses if d.kind.where == "simulator")
        super().__init__(parse_faults(spec))
        self._trace = trace
        self._window = window
        self._tokens = {d.kind.name: float(d.dose) for d in doses if d.kind.where == "token"}
        self._slow_busy_s = self._tokens.pop("slow-busy", 0.0)
        self._random = Random(seed ^ 0x70C)
        self.payload_damaged = False
        """Whether a byte of payload was lost or turned over, either way: not every such loss can be seen."""
        self.is_locked = False
        """Whether a send of no bytes locked the module: no byte ends that (2.0, real-firmware)."""
        self.table: LinkTable | None = None
        """The links of the module."""
        self.holes: set[int] = set()
        """The sockets of which a whole block was lost, or a datagram got text inside: nothing shows that."""

        self.mixed: set[int] = set()
        """Those that got what was meant for another, by a digit of CIPSEND."""

    def bind(self, random: Random) -> None:
        self.triggers = self._triggers = CountingTriggers(self._faults, random, self._window, self._trace)

    def module_bytes(self, uart: Uart, data: bytes) -> None:
        for name, rate in self._tokens.items():
            if self._window.is_open and TOKENS[name].match(data) and self._random.random() < rate:
                self._trace.fault(name, data[:40])
                self._window.used()
                if name == "lost-block":
                    self._note_hole(data)
                if name.startswith("lost"):
                    return
                super().module_bytes(uart, data)
        super().module_bytes(uart, data)
        if self._slow_busy_s and self._window.is_open and data.startswith(BUSY):
            self._trace.fault("slow-busy")
            uart.pause_output(self._slow_busy_s)

    def _change_ipd(self, data: bytes) -> bytes:
        changed = super()._change_ipd(data)
        if len(changed) > len(data) and PAYLOAD.match(data):
            pushed_out = changed[len(data) :], changed[len(data.removesuffix(b"\r\n")) :]
            self._note_hole(data, kind="UDP" if all(map(_shows, pushed_out)) else "")
        return changed

    def _note_other_link(self, line: bytes, damaged: bytes) -> None:
        """Remember a send whose link became another one: its payload goes there, and SEND OK comes."""
        meant, became = SENDS.match(line), SENDS.match(damaged)
        if meant is None or became is None or meant[1] == became[1]:
            return
        assert self.table is not None
        for link in (self.table.get(int(meant[1])), self.table.get(int(became[1]))):
            if link is not None:
                self.holes.add(number_of(link))
                self.mixed.add(number_of(link))

    def _note_hole(self, block: bytes, kind: str = "") -> None:
        """Remember whose block this was, if it is a link of this kind."""
        assert self.table is not None
        found = LINK.match(block)
        link = None if found is None else self.table.get(int(found[1]))
        if link is not None and link.kind.startswith(kind):
            self.holes.add(number_of(link))

    def _damage(self, data: bytes, way: str) -> bytes:
        damaged = super()._damage(data, way)
        if damaged != data:
            self._note_other_link(data, damaged)
            self.is_locked = self.is_locked or SENDS_NOTHING.match(damaged) is not None
            self._trace.note(f"damaged {way}: {data[:60]!r} ({len(data)}) became {damaged[:60]!r}")
            if PAYLOAD.match(data) if way == "down" else not data.startswith(b"AT"):
                self.payload_damaged = True
        return damaged


def _shows(pushed_out: bytes) -> bool:
    """Whether it shows that text got into a block: its first line does not look like one of the module's."""
    lines = [line for line in pushed_out.split(b"\r\n") if line]
    return bool(lines) and LOOKS_RIGHT.match(lines[0]) is None


class ChaosPort(StreamPort):
    """The host's port. It loses whole writes and holds back what was said, as the plan wants."""

    def __init__(
        self, opened: Opened, doses: Iterable[Dose], seed: int, trace: Trace, window: FaultWindow
    ) -> None:
        super().__init__(opened.stream, "memory")
        doses = tuple(doses)
        self._trace = trace
        self._window = window
        self._random = Random(seed ^ 0x11)
        self._writes = {d.kind.name: float(d.dose) for d in doses if d.kind.where == "write"}
        self._late = [d.dose.split("=") for d in doses if d.kind.where == "late"]
        self._held_until = 0.0

    async def receive(self) -> bytes:
        data = await super().receive()
        if self._window.is_open:
            for rate, seconds in self._late:
                if self._random.random() < float(rate):
                    self._trace.fault("late", seconds.encode())
                    self._held_until = trio.current_time() + float(seconds)
        if trio.current_time() < self._held_until:
            await trio.sleep_until(self._held_until)
        self._trace.heard(data)
        return data

    async def send(self, data: bytes | memoryview) -> None:
        line = bytes(data)
        self._trace.wrote(line)
        if self._window.is_open:
            line = self._spoiled(line)
        if line:
            await super().send(line)
        else:
            await trio.lowlevel.checkpoint()

    def _spoiled(self, line: bytes) -> bytes:
        is_command = line.startswith(b"AT") and line.endswith(b"\r\n")
        for name, rate in self._writes.items():
            if is_command is (name != "lost-payload") and self._random.random() < rate:
                self._trace.fault(name, line[:40])
                self._window.used()
                return line[:-1] if name == "lost-line-end" else b""
        return line

    async def aclose(self) -> None:
        """The line stays: opened again, it is the same module behind it."""
        await trio.lowlevel.checkpoint()


class FaultWindow:
    """Whether faults are at work now; `once`: only until one token, line or write was hit."""

    def __init__(self, *, once: bool = False) -> None:
        self.is_open = False
        self._once = once

    def used(self) -> None:
        """A token, a line or a write was hit."""
        if self._once:
            self.is_open = False
