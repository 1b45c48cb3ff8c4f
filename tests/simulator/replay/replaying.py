"""Driving a simulated module through a capture.

The host's bytes are written at the recorded points. A point is a time and a place in the dialogue: a write
waits for its recorded time, and, if the recording shows more answer to the write before than has come so far,
for that answer too (at most `PATIENCE_S`); later times shift by as much. So a module that is slower than the
recorded one is not talked over, and one that is faster is written to at the recorded times.
"""

from __future__ import annotations

import heapq
import re
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from esp32sock.simulator.device import Device
from esp32sock.simulator.environment.settings import OBSERVED_TIMING, Settings
from esp32sock.simulator.nvs import Nvs

from .annotations import Director
from .capture import Capture, Printed, Remark, Section, Step, Written
from .normalise import THIRD_PARTY, normalise
from .peers import Driver, network_of_the_captures
from .setups import SETUPS

if TYPE_CHECKING:
    from collections.abc import Callable

PROFILES = {"v201712": "1.0", "v2.0": "2.0", "v3.2c3": "3.4", "v4.1dev": "4.1", "v4.2dev": "4.2"}

PIECE_BYTES = 128
BYTES_PER_S = 11520
"""115200 baud from the host to the module held in the captures; the other way did not."""

SETUP_S = 10.0
"""How long each line of a set-up has for its answer."""

PATIENCE_S = 60.0
"""How long a write waits for the answer that the recording shows."""

BUSY_AFTER_RESULT_S = 0.2
"""A line that is refused as busy so soon after a result is the emulator's slowness (real-firmware: 0.1 s)."""

_REPLACED = "module restarted"
_BY_ITSELF = "restarted by itself"

_JOIN = re.compile(rb'AT\+CWJAP="([^"]+)","[^"]*"\r\n')
_FAILED_JOIN = re.compile(rb"\+CWJAP:(\d)\r\n\r\nERROR")
_BUSY_ONLY = re.compile(rb"(?:ERR CODE:0x010b0000\r\n)?\r\nbusy p\.\.\.\r\n\Z")
_RESULT = re.compile(rb"\r\n(?:OK|ERROR|SEND OK|SEND FAIL|ready)\r\n")


@dataclass
class Exchange:
    """One host write, what the firmware printed until the next, and what the simulated module printed."""

    section: str
    line: int
    written: bytes
    recorded: bytes = b""
    simulated: bytes = b""
    last_time_s: float = 0.0
    equal: bool = False
    sent: bool = True
    module: int = 0
    """Which of the modules that the capture needs."""
    doubtful: str = ""
    """Why real-firmware 2 does not trust what was recorded here; empty if it does."""

    @property
    def compared(self) -> tuple[bytes, bytes]:
        return normalise(self.recorded), normalise(self.simulated)

    @property
    def counts(self) -> bool:
        """Whether there is anything to compare: something was written or printed."""
        return bool(self.written or self.recorded) and not self.written.startswith(THIRD_PARTY)


class Bench:
    """A module in memory and the time it lives in."""

    def __init__(self, firmware: str, *, shipped: bool, nvs: Nvs | None = None) -> None:
        self.driver = Driver()
        self.now = 0.0
        self.network = network_of_the_captures(firmware, self.driver)
        profile = PROFILES[firmware]
        settings = Settings(profile=profile, joined=not shipped, timing=OBSERVED_TIMING, window=5760)
        self.module = Device(settings, self.network, nvs=nvs or (Nvs() if shipped else None))
        self._actions: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0
        self.air = list(self.module.firmware.board.radio.access_points)

    def set_air(self, **changes: object) -> None:
        """Let every access point be as it was when the recording was made."""
        self.module.firmware.board.radio.access_points = [replace(each, **changes) for each in self.air]  # type: ignore[arg-type]

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Let a peer do something at that time, or now if it has passed."""
        self._serial += 1
        heapq.heappush(self._actions, (max(when, self.now), self._serial, action))

    def write(self, data: bytes) -> None:
        """The host writes; a long payload arrives piece by piece, as it did when it was recorded.

        Commands arrive whole: where a line was cut when it was read is not known from the recording.
        """
        if data.startswith(b"AT"):
            self.module.host_wrote(data, self.now)
            return
        self.module.host_wrote(data[:PIECE_BYTES], self.now)
        for start in range(PIECE_BYTES, len(data), PIECE_BYTES):
            piece = data[start : start + PIECE_BYTES]
            self.at(self.now + start / BYTES_PER_S, partial(self._write_piece, piece))

    def _write_piece(self, piece: bytes) -> None:
        self.module.host_wrote(piece, self.now)

    def take(self) -> bytes:
        taken = []
        while data := self.module.take_output(self.now, 1 << 20):
            taken.append(data)
        return b"".join(taken)

    def step(self, end: float) -> bool:
        """Go to the next moment at which something is due; False if there is none before `end`."""
        due = [t for t in (self.module.deadline(), self.module.output_deadline()) if t is not None]
        if self._actions:
            due.append(self._actions[0][0])
        if not due or min(due) > end:
            self.now = max(self.now, end)
            self.module.advance(self.now)
            return False
        self.now = max(self.now, min(due))
        self.module.advance(self.now)
        while self._actions and self._actions[0][0] <= self.now:
            heapq.heappop(self._actions)[2]()
            self.module.advance(self.now)
        return True


@dataclass
class Replay:
    """One capture, replayed."""

    capture: Capture
    exchanges: list[Exchange] = field(default_factory=list)


def starts_joined(capture: Capture) -> bool:
    """Whether the recording shows a module that has a network before it was told to join one."""
    signs = (b'+CWJAP:"', b"STATUS:2", b'STAIP,"10.', b"+CWSTATE:2", b"CONNECT\r\n\r\nOK", b"WIFI GOT IP")
    for section in capture.sections:
        for step in section.steps:
            if isinstance(step, Written) and (_JOIN.match(step.data) or step.data == b"AT+RST\r\n"):
                return False
            if isinstance(step, Printed) and any(sign in step.data for sign in signs):
                return True
    return False


class Player:
    """Replays the sections of one capture, one after the other."""

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self.replay = Replay(capture)
        self._bench: Bench | None = None
        self._exchange = Exchange("", 0, b"")
        self._shift_s = 0.0
        self._fresh_next = False
        self._director: Director | None = None
        self._boots = 0
        self._module_number = 0

    def run(self) -> Replay:
        joined = starts_joined(self.capture)
        state = ""
        for section in in_order_of_recording(self.capture.sections):
            other_state = section.state != state
            state = section.state
            if self._bench is None or section.fresh or self._fresh_next or other_state:
                self._begin(shipped=section.fresh or not joined)
            self._play(section)
        self._collect()
        self.replay.exchanges.sort(key=lambda exchange: exchange.line)
        return self.replay

    def _begin(self, *, shipped: bool, nvs: Nvs | None = None) -> None:
        self._collect()
        self._module_number += 1
        self._bench = Bench(self.capture.firmware, shipped=shipped, nvs=nvs)
        self._boots = self._bench.module.journal.boots
        self._fresh_next = False

    def _collect(self) -> None:
        """What the module printed belongs to the exchange under way."""
        if self._bench is not None:
            self._exchange.simulated += self._bench.take()

    def _play(self, section: Section) -> None:
        assert self._bench is not None
        self._finish()
        self._set_up(section)
        steps = section.steps
        self._director = Director(section, self._bench)
        self._shift_s = self._bench.now
        first = next((s.time_s for s in steps if isinstance(s, Written | Printed)), 0.0)
        self._shift_s -= first
        self._open(Exchange(section.title, section.line, b""))
        for index, step in enumerate(steps):
            if isinstance(step, Remark):
                self._remark(step)
            elif isinstance(step, Printed):
                self._exchange.recorded += step.data
                self._exchange.last_time_s = step.time_s
                self._director.printed(step, step.time_s + self._shift_s)
            else:
                self._write(section, step, recorded_answer(steps[index + 1 :]))
        self._finish()

    def _set_up(self, section: Section) -> None:
        """Bring the module into the state that the section begins in."""
        bench = self._bench
        assert bench is not None
        for line in SETUPS.get(self.capture.name, {}).get(section.line, ()):
            bench.write(line)
            end = bench.now + SETUP_S
            while bench.step(end):
                bench.take()

    def _write(self, section: Section, step: Written, answer: bytes) -> None:
        bench, director = self._bench, self._director
        assert bench is not None
        assert director is not None
        self._finish()
        self._wait_until(step.time_s + self._shift_s)
        before = next(each for each in reversed(self.replay.exchanges) if each.sent)
        self._open(Exchange(section.title, step.line, step.data, last_time_s=step.time_s))
        soon = step.time_s - before.last_time_s <= BUSY_AFTER_RESULT_S
        prompted = before.recorded.endswith(b">")
        if soon and not prompted and _BUSY_ONLY.match(normalise(answer)) and _RESULT.search(before.recorded):
            # The recorded module dropped this line although nothing ran: not a rule (real-firmware). So it
            # is not written, and both modules go on in the same state.
            self._exchange.doubtful = "busy after a result: the emulator was slow"
            self._exchange.sent = False
            return
        self._set_air(step, answer)
        director.before_write(step)
        bench.write(step.data)
        director.after_write(step)

    def _set_air(self, step: Written, answer: bytes) -> None:
        """A join that the emulation made fail is made to fail."""
        assert self._bench is not None
        self._set_radio(step, answer)
        self._bench.set_air(failure=0, gives_addresses=True)
        join = _JOIN.match(step.data)
        if join is None:
            return
        failed = _FAILED_JOIN.search(answer)
        known = any(each.ssid.encode() == join[1] for each in self._bench.air)
        if not failed or not known:
            return
        if b"WIFI CONNECTED" in answer:
            self._exchange.doubtful = "the emulator gives no address with CWMODE=3"
            self._bench.set_air(gives_addresses=False)
        elif failed[1] in (b"1", b"3"):
            self._exchange.doubtful = "a join that failed: the emulator was slow"
            self._bench.set_air(failure=int(failed[1]))

    def _set_radio(self, step: Written, answer: bytes) -> None:
        """After a restart the emulated radio at times heard nothing any more: no join, empty scans."""
        assert self._bench is not None
        firmware = self._bench.module.firmware
        if b"WIFI CONNECTED" in answer:
            firmware.board.radio.away.clear()
        elif step.data == b"AT+RST\r\n" and b"ready" in answer and firmware.station.will_join:
            firmware.board.radio.away = {each.ssid for each in self._bench.air}

    def _remark(self, remark: Remark) -> None:
        assert self._bench is not None
        assert self._director is not None
        if _BY_ITSELF in remark.text:
            self._finish()
            if self._bench.module.journal.boots == self._boots:
                self._begin(shipped=False, nvs=self._bench.module.nvs)
                self._director.bench = self._bench
                self._shift_s = -1e9
            self._boots = self._bench.module.journal.boots
            return
        if _REPLACED in remark.text:
            self._finish()
            if "section ended" in remark.text:
                self._fresh_next = True
            else:
                self._begin(shipped=True)
                self._director.bench = self._bench
                self._shift_s = -1e9  # times go on from wherever the bench stands
            return
        if not remark.heading:
            self._wait_until(self._exchange.last_time_s + self._shift_s)
        self._director.remark(remark)

    def _open(self, exchange: Exchange) -> None:
        exchange.module = self._module_number
        self._exchange = exchange
        self.replay.exchanges.append(exchange)

    def _wait_until(self, when: float) -> None:
        bench = self._bench
        assert bench is not None
        if when < bench.now:
            self._shift_s += bench.now - when
            return
        while bench.step(when):
            self._collect()
        self._collect()

    def _ahead(self) -> int:
        """How much of this exchange's answer the simulated module has given in the one before."""
        if len(self.replay.exchanges) < 2:
            return 0
        recorded, simulated = self.replay.exchanges[-2].compared
        return len(simulated) - len(recorded) if simulated.startswith(recorded) else 0

    def _finish(self) -> None:
        """Let the exchange under way come to the length that the recording shows."""
        bench = self._bench
        if bench is None:
            return
        self._wait_until(max(bench.now, self._exchange.last_time_s + self._shift_s))
        wanted = len(normalise(self._exchange.recorded)) - self._ahead()
        end = bench.now + PATIENCE_S
        while len(normalise(self._exchange.simulated)) < wanted:
            more = bench.step(end)
            self._collect()
            if not more:
                break


DISTURBING = ("31 ", "34 ", "36 ", "37 ", "38 ", "39 ")
"""CIPSTART, CIPCLOSE, CIPMUX, CIPSERVER, CIPMODE, SAVETRANSLINK."""


def in_order_of_recording(sections: list[Section]) -> list[Section]:
    """The sections as they followed each other.

    A sweep file is sorted by command, but the sections of one state were recorded on one module ("state as
    left by the section before"). What they show of the state tells the order: first what sets it up, then the
    commands that leave it as it is, then those that do not, then those that needed a set-up of their own.
    """

    def rank(section: Section) -> int:
        if not section.state or section.title.startswith("29 "):
            return 0
        if "set-up shown" in section.title:
            return 3
        return 2 if section.title.startswith(DISTURBING) else 1

    states = list(dict.fromkeys(section.state for section in sections))
    return [
        section
        for state in states
        for section in sorted((each for each in sections if each.state == state), key=rank)
    ]


def recorded_answer(steps: list[Step]) -> bytes:
    """What was printed from here to the next write."""
    answer = b""
    for step in steps:
        if isinstance(step, Written):
            break
        if isinstance(step, Printed):
            answer += step.data
    return answer
