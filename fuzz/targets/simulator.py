"""The simulated module: whatever is written to it, it answers as a firmware does, and nothing in it raises.

An input is a profile, a few settings and lines. A line that begins with a byte below 0x08 is no line but
something that happens: time passes, a peer acts, bytes come without a line end, or a piece of the payload
that a prompt waits for. What holds, as in `tests/simulator/walks.py`, whose lines are drawn from a grammar:

- a line has a result or a prompt within PATIENCE_S, or the profile says that the firmware hangs there;
- the module gets through AT+RST, unless the profile says that it is deaf;
- every block of received data is as long as its header says;
- it comes to rest: no end of steps at one time;
- the same input gives the same bytes.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from esp32sock.simulator.device import Device
from esp32sock.simulator.environment.radio import (
    DEFAULT_ACCESS_POINTS,
    AccessPoint,
    JoinFailure,
    Provisioning,
    SoftApClient,
)
from esp32sock.simulator.environment.settings import Settings
from esp32sock.simulator.network.memory import START_UNIX_S
from esp32sock.simulator.profiles.generations import PROFILES
from fuzz import corpus, scenes
from fuzz.controls import Controls
from tests.simulator.replay.peers import DRIVEN_PORTS, Driver, echo, network_of_the_captures
from tests.simulator.walks import HOSTS, KINDS, LENGTHS, NUMBERS, STRINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

UNIT = "lines"
MAX_BYTES = 4096

CONTROL_BYTES = 3
PATIENCE_S = 120.0
MOST_STEPS = 20_000
"""Of one wait; more is a module that never comes to rest."""
LINES_A_SEED = 80
PROFILE_NAMES = tuple(PROFILES)
NETWORKS = ("v2.0", "v4.1dev", "v201712")
RICH = 0x40
"""A flag: more is around the module than behind the recordings."""
SURROUNDINGS: dict[str, Any] = {
    "access_points": (
        *DEFAULT_ACCESS_POINTS,
        AccessPoint("locked", password="12345678", bssid="10:01:00:c4:0a:60", encryption=3),
        AccessPoint("office", bssid="10:01:00:c4:0a:61", encryption=5),
        AccessPoint("mute", bssid="10:01:00:c4:0a:62", gives_addresses=False),
        AccessPoint("broken", bssid="10:01:00:c4:0a:63", failure=4),
        AccessPoint(
            "moody", bssid="10:01:00:c4:0a:64", failures=(JoinFailure.TIMEOUT, JoinFailure.NOT_FOUND)
        ),
    ),
    "update": "v9.9",
    "provisioning": Provisioning("locked", "12345678", after_s=0.5),
    "wps": "locked",
    "stations": (SoftApClient("1a:fe:34:00:00:01", 0.5), SoftApClient("1a:fe:34:00:00:02", 1.5)),
}
PAUSES_S = (0.0, 0.02, 0.3, 1.0, 3.0)
HAPPENS_IN_DATA = (b"\1", b"\2", b"\4", b"\5")
PAUSE_EVERY = 8
"""So many lines to one pause: waiting costs more than a line."""

RESULT = re.compile(
    rb"\r\n(?:OK|ERROR|SEND OK|SEND FAIL|SEND Canceled|SEND CANCELLED|ready)\r\n|busy p\.\.\.\r\n"
)
RESULT_OR_PROMPT = re.compile(RESULT.pattern + rb"|\r\n>\Z")
BLOCK = re.compile(rb'\r\n\+IPD,(?:\d,)?(\d+)(?:,"?[\d.]+"?,\d+)?:')


def dictionary() -> list[bytes]:
    names = {name.encode() for profile in PROFILES.values() for name in profile.commands}
    lines = [name if name.startswith(b"AT") else b"AT+" + name for name in names]
    return [
        *lines, *(line + b"=" for line in lines), b"=?", b"?", b'"10.0.2.2"', b'"host.test"', b'"TCP"',
        b'"UDP"', b'"SSL"', b",7000", b",7003", b",7004", b",7005", b",7443", b",8080", b"\nAT+CIPMUX=1\n",
        b"\\\\", b'\\"', b"\nAT+CIPSEND=0,5\nhello\n", b"0x1F", b"-1", b"4294967296", b"\n\1\1", b"\n\2\2",
        b"\n\3\0", b'""', b"\n\5data", b'"TCPv6"', b'"UDPv6"', b'"SSLv6"',
        b'"fec0::2"', *(b"," + value.encode() for value in (*NUMBERS, *LENGTHS, *HOSTS)),
        *(b"," + value.encode() for value in (*KINDS, *STRINGS)),
    ]  # fmt: skip


def seeds() -> Iterator[bytes]:
    yield from scenes.inputs([profile.commands for profile in PROFILES.values()])
    number = count()
    for dialogue in corpus.dialogues():
        items = [data.removesuffix(b"\r\n") for side, data in dialogue if side == "H"]
        items = [item for item in items if item and b"\n" not in item]
        for start in range(0, len(items), LINES_A_SEED):
            chosen = next(number)
            lines = b"\n".join(items[start : start + LINES_A_SEED])
            if len(lines) + CONTROL_BYTES <= MAX_BYTES:
                yield bytes([chosen % 256, chosen // 7 % 64, chosen % 5]) + lines


def run(data: bytes) -> int:
    controls = Controls(data[:CONTROL_BYTES])
    profile, flags, pause = controls.byte(), controls.byte(), controls.choice(PAUSES_S)
    items = data[CONTROL_BYTES:].split(b"\n")
    bench = Bench(PROFILE_NAMES[profile % len(PROFILE_NAMES)], flags, pause)
    bench.play(items)
    if len(data) % 16 == 5:
        again = Bench(bench.profile, flags, pause)
        again.play(items)
        assert again.said == bench.said, "the same input gives other bytes"
    return bench.lines


class Bench:
    """One module, the peers around it and the time, on an input."""

    def __init__(self, profile: str, flags: int, pause_s: float) -> None:
        self.profile = profile
        self.flags = flags
        self.pause_s = pause_s
        self.lines = 0
        self.said = bytearray()
        self._power_on()

    def _power_on(self) -> None:
        self.driver = Driver()
        self.clients = count()
        name = NETWORKS[(self.flags >> 4) % len(NETWORKS)]
        self.network = network_of_the_captures(name, self.driver)
        settings = Settings(
            profile=self.profile,
            joined=not self.flags & 1,
            cold=bool(self.flags & 2),
            paced=self.flags & 0xC == 0xC,
        )
        if self.flags & RICH:
            settings = replace(settings, boot_noise=settings.paced, **SURROUNDINGS)
            self.network.start_unix_s = START_UNIX_S
            self.network.names_6["host6.test"] = "fec0::2"
            for port in (7000, 7001):
                self.network.listen("fec0::2", port, echo)
            self.network.answer_datagrams("fec0::2", 7005, lambda data: [data])
        self.device = Device(settings, self.network)
        self.now = 0.0
        if settings.cold:
            self.wait(None, 5.0)

    # What happens

    def play(self, items: list[bytes]) -> None:
        for item in items:
            if self.device.firmware.receiver.diverted and item[:1] not in HAPPENS_IN_DATA:
                self.payload(item)
            elif item[:1] < b"\x08":
                self.happens(item)
            else:
                self.line(item)
        if self.device.firmware.receiver.diverted:
            self.leave_data_phase()

    def happens(self, item: bytes) -> None:
        """What is no line: time, peers, a line without its end."""
        number = item[1] if len(item) > 1 else 0
        match item[:1]:
            case b"\1":
                self.peer_acts(number, item[2:])
            case b"\2":
                self.wait(None, PAUSES_S[number % len(PAUSES_S)])
            case b"\3":
                self.write(item[1:])
                self.wait(None, 0.05)
                if self.device.firmware.receiver.expects_more:
                    self.write(b"\r\n")
                    self.wait(RESULT_OR_PROMPT, PATIENCE_S)
                self.end_unfinished()
            case b"\5":
                self.write(item[1:])
                self.wait(None, 0.05)
            case _:
                self.driver.connect(self.network, b"%d" % next(self.clients))
                self.wait(None, 0.05)

    def peer_acts(self, number: int, data: bytes) -> None:
        connection = self.driver.by_port.get(DRIVEN_PORTS[number % len(DRIVEN_PORTS)])
        if connection is not None and not connection.closed:
            match number >> 4 & 3:
                case 0 | 1:
                    connection.send(data * (number >> 6) or b"x" * 300)
                case 2:
                    connection.close()
                case _:
                    connection.reset()
        elif self.driver.clients:
            name = min(self.driver.clients)
            if number & 1 or self.driver.clients[name].closed:
                self.driver.client_closes(name)
            else:
                self.driver.client_sends(name, data or b"from a client")
        self.wait(None, 0.05)

    def line(self, item: bytes) -> None:
        """A command line, its result, and what comes behind it."""
        self.lines += 1
        line = item + b"\r\n"
        self.write(line)
        said = self.wait(RESULT_OR_PROMPT, PATIENCE_S)
        if self.pause_s and not self.lines % PAUSE_EVERY:
            said += self.wait(None, self.pause_s)
        receiver = self.device.firmware.receiver
        if not receiver.diverted and not RESULT.search(said):
            said += self.wait(RESULT, PATIENCE_S)  # the prompt was an echo
        if not receiver.diverted and not RESULT.search(said):
            self.get_through(line, said)
        self.check_blocks(said)

    def payload(self, item: bytes) -> None:
        """Bytes for the prompt, and what ends the data phase if they do not."""
        self.write(item)
        said = self.wait(RESULT, 2.0)
        self.check_blocks(said)
        if self.device.firmware.receiver.diverted:
            self.leave_data_phase()

    def leave_data_phase(self) -> None:
        receiver = self.device.firmware.receiver
        for _ in range(3):
            if receiver.deaf or not receiver.diverted:
                break
            self.wait(None, 0.1)
            self.write(b"+++")
            self.wait(None, 1.5)
        if receiver.diverted:
            self._power_on()

    def get_through(self, line: bytes, said: bytes) -> None:
        """No result: the profile knows why, and AT+RST ends it; a deaf module is replaced."""
        device = self.device
        if device.output_deadline() is not None:  # a line of few baud: the result is under way
            self._power_on()
            return
        firmware, profile = device.firmware, device.profile
        state = firmware.board.state
        known = state.wedged or state.handshake_hangs or firmware.receiver.deaf or not firmware.board.running
        known = known or firmware.receiver.expects_more or b"\0" in line
        known = known or (profile.unfinished_limit is not None and len(line) >= profile.unfinished_limit)
        known = known or (profile.line_crash is not None and len(line) >= profile.line_crash)
        known = known or (profile.offered_version_hangs and b"CIPFWVER" in line.upper())
        assert known, f"no result: {line!r}: {said[-300:]!r}"
        if (
            firmware.receiver.deaf
            or not firmware.board.running
            or (profile.nul_ends_search and b"\0" in line)
        ):
            self._power_on()
            return
        if firmware.receiver.expects_more:
            self.write(b"\r\n")
            self.wait(RESULT_OR_PROMPT, PATIENCE_S)
            self.end_unfinished()
            return
        boots = device.journal.boots
        self.write(b"AT+RST\r\n")
        self.wait(None, 30.0)
        through = device.journal.boots > boots or not firmware.executor.running
        assert through, f"AT+RST does not get through after {line!r}"

    def end_unfinished(self) -> None:
        """A line whose end 1.0 does not find, behind a NUL, swallows every other: a new module."""
        if self.device.firmware.receiver.expects_more:
            self._power_on()

    # The wire

    def write(self, data: bytes) -> None:
        self.device.host_wrote(data, self.now)

    def wait(self, end: re.Pattern[bytes] | None, within_s: float) -> bytes:
        """What the module prints until the pattern is seen, or until nothing more is due in that time."""
        device, deadline = self.device, self.now + within_s
        said = b""
        for _ in range(MOST_STEPS):
            if data := device.take_output(self.now, 1 << 20):
                said += data
                if end is not None and end.search(said):
                    break
                continue
            due = min(_or_never(device.deadline()), _or_never(device.output_deadline()))
            if due > deadline:
                self.now = deadline
                device.advance(deadline)
                said += device.take_output(deadline, 1 << 20)
                break
            self.now = max(self.now, due)
            device.advance(self.now)
        else:
            raise AssertionError(f"it does not come to rest: {said[-200:]!r}")
        self.said += said
        return said

    def check_blocks(self, said: bytes) -> None:
        """The header's number is that of the bytes behind it, up to where reading stopped."""
        trailer, position = self.device.profile.ipd_trailer, 0
        while match := BLOCK.search(said, position):
            position = match.end() + int(match[1])
            if trailer and len(said) > position + 1:
                assert said[position : position + 2] == trailer, (
                    f"a block has no end: {said[match.start() :]!r}"
                )


def _or_never(deadline_s: float | None) -> float:
    return float("inf") if deadline_s is None else deadline_s
