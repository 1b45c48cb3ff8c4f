"""How a statement of the document is checked.

A check is a line and the whole answer to it, with `|` for CR LF, or a pattern if it begins with `~`. What
comes before are lines that must succeed, and steps that begin with `@`:

`@fresh` (first)       the flash as shipped, no network; without it the module is joined
`@air` (first)         the same, with access points that have passwords
`@restart`, `@wake`    AT+RST or the end of a sleep, and echo off again
`@raw TEXT`            bytes without a line end, in Python's escapes
`@client PORT [TEXT]`  a client of the server connects, and sends TEXT
`@datagram PORT TEXT`  a datagram from another port than the peer's comes to that local port
`@type TEXT`           a letter each tenth of a second
`@phone`, `@button`    SmartConfig's phone is there, or the WPS button is pressed
`@station MAC`         a station joins the SoftAP
`@close`, `@pass S`    the newest peer closes; S seconds pass

A line that begins with `@raw ` is written as bytes; the answer to `@pass S` is what comes by itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from esp32sock.simulator.environment.radio import DEFAULT_ACCESS_POINTS, AccessPoint, Provisioning
from esp32sock.simulator.network.memory import TlsPeer
from tests.simulator.conftest import Bench

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

OK, ERROR, PROMPT = "|OK|", "|ERROR|", "|>"

GUARDED = AccessPoint("abc", "0123456789", bssid="ca:d7:19:d8:a6:44", channel=6, encryption=3)
SPECIAL = AccessPoint("ab\\,c", '0123456789"\\', bssid="ca:d7:19:d8:a6:45", channel=6, encryption=3)
COMPANY = AccessPoint("company", "secret88", bssid="ca:d7:19:d8:a6:46", channel=6, encryption=5)


@dataclass(frozen=True)
class Check:
    """A line and its answer, and what comes before."""

    line: str
    answer: str
    before: tuple[str, ...] = ()


@dataclass(frozen=True)
class Statement:
    """One sentence, note, range or default of the document, in our words."""

    section: str
    text: str
    checks: tuple[Check, ...] = ()
    unseen: str = ""
    """Why a serial line cannot show it; only without checks."""


def says(line: str, answer: str, *before: str) -> Check:
    return Check(line, answer, before)


def takes(*lines: str, before: Iterable[str] = ()) -> list[Check]:
    return [Check(line, OK, tuple(before)) for line in lines]


def refuses(*lines: str, before: Iterable[str] = ()) -> list[Check]:
    return [Check(line, ERROR, tuple(before)) for line in lines]


class Chapter:
    """Collects the statements of one section after the other."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []

    def __call__(self, section: str) -> Callable[..., None]:
        def state(text: str, *checks: Check | list[Check], unseen: str = "") -> None:
            flat = [one for each in checks for one in (each if isinstance(each, list) else [each])]
            self.statements.append(Statement(section, text, tuple(flat), unseen))

        return state


# Running


async def _silent(connection: Any) -> None:
    while await connection.receive():
        pass
    connection.close()


class Run:
    """One check under way on a module of its own."""

    def __init__(self, check: Check) -> None:
        before = list(check.before)
        first = before.pop(0) if before and before[0] in ("@fresh", "@air") else ""
        air = (GUARDED, SPECIAL, COMPANY) if first == "@air" else ()
        self._steps = before
        self.bench = Bench("doc-v1", joined=not first, access_points=(*DEFAULT_ACCESS_POINTS, *air))
        self.bench.network.answer_datagrams("10.0.2.2", 7006, lambda data: [b"from 7006: " + data])
        self.bench.network.listen("10.0.2.2", 7443, _silent, tls=TlsPeer())
        self.bench.say(b"ATE0\r\n")
        self._line = check.line

    def answer(self) -> str:
        for step in self._steps:
            self._do(step)
        return self._write(self._line).decode("latin-1").replace("\r\n", "|")

    def _write(self, line: str) -> bytes:
        if line.startswith("@pass "):
            said: bytes = self.bench.passes(float(line[6:]))
        elif line.startswith("@raw "):
            said = self.bench.say(line[5:].encode().decode("unicode_escape").encode("latin-1"))
        else:
            said = self.bench.say(line.encode() + b"\r\n")
        return said

    def _do(self, step: str) -> None:
        if not step.startswith("@"):
            said = self._write(step)
            assert b"\r\nOK\r\n" in said or said.endswith(b"\r\n>"), (step, said)
            return
        word, _, rest = step.partition(" ")
        network = self.bench.network
        match word:
            case "@restart":
                assert self.bench.say(b"AT+RST\r\n").startswith(b"\r\nOK\r\n")
                self.bench.do("ATE0")
            case "@wake":
                self.bench.passes(10)
                self.bench.do("ATE0")
            case "@raw" | "@pass":
                self._write(step)
            case "@type":
                for letter in rest:
                    self.bench.say(letter.encode(), within=0.1)
            case "@client":
                port, _, text = rest.partition(" ")

                async def client(connection: Any) -> None:
                    if text:
                        connection.send(text.encode())
                    await _silent(connection)

                assert network.connect(int(port), client)
                self.bench.passes(1)
            case "@datagram":
                port, _, text = rest.partition(" ")
                network.send_datagram(int(port), text.encode(), from_port=7006)
                self.bench.passes(1)
            case "@close":
                network.connections[-1].close()
                self.bench.passes(1)
            case "@phone":
                self.bench.module.firmware.board.radio.provisioning = Provisioning("Espressif", "")
            case "@button":
                radio = self.bench.module.firmware.board.radio
                radio.wps_access_point = radio.access_points[0]
            case "@station":
                self.bench.module.firmware.softap.join(rest)
                self.bench.passes(1)
            case _:
                raise ValueError(step)


def holds(check: Check) -> tuple[bool, str]:
    """Whether the module answers as the document says, and what it answers."""
    said = Run(check).answer()
    if check.answer.startswith("~"):
        return re.fullmatch(check.answer[1:], said, re.DOTALL) is not None, said
    return said == check.answer, said
