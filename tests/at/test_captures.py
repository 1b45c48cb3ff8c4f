"""What Espressif's firmware put on the wire, 1.0 to 4.2, through framing and session; `tests/data/captures`.

Replayed are the files and sections of a TCP client (CHAPTERS of the sweeps are CIPSTATUS, CIPSTART, CIPSEND,
CIPCLOSE, CIFSR and CIPDINFO). What the module printed is fed; what the recorder wrote is sent, as a command
that takes nothing but lines of its own name for an answer, with the payload that was written at its prompt.
The clock stands still: how long an emulator took says nothing.

Not a line may be left over but what is listed here: the log text of 1.0, and what answers or repeats bytes
that the recorder wrote out of turn, to see what happens.
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from esp32sock.at.commands import Command, Raw
from esp32sock.at.events import (
    CommandDone,
    CommandFailed,
    LinkClosed,
    LinkFault,
    LinkOpened,
    ModuleRestarted,
    ModuleSilent,
    OrphanLink,
    UnknownText,
)
from esp32sock.at.state import LinkState
from esp32sock.errors import ModuleReset
from tests.at.harness import IPD, Data, SessionHarness, whole

FOLDER = Path(__file__).parents[1] / "data" / "captures"
NAMES = [
    *("v201712-tcp-single", "v201712-duplex", "v201712-sweep"),
    *("v2.0-tcp-single", "v2.0-duplex", "v2.0-sweep", "v2.0-plus-plus-plus"),
    "v3.2c3-tcp-single",
    *("v4.1dev-tcp-single", "v4.1dev-tcp-failures", "v4.1dev-duplex"),
    *("v4.1dev-plus-plus-plus", "v4.1dev-already-connected"),
    *("v4.2dev-tcp-failures", "v4.2dev-mux", "v4.2dev-plus-plus-plus"),
]
CHAPTERS = re.compile(r"(?:29|31|32|34|35|44) AT(?!.*CIPMODE=1)|duplex-")
STEP = re.compile(r" *[0-9.]+ (H>M|M>H) +(\d+) (.*)")


@dataclass
class Section:
    """One dialogue from a known state: H and M with bytes, in order."""

    name: str
    lines: list[tuple[str, str, int]] = field(default_factory=list)
    steps: list[tuple[str, bytes]] = field(default_factory=list)

    def read(self) -> Section:
        for who, text, length in self.lines:
            data = unescaped(text)
            assert len(data) == length, text[:60]
            self.steps.append((who, data))
        return self


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
            sections.append(Section(line[3:]))
        elif "module restarted here, flash as shipped" in line:
            sections.append(Section(f"{sections[-1].name}, restarted"))
        elif match := STEP.match(line):
            sections[-1].lines.append((match[1][0], match[3], int(match[2])))
    return [one.read() for one in sections if one.lines and (one.name == "all" or CHAPTERS.match(one.name))]


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

    @property
    def is_secret(self) -> bool:
        """The passwords of the captures are everybody's."""
        return False

    def matches_line(self, text: bytes) -> bool:
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


def command_of(harness: SessionHarness, steps: list[tuple[str, bytes]], at: int) -> Command[Any]:
    line = steps[at][1].removesuffix(b"\r\n")
    mux = harness.session.demux.mux
    if match := re.match(rb'(?i)AT\+CIPSTART=(?:(\d),)?"(?:TCP|UDP|SSL)",', line):
        link_id = int(match[1] or 0)
        if (match[1] is not None) == mux and link_id < 5 and harness.link(link_id) is LinkState.FREE:
            return Line(line, opened=link_id)
    elif match := re.match(rb"(?i)AT\+CIPSEND(?:EX)?=(?!\?)", line):
        return Line(line, sent=payload_of(steps, at))
    elif match := re.fullmatch(rb"(?i)AT\+CIPCLOSE(?:=(\d))?", line):
        link_id = int(match[1] or 0)
        if (match[1] is not None) == mux and link_id < 5 and harness.link(link_id) is LinkState.OPEN:
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

    harness: SessionHarness
    out_of_turn: list[bytes] = field(default_factory=list)
    unexplained: list[object] = field(default_factory=list)
    _window: bytes = b""  # what was written out of turn since the last command
    _mixed: bytes = b""  # with what it left in the module's line buffer in front
    _looked_at: int = 0

    def write(self, steps: list[tuple[str, bytes]], at: int) -> None:
        harness, data = self.harness, steps[at][1]
        if harness.written and harness.written[-1].startswith(data) and not COMMAND.fullmatch(data):
            harness.written[-1] = harness.written[-1][
                len(data) :
            ]  # the session wrote the payload at its prompt
        elif harness.idle and COMMAND.fullmatch(data):
            self._mixed = self._window.rpartition(b"\r\n")[2] + data if self._window else b""
            self._window = b""
            harness.send(command_of(harness, steps, at))
            harness.written.clear()
        else:
            self.out_of_turn.append(data)
            self._window += data

    def look(self) -> None:
        """What a driver does with links that are gone and with a module that is up again."""
        harness = self.harness
        for event in harness.events[self._looked_at :]:
            links = harness.session.links
            if isinstance(event, LinkClosed) and links[event.link_id].generation == event.generation:
                links.release(event.link_id)
            if isinstance(event, ModuleRestarted):
                harness.session.set_up()
            if isinstance(event, UnknownText | LinkFault | OrphanLink | ModuleSilent) and not self._excused(
                event
            ):
                self.unexplained.append(event)
        self._looked_at = len(harness.events)

    def _excused(self, event: object) -> bool:
        """Whether it only answers, or repeats, what was written out of turn."""
        text = event.text if isinstance(event, UnknownText) else b""
        if isinstance(event, LinkFault):
            text = event.reason.split("'")[1].encode()
        if self._mixed.startswith(text) and len(text) > 1:
            return True
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
        if who == "H" and data == b"AT+CIP":
            rest = next(n for n in range(at + 1, len(steps)) if steps[n][0] == "H")
            done[at], done[rest] = ("H", data + steps[rest][1]), ("H", b"")
    return done


def replay(section: Section, cut: Any) -> Replay:
    links, mux = state_by_title(section.name)
    shown = any(b"AT+CIPMUX=1" in data for who, data in section.steps if who == "H")
    harness = SessionHarness.ready(links=() if shown else links, mux=mux and not shown, echo=True)
    result = Replay(harness)
    steps, held = joined_lines(section.steps), -1
    for at, (who, data) in enumerate(steps):
        if who == "H" and data:
            if not harness.idle and harness.session.demux.pending_text() and COMMAND.fullmatch(data):
                held = at  # written when the result was there, but for its line end
            else:
                result.write(steps, at)
        elif who == "M":
            while held >= 0 and data:
                harness.feed(data[:1])
                data = data[1:]
                if harness.idle:
                    result.look()
                    result.write(steps, held)
                    held = -1
            harness.feed_pieces(cut(data))
            result.look()
    return result


# ---- what must come of it

LOG_OF_1_0 = re.compile(
    rb"\x1b\[0;3[1-3]m[EWI] \(\d+\) .*\x1b\[0m"  # of IDF and its boot loader
    rb"|(?:ets Jul|rst:0x|configsip: |clk_drv:|mode:DIO|load:0x|ho \d|entry 0x).*"  # of the ROM
    rb"|(?:Guru Meditation|Register dump|PC  |A2  |A6  |A10 |A14 |EXCVADDR|Backtrace|Rebooting).*",
    re.DOTALL,
)
"""The only text that is not understood: in these builds of 1.0 the AT is on the port of the log. There is
boot text where 34 AT+CIPCLOSE=-1 crashed it, elsewhere only the line that goes with WIFI GOT IP."""

LEFT_OUT = {
    (
        "v201712-duplex",
        "duplex-five",
    ): "from the first \\x00 on, pieces of the transmit queue's own headers stand "
    "in the stream, says the capture: what that does is test_a_stream_with_foreign_bytes_in_it",
    ("v2.0-sweep", "32 AT+CIPSEND | state: SoftAP"): "begins with the OK of a line of the section before",
}

# Written by the recorder and never by a session: while a command runs, too much, too early, in pieces.
# Only what answers or repeats it is excused.
OUT_OF_TURN: dict[tuple[str, str], list[bytes]] = {
    ("v201712-tcp-single", "all"): [
        b"abcdefAT\r\n",
        b"short\\0",
        b"abAT+CIPSEND=2\r\n",
        b"cd",
        b"D" * 2048 + b"AT\r\n",
    ],
    ("v201712-duplex", "duplex-fails"): [b"AT\r\n", b"AT+CIPCLOSE=1\r\n"],
    ("v201712-duplex", "duplex-stall"): [b"AT+CIPCLOSE=0\r\n"],
    ("v201712-sweep", "32 AT+CIPSEND | argument sweep"): [b"AT+CIPSEND?\r\n", b"AT+CIPSEND\r\n"],
    ("v201712-sweep", "32 AT+CIPSEND | argument sweep, restarted"): [
        b"AT+CWMODE=1\r\n",
        b'AT+CWJAP="Espressif",""\r\n',
        b"AT+CIPSEND=5\r\n",
    ],
    ("v201712-sweep", "34 AT+CIPCLOSE | argument sweep"): [b"AT+CIPCLOSE?\r\n", b"AT+CIPCLOSE\r\n"],
    ("v201712-sweep", "34 AT+CIPCLOSE | argument sweep, restarted"): [
        b"AT+CIPSTATUS\r\n",
        b"AT+CIPCLOSE=a\r\n",
    ],
    ("v2.0-tcp-single", "all"): [b"abcdefAT\r\n"],
    ("v2.0-duplex", "duplex-fails"): [b"AT\r\n", b"AT+CIPCLOSE=1\r\n"],
    ("v2.0-duplex", "duplex-fast"): [
        *(line for n in range(6) for line in (b"AT+CIPSEND=0,5\r\npay%02d" % n, b"again")),
        b"AT\r\nAT+CIPMUX?\r\nAT+CIPSTATUS\r\nAT+CIPDINFO?\r\nAT\r\nAT\r\nAT+GMR\r\nAT\r\nAT+CIPMODE?\r\nAT\r\n",
        b"AT+CIPCLOSE=0\r\nAT+CIPSTATUS\r\n",
    ],
    ("v2.0-plus-plus-plus", "all"): [b"x"],
    ("v3.2c3-tcp-single", "all"): [b"abcdefAT\r\n"],
    ("v4.1dev-tcp-single", "all"): [
        b"abcdefAT\r\n",
        b"short\\0",
        b"abAT+CIPSEND=2\r\n",
        b"cd",
        b"D" * 2048 + b"AT\r\n",
    ],
    ("v4.1dev-tcp-failures", "all"): [b"AT\r\n"],
    ("v4.1dev-plus-plus-plus", "all"): [b"x"],
    ("v4.1dev-already-connected", "all"): [b"AT+CWJAP?\r\n", b'AT+CWJAP="Espressif",""\r\n'],
    ("v4.2dev-tcp-failures", "all"): [b"AT\r\n"],
    ("v4.2dev-plus-plus-plus", "all"): [b"x"],
}

# Where a command has no result at the end: the recording was cut, or the module was restarted by hand.
UNFINISHED = {
    ("v3.2c3-tcp-single", "all"),
    ("v201712-sweep", "32 AT+CIPSEND | argument sweep"),
    ("v201712-sweep", "34 AT+CIPCLOSE | argument sweep"),
    ("v201712-sweep", "34 AT+CIPCLOSE | argument sweep, restarted"),
}


def pieces(seed: int) -> Any:
    """Cuts at random, mostly small."""
    random = Random(seed)

    def cut(data: bytes) -> list[bytes]:
        found, at = [], 0
        while at < len(data):
            size = random.choice((1, 2, 3, 10, 100, 1000))
            found.append(data[at : at + size])
            at += size
        return found

    return cut


CUTS = [
    pytest.param(whole, id="whole"),
    *(pytest.param(pieces(seed), id=f"pieces {seed}") for seed in range(3)),
]


def short(section: Section) -> str:
    """Its name without how the state came about."""
    if section.name.startswith("duplex-"):
        return section.name.split(" | ")[0]
    return re.sub(r" \((?:fresh boot|follows on|state as).*?\)", "", section.name)


def sections_of(name: str) -> list[Section]:
    left_out = tuple(begin for capture, begin in LEFT_OUT if capture == name)
    return (
        [section for section in load(name) if not section.name.startswith(left_out)]
        if left_out
        else load(name)
    )


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", NAMES)
def test_everything_is_understood(name: str, cut: Any) -> None:
    out_of_turn, unfinished = {}, set()
    for section in sections_of(name):
        result = replay(section, cut)
        assert [event for event in result.unexplained if not is_log_of_1_0(name, event)] == [], section.name
        if result.out_of_turn:
            out_of_turn[name, short(section)] = result.out_of_turn
        if not result.harness.idle:
            unfinished.add((name, short(section)))
    assert out_of_turn == {key: value for key, value in OUT_OF_TURN.items() if key[0] == name}
    assert unfinished == {key for key in UNFINISHED if key[0] == name}


def is_log_of_1_0(name: str, event: object) -> bool:
    return (
        name.startswith("v201712")
        and isinstance(event, UnknownText)
        and bool(LOG_OF_1_0.fullmatch(event.text))
    )


@pytest.mark.parametrize("name", NAMES)
def test_commands_end_as_the_module_said(name: str) -> None:
    """Every result that was printed is the result of a command, in this order, and there are no others."""
    for section in sections_of(name):
        result = replay(section, whole)
        if result.out_of_turn or (name, short(section)) in UNFINISHED:
            continue
        said = re.findall(
            rb"(?:^|\r\n)(OK|ERROR|SEND OK|SEND FAIL|SEND Canceled)(?=\r\n(?!\r\n>))", text_of(section)
        )
        ended = [
            b"OK" if event.command.payload is None else b"SEND OK"
            for event in result.harness.events
            if isinstance(event, CommandDone)
        ]
        assert sorted(word for word in said if word in (b"OK", b"SEND OK")) == sorted(ended), section.name
        failed = [event for event in result.harness.events if isinstance(event, CommandFailed)]
        restarts = [event for event in failed if isinstance(event.error, ModuleReset)]
        assert len(failed) - len(restarts) == len(said) - len(ended), section.name


def text_of(section: Section) -> bytes:
    """What the module printed, payload taken out."""
    said = b"".join(data for who, data in section.steps if who == "M")
    kept, at = b"", 0
    while header := IPD.search(said, at):
        kept += said[at : header.start()]
        at = header.end() + int(header[1])
    return kept + said[at:]


# ---- the payload is what the peers sent

TEXT = b"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOP"


def records(tag: bytes, length: int) -> bytes:
    """What the peers of the duplex scenarios send."""
    return b"".join(b"<%s %08d>%s" % (tag, number, TEXT) for number in range(length // 60))[:length]


def payload_by_owner(harness: SessionHarness) -> dict[tuple[int, int], bytes]:
    found: dict[tuple[int, int], bytes] = {}
    generation = dict.fromkeys(range(5), 0)
    for event in harness.events:
        if isinstance(event, LinkOpened):
            generation[event.link_id] = event.generation
        if isinstance(event, Data):
            key = event.link_id, generation[event.link_id]
            found[key] = found.get(key, b"") + event.payload
    return found


@pytest.mark.parametrize("cut", CUTS)
def test_five_links_at_once_on_2_0(cut: Any) -> None:
    """Every link gets the 20000 and then 8000 bytes of its own peer."""
    (section,) = [one for one in load("v2.0-duplex") if one.name.startswith("duplex-five")]
    received = payload_by_owner(replay(section, cut).harness)
    assert received == {
        (link_id, 1): records(b"L%d" % link_id, 20000) + records(b"M%d" % link_id, 8000)
        for link_id in range(5)
    }


@pytest.mark.parametrize("name", ["v2.0-duplex", "v201712-duplex"])
def test_full_duplex(name: str) -> None:
    (section,) = [one for one in load(name) if one.name.startswith("duplex-same")]
    harness = replay(section, whole).harness
    payload = payload_by_owner(harness)[0, 1]
    assert payload == records(b"dn", 2920 if name == "v2.0-duplex" else 100_000)  # 2.0 stalls: known-bugs 12
    sent = [event for event in harness.events if isinstance(event, CommandDone) and event.command.payload]
    assert len(sent) == 40


def test_what_echo_servers_return_is_what_was_sent() -> None:
    for name in ("v201712-tcp-single", "v2.0-tcp-single", "v3.2c3-tcp-single", "v4.1dev-tcp-single"):
        (section,) = load(name)
        payload = payload_by_owner(replay(section, whole).harness)[0, 1]
        expected = b"hellox" + b'AT\r\n\x00\x01\xff"\\,+IPD,3' + b"abcabcdef" + b"D" * 2048
        assert payload.startswith(expected), name


def test_a_stream_with_foreign_bytes_in_it() -> None:
    """On 1.0 with five links: every link whose blocks were lengthened is reported, and nothing raises."""
    (section,) = [one for one in load("v201712-duplex") if one.name.startswith("duplex-five")]
    result = replay(section, whole)
    faulty = {event.link_id for event in result.harness.events if isinstance(event, LinkFault)}
    for (link_id, _), payload in payload_by_owner(result.harness).items():
        assert link_id in faulty or b"\0" not in payload
    unknown = [
        e.text for e in result.unexplained if isinstance(e, UnknownText) and not LOG_OF_1_0.fullmatch(e.text)
    ]
    assert all(b"\0" in text for text in unknown)
