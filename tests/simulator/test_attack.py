"""The serial line of the simulated module under attack: whatever is written, it never raises, never hangs and
never grows, and after a reset it answers like any other.

A seed names a session. The strokes of a session are random bytes, mutated and absurd command lines, lines
without an end, NULs, half data phases and storms of `+++`, from every state that the openings bring about.
After each session the power button's reset (`crash`, as a watchdog does) and `AT` must be answered with OK.
"""

from __future__ import annotations

import gc
import re
from random import Random
from types import FunctionType, ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esp32sock.simulator.device import Device
from esp32sock.simulator.environment.settings import Settings
from esp32sock.simulator.network.memory import Connection, MemoryNetwork, TlsPeer
from esp32sock.simulator.profiles.generations import PROFILES

GATEWAY = "10.0.2.2"
SESSIONS = 7
STROKES = 30
MOST_TURNS = 20_000
"""Events in one stretch of time, beyond which a module is held to be spinning; a paced line takes 1000 more a
second.
"""


async def echo(connection: Connection) -> None:
    while data := await connection.receive():
        connection.send(data)
    connection.close()


async def pour(connection: Connection) -> None:
    connection.send(bytes(range(256)) * 60)
    await connection.sleep(0.5)
    connection.close()


async def breaks(connection: Connection) -> None:
    await connection.receive()
    connection.reset()


class Target:
    """A module in memory that counts what it does."""

    def __init__(self, profile: str, seed: int = 0, **more: Any) -> None:
        self.network = MemoryNetwork(names={"host.test": GATEWAY})
        for port, peer in ((7, echo), (9, pour), (10, breaks)):
            self.network.listen(GATEWAY, port, peer)
        self.network.listen(GATEWAY, 443, echo, tls=TlsPeer())
        self.network.answer_datagrams(GATEWAY, 7005, lambda data: [data])
        self.module = Device(Settings(profile=profile, seed=seed, **more), self.network)
        self.now = 0.0
        self.said_bytes = 0

    def passes(self, seconds: float) -> bytes:
        end = self.now + seconds
        said = []
        for _ in range(MOST_TURNS + round(5000 * min(seconds, 30.0))):
            while data := self.module.take_output(self.now, 1 << 20):
                said.append(data)
            due = [t for t in (self.module.deadline(), self.module.output_deadline()) if t is not None]
            if not due or min(due) > end:
                break
            self.now = max(self.now, min(due))
            self.module.advance(self.now)
        else:
            raise AssertionError(f"the module spins at {self.now}")
        self.now = end
        self.module.advance(end)
        said.append(self.module.take_output(end, 1 << 20))
        return b"".join(said)

    def say(self, data: bytes, within: float) -> bytes:
        self.module.host_wrote(data, self.now)
        return self.passes(within)

    def answers_after_reset(self) -> None:
        """The chip is reset by its pin, once what was written has arrived; then it boots and answers."""
        for _ in range(60):
            if not self.passes(30.0):
                break
        self.module.firmware.crash()
        said = self.passes(10.0)
        assert b"ready\r\n" in said, said[-200:]
        self.say(b"\r\n", 5.0)  # what was still on the line may have been half a command
        answer = self.say(b"AT\r\n", 5.0)
        assert answer.endswith(b"\r\nOK\r\n"), answer[-200:]


def held_by(root: object) -> list[object]:
    """All objects that hang on this one, and not on everything: no modules, classes and globals."""
    seen: dict[int, object] = {}
    left = [root]
    while left:
        thing = left.pop()
        if id(thing) in seen or isinstance(thing, type | ModuleType):
            continue
        seen[id(thing)] = thing
        is_function = isinstance(thing, FunctionType)
        left += [thing.__closure__, thing.__defaults__] if is_function else gc.get_referents(thing)
    return list(seen.values())


# What is written

KEPT_BYTES = 64 << 10
"""Of a line without an end."""
NUMBERS: tuple[bytes, ...] = (
    b"0",
    b"-1",
    b"1",
    b"4",
    b"5",
    b"00000000007",
    b"2147483648",
    b"-2147483649",
    b"9" * 60,
    b"1e9",
)
NUMBERS += (b"0x10", b"+5", b" 3", b"", b"65536", b"\xd9\xa3", b"1_0", b"--1")
TEXTS: tuple[bytes, ...] = (
    b'"host.test"',
    b'"10.0.2.2"',
    b'"TCP"',
    b'"UDP"',
    b'"SSL"',
    b'""',
    b'"',
    b'"\\"',
    b'"\\',
    b"TCP",
)
TEXTS += (b'"' + b"x" * 300 + b'"', b'"\xff\x00\xfe"', b'"999.1.1.1"', b'"255.255.255.255"', b'","')
TEXTS += (b'"00:00:00:00:00:00"', b'"Espressif"', b'"\xc3\xa9"', b'"AT+RST"', b"\\")
OPENINGS: tuple[tuple[bytes, ...], ...] = (
    (),
    (b"AT+CIPMUX=1", b'AT+CIPSTART=0,"TCP","10.0.2.2",7', b'AT+CIPSTART=1,"UDP","10.0.2.2",7005,1112,2'),
    (b"AT+CIPMUX=1", b"AT+CIPSERVER=1,80"),
    (b'AT+CIPSTART="TCP","10.0.2.2",7', b"AT+CIPMODE=1", b"AT+CIPSEND"),
    (b'AT+CIPSTART="UDP","10.0.2.2",7005', b"AT+CIPSEND=20"),
    (b"AT+CIPRECVMODE=1", b"AT+CIPRECVTYPE=1", b'AT+CIPSTART="TCP","10.0.2.2",9'),
    (b"AT+CIPMUX=1", b'AT+CIPSTART=0,"SSL","host.test",443', b"AT+CIPSENDL=0,9000"),
    (b"AT+CWMODE=3", b"AT+CWSTARTSMART"),
    (b"AT+CWQAP", b"AT+CWMODE=0"),
    (b'AT+CWJAP="nowhere","x"',),
    (b"AT+SYSLOG=1", b"AT+SYSMSG=7", b"ATE0"),
    (b"AT+SLEEP=2", b"AT+UART_CUR=9600,8,1,0,3"),
)


def mutated(random: Random, line: bytes) -> bytes:
    data = bytearray(line)
    for _ in range(random.choice((1, 1, 2, 5))):
        at = random.randrange(len(data) + 1)
        match random.randrange(4):
            case 0:
                data.insert(at, random.randrange(256))
            case 1:
                del data[at : at + random.choice((1, 1, 4))]
            case 2:
                data[at : at + 1] = bytes([random.choice(b'\0\r\n,"\\=?+>\xff')])
            case _:
                data[at:at] = data[: random.randrange(len(data) + 1)]
    return bytes(data)


def command(random: Random, names: list[str]) -> bytes:
    name = random.choice(names).encode()
    line = name if name.startswith(b"AT") else b"AT+" + name
    form = random.choice((b"", b"?", b"=?", b"=", b"=", b"=", b"="))
    if form == b"=":
        count = random.choice((0, 1, 1, 2, 2, 3, 4, 5, 7, 12, 40))
        form += b",".join(random.choice(random.choice((NUMBERS, TEXTS))) for _ in range(count))
    line += form
    return mutated(random, line) if random.random() < 0.3 else line


def stroke(random: Random, names: list[str]) -> bytes:
    match random.randrange(12):
        case 0:
            return random.randbytes(random.randrange(1, 300))
        case 1:
            return b"+++" * random.choice((1, 1, 2, 50))
        case 2:
            return b"\0" * random.choice((1, 5, 2000)) + b"AT\r\n"
        case 3:
            return random.choice((b"A", b"AT", b"AT+CIPSEND=0,", b"\r", b"\n", b"\r\n\r\n", b"x")) * (
                random.choice((1, 3, 1000, 40_000))
            )
        case 4:
            return b"AT+CIPSEND=" + random.choice((b"", b"0,")) + random.choice(NUMBERS) + b"\r\n"
        case 5:
            return random.randbytes(random.choice((1, 19, 2048)))
        case 6:
            return b"".join(command(random, names) + b"\r\n" for _ in range(random.randrange(2, 30)))
        case _:
            return command(random, names) + random.choice((b"\r\n", b"\r\n", b"\r\n", b"\r", b"\n", b""))


def attack(target: Target, random: Random) -> None:
    names = sorted(target.module.profile.commands)
    for line in random.choice(OPENINGS):
        target.say(line + b"\r\n", random.choice((0.0, 1.0, 20.0)))
    for _ in range(STROKES):
        target.say(stroke(random, names), random.choice((0.0, 0.0005, 0.06, 1.0, 30.0)))
        if random.random() < 0.05:
            target.network.connect(80, random.choice((echo, pour, breaks)))


@pytest.mark.parametrize("profile", PROFILES)
def test_random_sessions(profile: str) -> None:
    for seed in range(SESSIONS):
        random = Random(f"{profile} {seed}")
        target = Target(profile, seed, paced=seed == 6)
        attack(target, random)
        target.answers_after_reset()


@pytest.mark.parametrize("profile", PROFILES)
def test_every_command_with_absurd_arguments(profile: str) -> None:
    """Each by itself, with every number and every text in its first and second place."""
    target = Target(profile)
    for name in target.module.profile.commands:
        line = (name if name.startswith("AT") else "AT+" + name).encode()
        for text in (*NUMBERS, *TEXTS):
            for arguments in (text, b"1," + text, text + b"," + text, b"0,0," + text, text + b",1,1,1,1,1,1"):
                target.say(line + b"=" + arguments + b"\r\n", 0.0)
        target.answers_after_reset()


@pytest.mark.parametrize("profile", ["1.0", "2.4", "4.2"])  # what is kept is the same code for those between
def test_the_same_again_and_again_takes_no_memory(profile: str) -> None:
    """What a module holds after many sessions of input is what it held after a few."""
    target = Target(profile)
    sizes = []
    for number in range(4):
        attack(target, Random(number % 2))
        target.answers_after_reset()
        target.passes(200.0)
        gc.collect()
        if number in (1, 3):
            sizes.append(len(held_by(target.module)))
    assert sizes[1] < sizes[0] * 1.5 + 2000, sizes


@pytest.mark.parametrize("profile", PROFILES)
def test_a_line_without_an_end(profile: str) -> None:
    """Ten megabytes of it; what is kept of it stays small."""
    target = Target(profile)

    for _ in range(160):
        target.say(bytearray(b"A" * 65_536), 0.001)
    texts = [each for each in held_by(target.module) if isinstance(each, bytes | bytearray | memoryview)]
    assert sum(map(len, texts)) < KEPT_BYTES
    target.answers_after_reset()


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(list(PROFILES)), st.lists(st.binary(max_size=80), max_size=12))
def test_any_bytes(profile: str, writes: list[bytes]) -> None:
    target = Target(profile)
    for data in writes:
        target.say(data, 0.1)
    target.answers_after_reset()


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(list(PROFILES)),
    st.lists(st.tuples(st.sampled_from(sorted(PROFILES["4.1"].commands)), st.text(max_size=30)), max_size=8),
)
def test_any_arguments(profile: str, lines: list[tuple[str, str]]) -> None:
    target = Target(profile)
    for name, text in lines:
        target.say(f"{name if name.startswith('AT') else 'AT+' + name}={text}\r\n".encode(), 2.0)
    target.answers_after_reset()


@pytest.mark.parametrize("profile", PROFILES)
def test_escape_storm(profile: str) -> None:
    """In and out of passthrough and half a data phase, with every number of plus signs."""
    target = Target(profile)
    target.say(b'AT+CIPSTART="TCP","10.0.2.2",7\r\n', 5.0)
    for count in range(1, 12):
        for opening in (b"AT+CIPMODE=1\r\n", b"AT+CIPSEND\r\n", b"AT+CIPSEND=8\r\n", b"abc"):
            target.say(opening, 0.5)
            target.say(b"+" * count, 2.0)
    target.say(b"+++", 2.0)
    target.say(b"12345678", 2.0)
    target.say(b"+++", 2.0)
    assert re.search(rb"(OK|ERROR|busy p\.\.\.)\r\n", target.say(b"AT\r\nAT\r\nAT\r\n", 5.0))
    target.answers_after_reset()
