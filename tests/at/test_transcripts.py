"""Recorded dialogues from the field, replayed through framing and session; `tests/data/transcripts`.

Each says in its header where it comes from. What the host wrote is parsed into commands and sent, what the
module printed is fed, line by line and byte by byte, and no error may come out that is not in the transcript.
Replayed is everything but passthrough, which the session does not speak yet: 10 (as server), 11 (UDP) and
31 (TCP). UDP, SSL and server links are opened by a raw CIPSTART or by the module, and read like any other.
37 and 38 cannot be parsed reliably: they must end in an error on that link, and in nothing worse.

Where the source left payload out, bytes are filled in to the announced length. Line ends are added by the
rules of each header: `crlf: explicit` shows every byte, else a line is a line and `>` is the prompt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from esp32sock.at.commands import Command, Raw, basic, tcpip, wifi
from esp32sock.at.events import (
    CommandDone,
    CommandFailed,
    LinkClosed,
    LinkFault,
    ModuleRestarted,
    ModuleSilent,
    OrphanLink,
    UnknownText,
)
from esp32sock.at.firmware import Firmware
from esp32sock.at.state import CommandState, LinkState
from esp32sock.errors import CommandError
from tests.at.harness import Data, SessionHarness, assert_polite, bytewise, chunk, whole

FOLDER = Path(__file__).parents[1] / "data" / "transcripts"
FILES = sorted(FOLDER.glob("*.txt"))


# ---- reading a transcript


@dataclass
class Transcript:
    """What was said, in order: H and M with bytes, # with a remark."""

    name: str
    header: dict[str, str]
    steps: list[tuple[str, bytes]]


def load(path: Path) -> Transcript:
    lines = path.read_text("utf-8").splitlines()
    body = next(number for number, line in enumerate(lines) if line == "#" or not line.startswith("#"))
    header = dict(line[2:].split(": ", 1) for line in lines[:body])
    explicit = header["crlf"] == "explicit"
    steps = []
    for line in lines[body:]:
        who, text = line[:1], line[2:]
        if who == "#":
            steps.append(("#", text.encode()))
        elif explicit:
            steps.append(("H" if who == ">" else "M", unescaped(text)))
        elif who == ">":
            steps.append(("H", text.encode() + (b"\r\n" if text.startswith("AT") else b"")))
        else:
            steps.append(("M", b">" if text == ">" else b"> " if text == "> " else text.encode() + b"\r\n"))
    return Transcript(path.stem[:2], header, filled_in(steps, explicit=explicit))


def unescaped(text: str) -> bytes:
    raw = text.encode("latin-1")
    marks = {b"r": b"\r", b"n": b"\n", b"\\": b"\\"}
    return re.sub(
        rb"\\(?:x([0-9a-f]{2})|([rn\\]))",
        lambda m: bytes.fromhex(m[1].decode()) if m[1] else marks[m[2]],
        raw,
    )


ADDRESS = rb'(?:,"?[0-9.]+"?,\d+)?'
HEADER = re.compile(
    rb"\+IPD,(?:\d,)?(\d+)" + ADDRESS + rb":|\+CIPRECVDATA:(\d+)(?:,\"[0-9.]+\",\d+)?,", re.DOTALL
)
LEFT_OUT = re.compile(rb"^\[\d+ bytes.*\]|\[\xe2\x80\xa6\]")
FOREIGN_BYTES = {b"\r\n+IPD,2920:": len(b"delete\r\n")}
"""Of 38: what a debug word has added to a block does not count to its length; 2.0 ends blocks in CR LF."""


def filled_in(steps: list[tuple[str, bytes]], *, explicit: bool) -> list[tuple[str, bytes]]:
    """The same with every block as long as its header says."""
    done: list[tuple[str, bytes]] = []
    missing, end = 0, b"" if explicit else b"\r\n"
    for who, data in steps:
        if missing and who == "M" and len(data) <= missing:
            missing -= len(data)  # the text of the payload goes on
            done.append((who, data))
            continue
        if missing and (who != "#" or LEFT_OUT.search(data)):
            done.append(("M", b"x" * missing + end))
            missing = 0
        header = HEADER.search(data) if who == "M" else None
        if header:
            length = int(header[1] or header[2])
            payload = data[header.end() :]
            if LEFT_OUT.search(payload):
                payload = b"x" * length + end
            elif not explicit and len(payload) == length + 1:
                payload = payload.removesuffix(end) + b"\n" + end  # the line feed belongs to it
            data = data[: header.end()] + payload
            missing = max(0, length - len(payload))
            if data in FOREIGN_BYTES:
                missing, end = missing + FOREIGN_BYTES[data], b"\r\n"
        done.append((who, data))
    if missing:
        done.append(("M", b"x" * missing + end))
    return done


# ---- from lines to commands


@dataclass(frozen=True, slots=True)
class Start(Raw):
    """A CIPSTART of any kind."""

    @property
    def opens(self) -> int | None:
        match = re.match(rb"AT\+CIPSTART=(\d)", self.text)
        return int(match[1]) if match else 0

    def matches_line(self, text: bytes) -> bool:
        return False


def strings(line: bytes) -> list[str]:
    """The quoted parameters, unescaped by the firmware's rule."""
    found = re.findall(r'"((?:\\.|[^"\\])*)"', line.decode())
    return [re.sub(r"\\(.)", r"\1", text) for text in found]


def command_of(line: bytes, payload: bytes) -> Command[Any]:
    """The command that puts this line on the wire."""
    numbers = [int(number) for number in re.findall(rb"(?<=[=,])\d+(?=,|$)", line)]
    candidates: list[Command[Any]] = [
        basic.Test(),
        basic.Echo(on=False),
        basic.Version(),
        basic.Restart(),
        basic.Uart(),
        wifi.Mode(),
        wifi.Joined(),
        wifi.OwnAddresses(),
        tcpip.Links(),
        tcpip.SetMultiplexed(on=line.endswith(b"1")),
        tcpip.ShowPeer(on=line.endswith(b"1")),
    ]
    if line.startswith(b"AT+CWMODE="):
        candidates.append(wifi.SetMode(wifi.WifiMode(numbers[0])))
    if line.startswith(b"AT+CWJAP="):
        candidates.append(wifi.Join(*strings(line)))
    if line.startswith(b"AT+CIPSTART=") and b'"TCP"' in line:
        with_id = line[12:13].isdigit()
        candidates.append(
            tcpip.OpenTcp(numbers[0] if with_id else None, strings(line)[1], *numbers[1 if with_id else 0 :])
        )
    elif line.startswith(b"AT+CIPSTART="):
        candidates.append(Start(line))
    if line.startswith(b"AT+CIPSEND="):
        link_id = numbers[0] if len(numbers) > 1 else None
        candidates.append(tcpip.Send(link_id or 0, chunk(link_id, payload)))
    if line.startswith(b"AT+CIPCLOSE"):
        candidates.append(tcpip.Close(numbers[0] if numbers else None))
    typed = [command for command in candidates if command.line(Firmware()) == line]
    return typed[0] if typed else Raw(line)


def payload_of(steps: list[tuple[str, bytes]], at: int) -> bytes:
    """What the host sends behind the prompt of this CIPSEND; made up where the source does not show it."""
    length = int(steps[at][1].split(b",")[-1].split(b"=")[-1])
    for who, data in steps[at + 1 :]:
        if who == "H":
            return data if not data.startswith(b"AT") else b"x" * length
    return b"x" * length


# ---- what must come of it


@dataclass
class Expected:
    """The errors that the transcript contains, what is not understood in it, and how it begins."""

    errors: list[str] = field(default_factory=list)
    unknown: list[bytes] = field(default_factory=list)
    links: tuple[int, ...] = ()  # open before it begins
    peer: bool = False  # CIPDINFO=1 was set before it begins
    strips_ok: bool = False  # the source does not show OK
    busy_host: bool = False  # the host writes lines while a command runs, which the session never does
    probing: bool = False  # the module is not set up yet
    unshown: tuple[bytes, bytes] = (b"", b"")  # in front of this the module must have said that


JOIN_17 = 'AT+CWJAP="AP-1","********": ERROR'
OPEN_21 = 'AT+CIPSTART=1,"TCP","94.230.210.85",80: ERROR'
FLASH = b"clk_drv:0x00,q_drv:0x00,d_drv:0x00,cs0_drv:0x00,hd_drv:0x00,wp_drv:0x00"
BOOT = b"rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)"

TABLE: dict[str, Expected] = {
    "02": Expected(links=(0,)),
    "04": Expected(links=(0,), unshown=(b"+IPD,0,405", b"0,CONNECT\r\n")),
    "05": Expected(links=(0,), peer=True),
    "06": Expected(links=(4,)),
    "07": Expected(peer=True),
    "08": Expected(["AT+CIPRECVDATA=0,29: ERROR"]),
    "09": Expected(
        ["AT+CIPRECVDATA=0,31: ERROR"], links=(0,), peer=True, unshown=(b"second recording", b"0,CONNECT\r\n")
    ),
    "12": Expected(unknown=[b"local port:2390", b"change type:2"]),
    "13": Expected(["AT+CIPCLOSE=0: the module restarted by itself", "restarted"]),
    "16": Expected(['AT+CWJAP="xxx","xxx@SINO789": ERROR'], busy_host=True),
    "17": Expected([JOIN_17, JOIN_17], probing=True),
    "18": Expected(["AT+CIPSEND=0,495: nothing in its data phase", "stuck"], links=(0,), strips_ok=True),
    "20": Expected(links=(1,), peer=True),
    "21": Expected([OPEN_21, OPEN_21], links=(1,)),
    "22": Expected(
        [
            *["ATE0: nothing in time"] * 3,
            "AT: ERROR",
            "ATE0: ERROR",
            "AT+UART_CUR=9600,8,1,0,0: nothing in time",
        ],
        [b"ATE0ATE0ATE0AT"],
        probing=True,
    ),
    "23": Expected(
        unknown=[
            b"\xffets Jun  8 2016 00:22:57",
            BOOT,
            b"configsip: 0, SPIWP:0xee",
            FLASH,
            b"mode:DIO, clock div:2",
            b"load:0x3fff0018,len:4",
            b"load:0x3fff001c,len:6248",
            b"load:0x40078000,len:10168",
            b"load:0x40080400,len:6468",
            b"entry 0x40080758",
            b"\xfe",
        ],
        probing=True,
    ),
    "24": Expected(
        unknown=[
            b"ets Jun  8 2016 00:22:57",
            BOOT,
            b"ets Jun  8 2016 00:22:57",
            b"rst:0x10 (RTCWDT_RTC_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)",
            b"configsip: 0, SPIWP:0x00",
            FLASH,
            b"mode:DIO, clock div:2",
            b"load:0x3fff0008,len:8",
            b"load:0x3fff0010,len:3464",
            b"load:0x40078000,len:7800",
            b"load:0x40080000,len:252",
            b"entry 0x40080034",
        ],
        probing=True,
    ),
    "25": Expected(strips_ok=True),
    "26": Expected(probing=True),
    "29": Expected(["AT+FAKE: ERROR", "AT+FAKE: ERROR"]),
    "30": Expected(
        [
            "AT+CIPSNTPCFG=1,8: ERROR",
            "AT+CIPSSLCCONF=2: ERROR",
            'AT+CIPSTART=0,"SSL","host.example",443: ERROR',
        ]
    ),
    "32": Expected(["AT+CIPSEND=0,10: SEND FAIL"], [b"SEND OK"], links=(0,)),
    "33": Expected(unknown=[b"+SYSRAM:45588,39128", b"OK"]),  # to a command that is not shown
    "36": Expected(["AT+CERTADD: ERROR", "AT+SSLx=?: ERROR"]),
    "37": Expected(["link 1 is an orphan"], [b"AT+CIPSEND=0,1,CONNECT", b"98"]),
    "38": Expected(["link 0 is faulty"], links=(0,)),
}
"""What is not in it has no error and is understood to the last line."""


def error_of(event: object) -> str | None:
    """In short, what is an error among the events."""
    match event:
        case CommandFailed():
            line = event.command.line(Firmware()).decode()
            why = (
                event.error.result
                if isinstance(event.error, CommandError)
                else str(event.error).split(" (")[0]
            )
            return f"{line}: {why}"
        case LinkFault():
            return f"link {event.link_id} is faulty"
        case OrphanLink():
            return f"link {event.link_id} is an orphan"
        case LinkClosed() if event.error is not None:
            return f"link {event.link_id} was lost"
        case ModuleRestarted() if not event.expected:
            return "restarted"
        case ModuleSilent():
            return "stuck"
    return None


WITH_IDS = re.compile(
    rb"AT\+CIP(?:SEND|START)=\d,|AT\+CIPMUX=1|\+IPD,\d,\d|\d,C(?:ONNECT|LOSED)|RECVLEN:\d+,"
)


def give_back(harness: SessionHarness) -> None:
    """As a driver does with a link that was closed, before its id is used again."""
    for link_id in range(len(harness.session.links)):
        if harness.link(link_id) is LinkState.PEER_CLOSED:
            harness.session.links.release(link_id)


def replay(transcript: Transcript, expected: Expected, cut: Any) -> SessionHarness:
    steps = transcript.steps
    mux = any(WITH_IDS.search(data) for who, data in steps if who != "#")
    echo = not transcript.header["echo"].startswith("off")
    harness = (
        SessionHarness(mux=mux)
        if expected.probing
        else SessionHarness.ready(links=expected.links, mux=mux, echo=echo)
    )
    harness.session.demux.recvdata_has_peer = expected.peer
    for at, (who, data) in enumerate(steps):
        before, unshown = expected.unshown
        if before and before in data:
            harness.feed(unshown)
        if who == "M":
            harness.feed_pieces(cut(data))
        elif who == "H" and data.startswith(b"AT"):
            if not harness.idle and expected.busy_host:
                continue
            if expected.strips_ok and harness.session.command.state is CommandState.AWAIT_RESULT:
                harness.feed(b"OK\r\n")
            while not harness.idle and harness.session.next_deadline() < float("inf"):
                harness.wait(harness.session.next_deadline() - harness.now)
            if not harness.idle:
                return harness  # stuck: a driver would restart the module now
            line = data.removesuffix(b"\r\n")
            give_back(harness)
            if line.startswith(b"AT+CIPRECVDATA"):
                harness.session.demux.expect_recvdata(int(line.split(b"=")[1].split(b",")[0]) if mux else 0)
            is_send = line.startswith(b"AT+CIPSEND=")
            harness.send(command_of(line, payload_of(steps, at) if is_send else b""))
    return harness


def lines_of(transcript: Transcript) -> list[bytes]:
    said = b"".join(data for who, data in transcript.steps if who == "M")
    return [line for line in said.split(b"\r\n") if line]


@pytest.mark.parametrize("cut", [whole, bytewise], ids=["whole", "bytewise"])
@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_replay(path: Path, cut: Any) -> None:
    transcript = load(path)
    expected = TABLE.get(transcript.name, Expected())
    harness = replay(transcript, expected, cut)
    assert [error for event in harness.events if (error := error_of(event))] == expected.errors
    assert [event.text for event in harness.events if isinstance(event, UnknownText)] == expected.unknown
    if not expected.probing:  # a probe says the same again
        assert_polite(harness.wire)


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_the_errors_are_in_the_transcript(path: Path) -> None:
    """All but those of what the source says was never answered, and of the two that cannot be parsed."""
    transcript = load(path)
    lines = lines_of(transcript)
    errors = TABLE.get(transcript.name, Expected()).errors
    for word in (b"ERROR", b"SEND FAIL"):
        assert sum(error.endswith(f": {word.decode()}") for error in errors) == lines.count(word)
    assert ("restarted" in errors) <= (b"ready" in lines)
    if transcript.name not in ("18", "22", "37", "38"):
        assert not any("nothing" in error or "link" in error or "stuck" in error for error in errors)


def test_what_the_peers_sent_arrives() -> None:
    """A few by hand, so that the replay itself is known to do what it should."""
    payload = {}
    for path in FILES:
        transcript = load(path)
        harness = replay(transcript, TABLE.get(transcript.name, Expected()), whole)
        payload[transcript.name] = b"".join(
            event.payload for event in harness.events if isinstance(event, Data)
        )
    assert payload["02"] == b"test,28,"
    assert payload["03"] == b"12345" * 3 + b"12345788" + b"1234578834"
    assert len(payload["04"]) == 405
    assert payload["04"].startswith(b"GET / HTTP/1.1\r\nHost: 192.168.4.1\r\n")
    assert len(payload["05"]) == 625
    assert payload["06"] == b"xxxxx"
    assert payload["07"].endswith(b"Accept: */*\r\n\r\n")
    assert len(payload["07"]) == 75
    assert len(payload["08"]) == 421
    assert len(payload["09"]) == 494
    assert payload["12"].endswith(b"012345\n")
    assert payload["19"].endswith(b'long"}\n')
    assert len(payload["20"]) == 2000
    assert payload["27"] == payload["28"] == b"test"
    assert len(payload["37"]) == 326
    assert len(payload["38"]) == 201 + 2920


def test_every_transcript_is_here_but_passthrough() -> None:
    numbers = {path.stem[:2] for path in FILES}
    assert numbers == {f"{number:02}" for number in range(1, 39)} - {"10", "11", "31"}
    assert set(TABLE) <= numbers


def test_what_the_host_wrote_is_sent_as_typed_commands() -> None:
    """And not all as raw lines, which would take any answer for theirs."""
    typed: dict[str, int] = {}
    for path in FILES:
        transcript = load(path)
        harness = replay(transcript, TABLE.get(transcript.name, Expected()), whole)
        for event in harness.events:
            if isinstance(event, CommandDone | CommandFailed):
                typed[type(event.command).__name__] = typed.get(type(event.command).__name__, 0) + 1
    assert typed["OpenTcp"] >= 5
    assert typed["Send"] >= 8
    assert typed["Close"] >= 3
    assert typed["Raw"] < sum(typed.values()) / 2
