"""The named faults at work on a module: its line, its firmware, its station. Those of the network itself are
in shaping.py; what each name means is in spec.py.

How to read it. One method a hook; in each, one paragraph a fault. A write of the firmware is recognised by
its bytes, which are whole tokens: nothing is ever parsed out of payload.
"""

from __future__ import annotations

import math
import re
from functools import partial
from typing import TYPE_CHECKING

from esp32sock.simulator.faults.hooks import Faults, LineVerdict, Place
from esp32sock.simulator.faults.spec import Triggers
from esp32sock.simulator.network.api import Accepted, PeerClosed, PeerReset, Received

if TYPE_CHECKING:
    from random import Random

    from esp32sock.simulator.faults.hooks import FaultTarget
    from esp32sock.simulator.faults.spec import Fault
    from esp32sock.simulator.network.api import Event
    from esp32sock.simulator.serial.uart import Uart

PROMPT = b"\r\n>"
OK_AND_PROMPT = b"\r\nOK\r\n\r\n>"
RECV = b"\r\nRecv "
SEND_OK = b"\r\nSEND OK\r\n"
ERROR = b"\r\nERROR\r\n"
RESULTS = (b"\r\nOK\r\n", ERROR, SEND_OK, b"\r\nSEND FAIL\r\n")

URCS = (
    b"WIFI GOT IP\r\n",
    b"WIFI CONNECTED\r\n",
    b'+STA_CONNECTED:"24:0a:c4:00:00:01"\r\n',
    b'+STA_DISCONNECTED:"24:0a:c4:00:00:01"\r\n',
    b'+DIST_STA_IP:"24:0a:c4:00:00:01","192.168.4.2"\r\n',
    b"+TIME_UPDATED\r\n",
    b"smartconfig connected wifi\r\n",
)
"""Unsolicited lines that change nothing a host may rely on (at-dialects 3.4)."""

DEBUG_WORDS = (
    b"delete\r\n",
    b"local port:2390\r\n",
    b"change type:2\r\n",
    b"to read 75 bytes\r\n",
    b"no ip\r\n",
)
"""Of the debug log, as users saw them on shared ports (at-dialects 3.1, 3.5)."""

GAP_AT_MOST_S = 0.3
"""An event waits for a gap no longer (chosen by taste)."""

_NOTICE = re.compile(rb"(\r\n\+IPD,(?:\d,)?)(\d+)\r\n\Z")
_START = re.compile(rb"AT\+CIPSTART=(?:(\d),)?", re.IGNORECASE)


class FaultInjector(Faults):
    """The faults of a SPEC, for one module."""

    active = True

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self._faults = faults
        self._triggers: Triggers
        self._target: FaultTarget
        self._busy_until = 0.0
        self._command = b""
        self._held: dict[int, list[Event]] = {}
        self._watched: set[str] = set()
        self._ended = False

    def bind(self, random: Random) -> None:
        self.triggers = self._triggers = Triggers(self._faults, random)

    def start(self, target: FaultTarget) -> None:
        self._target = target
        target.radio.triggers = self._triggers
        self._watch_seconds()

    def add(self, faults: tuple[Fault, ...]) -> None:
        """More faults; their occasions count from now."""
        self._triggers.add(faults)
        self._watch_seconds()

    def _watch_seconds(self) -> None:
        for name, action in (
            ("wifi-loss", self._disable_access_point),
            ("wifi-storm", self._storm),
            ("restart", self._restart),
        ):
            if name in self._triggers and name not in self._watched:
                self._watched.add(name)
                self._target.kernel.call_later(1.0, partial(self._each_second, name, action))

    def end(self) -> None:
        self._ended = True
        self._target.radio.triggers = None
        self.gap("after result")

    # By itself

    def _each_second(self, name: str, action: object) -> None:
        target = self._target
        if self._ended:
            return
        target.kernel.call_later(1.0, partial(self._each_second, name, action))
        fault = self._triggers.hit(name)
        if fault is not None and target.is_running() and callable(action):
            action(fault)

    def _disable_access_point(self, fault: Fault) -> None:
        """Its access point is off for a while; the firmware tries again by its own rules."""
        target = self._target
        access_point = target.lose_access_point()
        if access_point is not None:
            back = partial(target.radio.away.discard, access_point.ssid)
            target.kernel.call_later(fault.value, back)

    def _restart(self, fault: Fault) -> None:
        self._target.crash()

    def _storm(self, fault: Fault) -> None:
        for _ in range(int(fault.value)):
            self._target.write(b"WIFI DISCONNECT\r\n")

    # What the host wrote

    def host_bytes(self, data: bytes) -> list[bytes]:
        triggers, target = self._triggers, self._target
        data = self._damage(data, "up")
        for at, _ in triggers.hits("reset-up", len(data)):
            self._target.kernel.call_soon(self._target.crash)
            data = data[: at + 1]
            break
        stall = triggers.hit("stall-up")
        if stall is not None:
            uart = target.uart
            target.kernel.call_later(stall.value, partial(uart.release, uart.hold()))
        if triggers.hit("slice-up") is not None:
            return [data[n : n + 1] for n in range(len(data))]
        return [data]

    def _damage(self, data: bytes, way: str) -> bytes:
        """Lose and turn bits, in this order: places are counted in the bytes that were written."""
        triggers = self._triggers
        count = len(data)
        dropped = triggers.hits(f"drop-{way}", count)
        flipped = triggers.hits(f"flip-{way}", count)
        overrun = triggers.hits(f"overrun-{way}", count)
        if not (dropped or flipped or overrun):
            return data
        changed = bytearray(data)
        for at, _ in flipped:
            changed[at] ^= 1 << triggers.random.randrange(8)
        lost = {at for at, _ in dropped}
        for at, fault in overrun:
            lost.update(range(at, min(count, at + int(fault.value))))
        return bytes(value for at, value in enumerate(changed) if at not in lost)

    # Output of the module

    def module_bytes(self, uart: Uart, data: bytes) -> None:
        triggers = self._triggers
        for name, words in (("urc", URCS), ("debug", DEBUG_WORDS)):
            if triggers.hit(name) is not None:
                self._put(uart, triggers.random.choice(words))
        if data == ERROR and (phantom := self._phantom()):
            self._put(uart, data)
            data = phantom
        else:
            data = self._change_token(data)
        stall = triggers.hit("stall-down")
        if stall is not None:
            uart.pause_output(stall.value)
        slices = triggers.hit("slice-down")
        if slices is None:
            self._put(uart, data)
            return
        for at in range(len(data)):
            self._put(uart, data[at : at + 1])
            uart.pause_output(slices.value)

    def _change_token(self, data: bytes) -> bytes:
        """What becomes of one token; empty if nothing."""
        triggers = self._triggers
        if data in (PROMPT, OK_AND_PROMPT):
            return data[: -len(PROMPT)] if triggers.hit("lost-prompt") is not None else data
        if data.startswith(RECV):
            return b"" if triggers.hit("lost-recv") is not None else data
        if data in RESULTS:
            if data == SEND_OK and triggers.hit("lost-send-ok") is not None:
                return b""
            return data[2:] if triggers.hit("no-blank") is not None else data
        if data.startswith(b"\r\n+IPD,"):
            return self._change_ipd(data)
        if data.startswith(b"+CIPRECVLEN:") and triggers.hit("trailing-comma") is not None:
            return data.rstrip(b"\r\n") + b",\r\n"
        return data

    def _change_ipd(self, data: bytes) -> bytes:
        triggers = self._triggers
        notice = _NOTICE.match(data)
        if notice is None:
            if triggers.hit("debug-in-ipd") is None:
                return data
            at = triggers.random.randrange(data.index(b":") + 1, len(data) + 1)
            return data[:at] + triggers.random.choice(DEBUG_WORDS) + data[at:]
        if triggers.hit("lost-notice") is not None:
            return b""
        longer = triggers.hit("long-notice")
        return data if longer is None else b"%s%d\r\n" % (notice[1], int(notice[2]) + int(longer.value))

    def _phantom(self) -> bytes:
        """CLOSED for a link that was refused, if there was one and the fault occurs."""
        match = _START.match(self._command)
        if match is None or self._triggers.hit("phantom-closed") is None:
            return b""
        return b"CLOSED\r\n" if match[1] is None else match[1] + b",CLOSED\r\n"

    def _put(self, uart: Uart, data: bytes) -> None:
        """Let bytes leave, or as many of them as there are before the end."""
        triggers = self._triggers
        count = len(data)
        for at, _ in triggers.hits("reset", count):
            uart.write(self._damage(data[: at + 1], "down"))
            uart.mute()
            self._target.kernel.call_soon(self._target.crash)
            return
        for at, cut in triggers.hits("unplug", count):
            uart.write(self._damage(data[: at + 1], "down"))
            uart.unplug(cut.value or math.inf)
            return
        uart.write(self._damage(data, "down"))

    # Commands

    def line(self, line: bytes) -> LineVerdict:
        triggers, target = self._triggers, self._target
        now = target.kernel.now
        self._command = line
        if triggers.hit("echo-on") is not None:
            target.turn_echo_on()
        hang = triggers.hit("watchdog")
        if hang is not None:
            target.uart.mute()
            target.uart.hold()
            target.kernel.call_later(hang.value, target.crash)
        spell = triggers.hit("busy-spell")
        if spell is not None:
            self._busy_until = now + spell.value
        busy, busy_run, error = (triggers.hit(name) for name in ("busy", "busy-run", "error"))
        if busy is not None or now < self._busy_until:
            return "busy"
        if error is not None:
            return "error"
        return "run" if busy_run is None else "busy and run"

    def accepted_bytes(self, count: int) -> int:
        fault = self._triggers.hit("send-fail")
        return count if fault is None else min(count - 1, int(count * fault.value))

    # Events held back until a gap between two writes

    def network_event(self, event: Event) -> list[Event]:
        triggers = self._triggers
        handle: int
        match event:
            case Received(handle):
                name = "ipd-in-gap"
            case PeerClosed(handle) | PeerReset(handle):
                name = "close-in-gap"
            case Accepted(handle=handle):
                name = "accept-in-gap"
            case _:
                return [event]
        held = self._held.get(handle)
        if held is not None:
            held.append(event)  # nothing overtakes on one link
            return []
        if triggers.hit(name) is None:
            return [event]
        self._held[handle] = [event]
        self._target.kernel.call_later(GAP_AT_MOST_S, partial(self._let_go, handle))
        return []

    def gap(self, place: Place) -> None:
        for handle in list(self._held):
            self._let_go(handle)

    def _let_go(self, handle: int) -> None:
        for event in self._held.pop(handle, ()):
            self._target.deliver(event)
