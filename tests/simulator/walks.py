"""Random walks through the simulated module: `python -m tests.simulator.walks [COMMANDS]`.

A walk is a session of commands with good, odd and bad arguments, of payloads, and of what peers do meanwhile,
drawn by a seed. Whatever it does, these hold (`Walk.run` raises `Violation` otherwise):

- nothing in the simulator raises;
- a command has a result or a prompt within `PATIENCE_S`, or the profile says that the firmware hangs there;
- every block of received data is as long as its header says;
- the module gets through AT+RST, unless the profile says that it is deaf;
- a link that CIPSTATUS lists can be closed, and is not listed then.

The same seed gives the same bytes.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import TYPE_CHECKING

from esp32sock.simulator.device import Device
from esp32sock.simulator.environment.settings import Settings
from esp32sock.simulator.profiles.generations import PROFILES
from tests.simulator.replay.peers import DRIVEN_PORTS, SERVER_PORT, Driver, network_of_the_captures

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMANDS_PER_WALK = 60
PATIENCE_S = 120.0

RESULT = re.compile(
    rb"\r\n(?:OK|ERROR|SEND OK|SEND FAIL|SEND Canceled|SEND CANCELLED|ready)\r\n|busy p\.\.\.\r\n"
)
_BLOCK = re.compile(rb'\r\n\+IPD,(?:\d,)?(\d+)(?:,"?[\d.]+"?,\d+)?:')
_LISTED = re.compile(rb"\+CIPSTATUS:(\d),")

PORTS = ("7000", "7001", "7002", "7003", "7004", "7080", "7100", "7101", "7200", "7443", "7999", "0", "65536")
HOSTS = (
    '"10.0.2.2"',
    '"host.test"',
    '"no-such.invalid"',
    '"10.0.2.77"',
    '"localhost"',
    "10.0.2.2",
    '"999.1.1.1"',
)
NUMBERS = (
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "-1",
    "8",
    "60",
    "100",
    "0x1",
    "01",
    "4294967296",
    "65535",
    "a",
    "",
    '"5"',
)
LENGTHS = ("1", "2", "5", "16", "100", "1024", "1460", "2048", "2049", "8192", "8193", "-1", "0", "abc", "1 ")
KINDS = ('"TCP"', '"TCP"', '"TCP"', '"UDP"', '"SSL"', '"tcp"', '"TCPv6"', '"UDPv6"', '""', "TCP")
STRINGS = (
    '"Espressif"',
    '"nobody"',
    '""',
    '"x',
    '"10:01:00:c4:0a:51"',
    '"12345678"',
    '"10.0.2.3"',
    '"192.168.5.1"',
)
PAYLOADS = (
    b"hello",
    b"+++",
    b"\r\nOK\r\n",
    b"\\0",
    b"a\\nb\\",
    b"+IPD,0,5:",
    b"SEND OK\r\n",
    b">",
    b"\x00\xff",
    b"AT\r\n",
)
PEER_SAYS = (b"close\n", b"send 3000\n", b"bin\n", b"half\n", b"rst\n", b"later 0.2\n", b"what?\r\n")
PLAIN_WORDS = ("AT", "ATE0", "ATE1", "ATX", "AT+", "+GMR", "hello", "AT+NOSUCH", "A+CIPMUX?", "AT+GMR,", "")

LIKELY = {"CIPSTART": 12, "CIPSEND": 14, "CIPSENDEX": 4, "CIPSENDL": 4, "CIPCLOSE": 6, "CIPMUX": 5,
          "CIPSERVER": 3, "CIPSTATUS": 4, "CIPRECVDATA": 3, "CIPMODE": 2, "CWJAP": 2}  # fmt: skip
NEVER = {"GSLP"}
"""Sleeps for as long as its argument says."""


class Violation(AssertionError):
    """The simulated module did what no firmware does."""


@dataclass
class Walk:
    """One session."""

    seed: int
    profile: str
    transcript: bytearray = field(default_factory=bytearray)
    commands: int = 0
    restarts: int = 0
    hangs: int = 0
    closed: int = 0

    def __post_init__(self) -> None:
        self._random = Random(f"walk {self.profile} {self.seed}")
        self._driver = Driver()
        self._clients = count()
        self._power_on()

    def run(self, commands: int = COMMANDS_PER_WALK) -> None:
        """Raises Violation, or whatever the simulator raised."""
        while self.commands < commands:
            if self._random.random() < 0.15:
                self._peer_acts()
            self._command(self._draw_line())
            if self.commands % 20 == 0:
                self._close_what_is_listed()
        self._close_what_is_listed()

    # The module

    def _power_on(self) -> None:
        self._network = network_of_the_captures("v2.0", self._driver)
        joined = self._random.random() < 0.9
        self._module = Device(Settings(profile=self.profile, joined=joined), self._network)
        self._now = 0.0

    @property
    def _hangs_as_the_firmware(self) -> bool:
        """Whether this is one of the places where the profile says that the firmware never answers again."""
        firmware = self._module.firmware
        state = firmware.board.state
        return state.wedged or state.handshake_hangs or firmware.receiver.deaf

    def _write(self, data: bytes) -> None:
        self.transcript += b"> " + data + b"\n"
        self._module.host_wrote(data, self._now)

    def _until(self, end: re.Pattern[bytes] | None, within_s: float) -> bytes:
        """What the module prints until the pattern is seen, or until nothing more is due in that time."""
        deadline = self._now + within_s
        said = b""
        while end is None or not end.search(said):
            if data := self._module.take_output(self._now, 1 << 20):
                said += data
                continue
            due = [t for t in (self._module.deadline(), self._module.output_deadline()) if t is not None]
            if not due or min(due) > deadline:
                self._now = deadline
                self._module.advance(self._now)
                said += self._module.take_output(self._now, 1 << 20)
                break
            self._now = max(self._now, min(due))
            self._module.advance(self._now)
        self.transcript += said
        return said

    # What the host does

    def _command(self, line: bytes) -> None:
        self.commands += 1
        self._write(line)
        said = self._until(_RESULT_OR_PROMPT, PATIENCE_S)
        said += self._until(None, self._random.choice((0.0, 0.02, 0.3, 1.0)))
        if self._module.firmware.receiver.diverted:
            self._payload(line)
        elif not RESULT.search(said) and line.endswith(b"\r\n"):
            self._get_through(line)
        self._check_blocks(said)

    def _payload(self, line: bytes) -> None:
        """Something for the prompt, the right length or not, and what ends the data phase in any case."""
        numbers = re.findall(rb"\d+", line.partition(b"=")[2])
        wanted = int(numbers[-1]) if numbers else 20
        for _ in range(self._random.randint(1, 3)):
            data = self._random.choice((self._random.choice(PAYLOADS), self._random.choice(PEER_SAYS), b""))
            data = data or self._random.choice((b"x" * min(wanted, 3000), b"y" * 30))
            self._write(data)
            self._until(RESULT, self._random.choice((0.05, 0.5, 2.0)))
        for _ in range(3):
            if not self._module.firmware.receiver.diverted or self._module.firmware.receiver.deaf:
                break
            self._until(None, 0.1)
            self._write(b"+++")
            self._until(None, 1.5)
        if self._module.firmware.receiver.diverted:
            self._get_through(line)

    def _get_through(self, line: bytes) -> None:
        """No result came: the profile knows why, and AT+RST ends it; a deaf module is replaced."""
        firmware = self._module.firmware
        known = self._hangs_as_the_firmware or not firmware.board.running or firmware.receiver.expects_more
        known = known or (self._module.profile.unfinished_limit is not None and len(line) >= 100)
        if not known and not self._offers_update(line):
            raise Violation(f"no result: {line!r}\n{bytes(self.transcript[-400:])!r}")
        self.hangs += 1
        if firmware.receiver.deaf or (
            self._module.profile.nul_ends_search and b"\0" in self.transcript[-600:]
        ):
            self._power_on()  # 1.0 finds no line end behind a NUL
            return
        boots = self._module.journal.boots
        self._write(b"\r\n" if firmware.receiver.expects_more else b"AT+RST\r\n")
        self._until(None, 30.0)
        if self._module.journal.boots == boots and not firmware.receiver.expects_more and self._runs():
            raise Violation(f"AT+RST does not get through after {line!r}: {bytes(self.transcript[-600:])!r}")
        self.restarts += self._module.journal.boots - boots

    def _runs(self) -> bool:
        return self._module.firmware.executor.running

    def _offers_update(self, line: bytes) -> bool:
        return self._module.profile.offered_version_hangs and b"CIPFWVER" in line.upper()

    def _close_what_is_listed(self) -> None:
        """Every listed link can be closed."""
        if self._hangs_as_the_firmware or self._module.firmware.executor.running:
            return
        if self._module.firmware.receiver.expects_more:
            self._write(b"\r\n")
            self._until(RESULT, PATIENCE_S)
        for link_id in self._listed():
            mux = self._module.firmware.board.state.mux
            self._write(b"AT+CIPCLOSE=%d\r\n" % link_id if mux else b"AT+CIPCLOSE\r\n")
            said = self._until(RESULT, PATIENCE_S)
            if b"CLOSED\r\n" not in said and link_id in self._listed():
                raise Violation(f"a listed link cannot be closed: {said!r}")
            self.closed += 1
        still = [link for link in self._module.firmware.links.all() if not link.accepted]
        if still and self._listed():
            raise Violation(f"closed and still listed: {still[0].link_id} {bytes(self.transcript[-600:])!r}")

    def _listed(self) -> list[int]:
        self._write(b"AT+CIPSTATUS\r\n")
        return [int(number) for number in _LISTED.findall(self._until(RESULT, PATIENCE_S))]

    def _check_blocks(self, said: bytes) -> None:
        """The header's number is that of the bytes behind it, up to where we stopped reading."""
        trailer = self._module.profile.ipd_trailer
        position = 0
        while match := _BLOCK.search(said, position):
            position = match.end() + int(match[1])
            if trailer and len(said) > position + 1 and said[position : position + 2] != trailer:
                raise Violation(f"a block of {match[1].decode()} bytes has no end: {said[match.start() :]!r}")

    # What peers do

    def _peer_acts(self) -> None:
        port = self._random.choice(DRIVEN_PORTS)
        connection = self._driver.by_port.get(port)
        match self._random.randrange(6):
            case 0:
                self._driver.connect(self._network, b"%d" % next(self._clients))
            case 1 | 2 if connection is not None and not connection.closed:
                connection.send(self._random.randbytes(self._random.choice((1, 10, 300, 3000))))
            case 3 if connection is not None and not connection.closed:
                connection.close()
            case 4 if connection is not None and not connection.closed:
                connection.reset()
            case _ if self._driver.clients:
                name = self._random.choice(sorted(self._driver.clients))
                if self._random.random() < 0.5:
                    self._driver.client_sends(name, b"from a client")
                else:
                    self._driver.client_closes(name)
        self._until(None, 0.1)

    # Lines

    def _draw_line(self) -> bytes:
        random = self._random
        if random.random() < 0.06:
            return random.choice(PLAIN_WORDS).encode() + b"\r\n"
        names = [name for name in self._module.profile.commands if name not in NEVER]
        name = random.choices(names, [LIKELY.get(name, 1) for name in names])[0]
        text = name if name.startswith("AT") else f"AT+{name}"
        forms = self._module.profile.commands[name] or "e"
        form = random.choice(forms if random.random() < 0.9 else "tqse")
        text += {"t": "=?", "q": "?", "e": "", "s": "="}[form]
        if form == "s":
            text += ",".join(self._draw_arguments(name))
        line = text.encode() + b"\r\n"
        if random.random() < 0.03:
            at = random.randrange(len(line))
            line = line[:at] + random.choice((b" ", b"?", b"\x00", b'"', b",")) + line[at:]
        return line

    def _draw_arguments(self, name: str) -> Iterator[str]:
        random = self._random
        mux = self._module.firmware.board.state.mux
        if name in ("CIPSTART", "CIPSTARTEX"):
            if mux and name == "CIPSTART":
                yield random.choice("0123457")
            kind = random.choice(KINDS)
            yield from (kind, random.choice(HOSTS[:1] * 6 + HOSTS))
            yield "7005" if kind == '"UDP"' else random.choice(PORTS)
            yield from (random.choice(NUMBERS) for _ in range(random.choice((0, 0, 0, 1, 2))))
        elif name in ("CIPSEND", "CIPSENDEX", "CIPSENDL"):
            if mux:
                yield random.choice("01234")
            yield random.choice(LENGTHS)
        elif name == "CIPCLOSE":
            yield random.choice("0123455")
        elif name == "CIPMUX":
            yield random.choice("0111")
        elif name == "CIPSERVER":
            yield from random.choice(
                (("1", str(SERVER_PORT)), ("1", str(SERVER_PORT)), ("0",), ("1", "65536"))
            )
        elif name in ("CIPDOMAIN", "PING"):
            yield random.choice(HOSTS)
        elif name.startswith("UART"):
            yield from ("115200", "8", "1", "0", random.choice("0123a"))
        elif name == "CWJAP":
            yield from (random.choice(STRINGS), '""')
        else:
            yield from (random.choice(NUMBERS + STRINGS) for _ in range(random.randint(1, 4)))


_RESULT_OR_PROMPT = re.compile(RESULT.pattern + rb"|\r\n>\Z")


def walk(seed: int, commands: int = COMMANDS_PER_WALK) -> Walk:
    """One walk; the seed chooses the profile too."""
    made = Walk(seed, tuple(PROFILES)[seed % len(PROFILES)])
    made.run(commands)
    return made


def main(arguments: list[str]) -> None:
    wanted = int(arguments[0]) if arguments else 100_000
    done = restarts = hangs = closed = 0
    for seed in count():
        try:
            made = walk(seed)
        except BaseException:
            print(f"seed {seed}:", file=sys.stderr)
            raise
        done += made.commands
        restarts += made.restarts
        hangs += made.hangs
        closed += made.closed
        if done >= wanted:
            break
    print(f"{done} commands, {seed + 1} walks: {hangs} hangs of the profiles, {closed} listed links closed")


if __name__ == "__main__":
    main(sys.argv[1:])
