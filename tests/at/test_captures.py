"""What Espressif's firmware put on the wire, 1.0 to 4.2, through framing and session; `tests/data/captures`.
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from esp32sock.at.commands import Command, Raw, basic, tcpip
from esp32sock.at.events import (
    CommandDone,
    CommandFailed,
    LinkClosed,
    LinkFault,
    LinkOpened,
    ModuleRestarted,
    ModuleStuck,
    OrphanLink,
    UnknownText,
)
from esp32sock.at.firmware import Firmware
from esp32sock.at.state import LinkState
from tests.at.rig import Data, Rig, bytewise, chunk, whole

FOLDER = Path(__file__).parents[1] / "data" / "captures"
NAMES = """
    v201712-tcp-single v201712-duplex v201712-sweep
    v2.0-tcp-single v2.0-duplex v2.0-sweep v2.0-plus-plus-plus
    v3.2c3-tcp-single
    v4.1dev-tcp-single v4.1dev-tcp-failures v4.1dev-duplex v4.1dev-plus-plus-plus v4.1dev-already-connected
    v4.2dev-tcp-failures v4.2dev-mux v4.2dev-plus-plus-plus
""".split()
CHAPTERS = re.compile(r"(?:29|31|32|34|35|44) AT(?!.*CIPMODE=1)|duplex-")
STEP = re.compile(r" *[0-9.]+ (H>M|M>H) +(\d+) (.*)")


@dataclass
class Section:
    """One dialogue from a known state: H and M with bytes, in order."""

    name: str
    steps: list[tuple[str, bytes]] = field(default_factory=list)


def unescaped(text: str) -> bytes:
    marks = {b"r": b"\r", b"n": b"\n", b"\\": b"\\"}
    return re.sub(
        rb"\\(?:x([0-9a-f]{2})|([rn\\]))",
        lambda m: bytes.fromhex(m[1].decode()) if m[1] else marks[m[2]],
        text.encode("latin-1"),
    )


def load(name: str) -> list[Section]:
    """The TCP client's sections of a file; where sections only continue each other, they are one."""
    sections = [Section("all")]
    for line in gzip.decompress((FOLDER / f"esp-at-{name}.txt.gz").read_bytes()).decode("utf-8").splitlines():
        if line.startswith("## ") and "|" in line:
            sections.append(Section(line[3:].split(" (")[0]))
        elif "module restarted here, flash as shipped" in line:
            sections.append(Section(f"{sections[-1].name}, restarted"))
        elif match := STEP.match(line):
            data = unescaped(match[3])
            assert len(data) == int(match[2]), line[:60]
            sections[-1].steps.append((match[1][0], data))
    return [
        section for section in sections if section.steps and (section.name == "all" or CHAPTERS.match(section.name))
    ]


# ---- from lines to commands

ANSWERS = {
    "CIPSTATUS": (b"STATUS:", b"+CIPSTATUS:"),
    "GMR": (b"AT version:", b"SDK version:", b"compile time", b"Bin version"),
}


@dataclass(frozen=True, slots=True)
class Line(Raw):
    """A command line as it stands; only what begins with its name is its answer."""

    opened: int | None = None
    closed: int | None = None
    sent: bytes | None = None

    def takes(self, text: bytes) -> bool:
        name = re.match(r"AT\+(\w+)", self.text.decode("latin-1").upper())
        return name is not None and text.startswith(ANSWERS.get(name[1], (b"+%s:" % name[1].encode(),)))

    @property
    def opens(self) -> int | None:
        return self.opened

    @property
    def closes(self) -> int | None:
        return self.closed

    @property
    def payload(self) -> memoryview | None:
        return None if self.sent is None else memoryview(self.sent)


def command_of(rig: Rig, steps: list[tuple[str, bytes]], at: int) -> Command[Any]:
    line = steps[at][1].removesuffix(b"\r\n")
    mux = rig.session.demux.mux
    if match := re.match(rb'(?i)AT\+CIPSTART=(?:(\d),)?"(?:TCP|UDP|SSL)",', line):
        link_id = int(match[1] or 0)
        if (match[1] is not None) == mux and link_id < 5 and rig.link(link_id) is LinkState.FREE:
            return Line(line, opened=link_id)
    elif match := re.match(rb"(?i)AT\+CIPSEND(?:EX)?=(?!\?)", line):
        return Line(line, sent=payload_of(steps, at))
    elif match := re.fullmatch(rb"(?i)AT\+CIPCLOSE(?:=(\d))?", line):
        link_id = int(match[1] or 0)
        if (match[1] is not None) == mux and link_id < 5 and rig.link(link_id) is LinkState.OPEN:
            return Line(line, closed=link_id)
    return Line(line)


def payload_of(steps: list[tuple[str, bytes]], at: int) -> bytes:
    """What the recorder wrote at the prompt, as many bytes as the module counted."""
    written = b""
    for who, data in steps[at + 1 :]:
        if who == "M" and (match := re.search(rb"Recv (\d+) bytes", data)):
            return (written + bytes(int(match[1])))[: int(match[1])]
        if who == "M" and b"SEND Canceled" in data:
            return written or b"+++"
        if who == "H":
            written += data
    return written or b"+++"


# ---- the replay

COMMAND = re.compile(rb"(?i)AT[^\r\n]*\r\n")
RESULT = re.compile(rb"OK|ERROR|busy p\.\.\.|ERR CODE:0x\w+|SEND OK|>|Recv \d+ bytes")


@dataclass
class Replay:
    """A session on one section, and what the recorder did that a session would not."""

    rig: Rig
    out_of_turn: list[bytes] = field(default_factory=list)
    unexplained: list[object] = field(default_factory=list)
    _window: bytes = b""  # what was written out of turn since the last command
    _looked_at: int = 0

    def write(self, steps: list[tuple[str, bytes]], at: int) -> None:
        rig, data = self.rig, steps[at][1]
        if rig.written and rig.written[-1].startswith(data) and not COMMAND.fullmatch(data):
            rig.written[-1] = rig.written[-1][len(data) :]  # the session wrote the payload at its prompt
        elif rig.idle and COMMAND.fullmatch(data):
            self._window = b""
            rig.send(command_of(rig, steps, at))
            rig.written.clear()
        else:
            self.out_of_turn.append(data)
            self._window += data

    def look(self) -> None:
        """What a driver does with links that are gone and with a module that is up again."""
        rig = self.rig
        for event in rig.events[self._looked_at :]:
            if isinstance(event, LinkClosed):
                rig.session.links.release(event.link_id)
            if isinstance(event, ModuleRestarted):
                rig.session.set_up()
            if isinstance(event, UnknownText | LinkFault | OrphanLink | ModuleStuck) and not self._excused(event):
                self.unexplained.append(event)
        self._looked_at = len(rig.events)

    def _excused(self, event: object) -> bool:
        """Whether it only answers, or repeats, what was written out of turn."""
        text = event.text if isinstance(event, UnknownText) else b""
        if isinstance(event, LinkFault):
            text = event.reason.split("'")[1].encode()
        return bool(self._window) and (RESULT.fullmatch(text) is not None or text in self._window)


def state_by_title(name: str) -> tuple[tuple[int, ...], bool]:
    """The links and the mode a section begins with, where it does not show how they came about."""
    if "state:" not in name:
        return (), False
    links = (0, 1) if "links 0 and 1 open" in name else (0,) if "one" in name else ()
    return links, "CIPMUX=1" in name


def joined_lines(steps: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """A command that was typed in two pieces is written in one; its echo comes in pieces all the same."""
    done = list(steps)
    for at, (who, data) in enumerate(steps):
        if who == "H" and re.fullmatch(rb"AT\+[A-Z]+", data):
            rest = next(n for n in range(at + 1, len(steps)) if steps[n][0] == "H")
            done[at], done[rest] = ("H", data + steps[rest][1]), ("H", b"")
    return done


def replay(section: Section, cut: Any) -> Replay:
    links, mux = state_by_title(section.name)
    shown = any(b"AT+CIPMUX=1" in data for who, data in section.steps if who == "H")
    rig = Rig.ready(links=() if shown else links, mux=mux and not shown, echo=True)
    result = Replay(rig)
    steps, held = joined_lines(section.steps), -1
    for at, (who, data) in enumerate(steps):
        if who == "H" and data:
            if not rig.idle and rig.session.demux.pending_text() and COMMAND.fullmatch(data):
                held = at  # written when the result was there, but for its line end
            else:
                result.write(steps, at)
        elif who == "M":
            while held >= 0 and data:
                rig.feed(data[:1])
                data = data[1:]
                if rig.idle:
                    result.look()
                    result.write(steps, held)
                    held = -1
            rig.feed_pieces(cut(data))
            result.look()
    return result


@pytest.mark.parametrize("name", NAMES)
def test_x(name: str) -> None:
    for section in load(name):
        r = replay(section, whole)
        fails = [e for e in r.rig.events if isinstance(e, CommandFailed) and str(e.error).split(": ")[-1].split(" (")[0] not in ("the module answered ERROR",)]
        rs = [e for e in r.rig.events if isinstance(e, ModuleRestarted)]
        if r.unexplained or r.out_of_turn or not r.rig.idle or fails or rs:
            print("XX", name, section.name, r.rig.idle)
            for e in r.unexplained[:12]: print("XX   ", str(e)[:160])
            for e in fails: print("XX   ", e.command.text, e.error)
            print("XX   ", rs)
            print("XX   oot", [o[:30] for o in r.out_of_turn])
