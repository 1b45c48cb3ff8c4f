"""Dialogues from the field (data/transcripts, and three more beside this file), replayed on the simulated
module.

The host's lines are written at their points, the peers do what the transcript implies, as cues by the line of
the file say, and every exchange (one host write and all that is printed until the next) is compared. Networks
and access points are given the addresses, MACs and names of the source, so those are not normalised. What is:

- `crlf: not shown`: blank lines, as loggers and documents drop and add them (the captures hold line ends);
  the echo, where the header does not say that it is shown. `crlf: explicit`: every byte counts.
- Signal strength, free memory, times, PING, the port that the module chose, the texts of GMR.
- Payload that the source left out: the peer sends zero bytes in its place, which are dropped again.
- Boot text before `ready`, where AT shares the boot UART: that it is there is all.
- Single lines that `Play.omitted` (the source leaves them out) and `Play.without` (the source has them too
  much) name, each with its reason.

The last host line of a source that ends there is written and not compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from esp32sock.simulator.device import Device
from esp32sock.simulator.environment.radio import AccessPoint, JoinFailure, Subnet
from esp32sock.simulator.environment.settings import Identity, Settings, Timing
from esp32sock.simulator.firmware.inbound import take
from esp32sock.simulator.network.memory import Connection, MemoryNetwork, TlsPeer

HERE = Path(__file__).parent
FILES = {
    path.name[:2]: path
    for folder in (HERE.parent / "data" / "transcripts", HERE / "transcripts")
    for path in sorted(folder.glob("*.txt"))
}
SETTLE_S = 5.0


# What a play needs beyond its file


class Stage:
    """A module, its network and the peers that cues move."""

    def __init__(self, play: Play) -> None:
        self.network = MemoryNetwork(names=dict(play.names))
        for address, port in play.streams:
            self.network.listen(address, port, self._peer, tls=TlsPeer() if play.secure else None)
        for address, port in play.datagrams:
            self.network.answer_datagrams(address, port, lambda data: [])
        self.peers: list[Connection] = []
        if play.tells_no_time:
            self.network.start_unix_s = None
        air = play.air or (AccessPoint("TESTNET"),)
        settings: dict[str, Any] = {"joined": play.joined, "access_points": air, "faults": play.faults}
        self.module = Device(Settings(profile=play.profile, **settings | dict(play.settings)), self.network)
        self.now = 0.0

    async def _peer(self, connection: Connection) -> None:
        self.peers.append(connection)
        while await connection.receive():
            pass

    def client(self, port: int, address: str, from_port: int = 0, *, secure: bool = False) -> None:
        assert self.network.connect(port, self._peer, address=address, from_port=from_port, secure=secure)

    def passes(self, seconds: float) -> bytes:
        end = self.now + seconds
        said = []
        while True:
            while data := self.module.take_output(self.now, 1 << 20):
                said.append(data)
            due = [t for t in (self.module.deadline(), self.module.output_deadline()) if t is not None]
            if not due or min(due) > end:
                break
            self.now = max(self.now, min(due))
            self.module.advance(self.now)
        self.now = end
        self.module.advance(end)
        said.append(self.module.take_output(end, 1 << 20))
        return b"".join(said)

    def host(self, data: bytes) -> None:
        self.module.host_wrote(data, self.now)

    def reads(self, link_id: int) -> None:
        """The host has read all of a link, in lines that the source leaves out."""
        link = self.module.firmware.links.get(link_id)
        assert link is not None
        take(link, link.received_bytes)


Action = Callable[[Stage], object]


@dataclass(frozen=True)
class Cue:
    """What happens before a line of the file, once the module has had time."""

    action: Action = lambda stage: None
    after_s: float = SETTLE_S
    then_s: float = 0.01
    """How long it takes."""


@dataclass(frozen=True)
class Play:
    """How one file is replayed."""

    profile: str
    before: tuple[str, ...] = ()
    """What the host said before the source begins."""
    cues: tuple[tuple[str, Cue], ...] = ()
    """What happens before the next line that begins like this, in the order of the file."""
    joined: bool = True
    air: tuple[AccessPoint, ...] = ()
    streams: tuple[tuple[str, int], ...] = ()
    datagrams: tuple[tuple[str, int], ...] = ()
    secure: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    tells_no_time: bool = False
    faults: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    omitted: Mapping[str, str] = field(default_factory=dict)
    """Lines of the module that the source does not have, and why."""
    without: Mapping[str, str] = field(default_factory=dict)
    """Lines of the source that no module of this profile prints, and why."""
    edited: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """What a text of the source is to be read as, and why."""
    strips_ok: bool = False
    """The logger of the source took the final OK away."""
    begins: str = ""
    """The line with which the replay begins, for the reason in `ends`."""
    cut: bool = False
    """The source stops in the middle of its last exchange."""
    excepted: Mapping[str, str] = field(default_factory=dict)
    """Host lines whose answers are not compared, and why."""
    until: str = ""
    """The first line that is not replayed any more, for the reason in `ends`."""
    ends: str = ""


@dataclass(frozen=True)
class Skipped:
    """Why a file is not replayed."""

    reason: str


def sends(data: bytes, peer: int = -1, *, fill: int = 0, end: bytes = b"") -> Cue:
    """A peer sends; what is missing to `fill` bytes is elided. `end` comes behind."""
    return Cue(lambda stage: stage.peers[peer].send(data + ELIDED * (fill - len(data)) + end))


def closes(peer: int = -1) -> Cue:
    return Cue(lambda stage: stage.peers[peer].close())


def writes(data: bytes) -> Cue:
    return Cue(lambda stage: stage.host(data))


def client(port: int, address: str, from_port: int = 0, *, secure: bool = False) -> Cue:
    return Cue(lambda stage: stage.client(port, address, from_port, secure=secure))


def both(*cues: Cue) -> Cue:
    def action(stage: Stage) -> None:
        for cue in cues:
            cue.action(stage)

    return Cue(action)


def datagram(port: int, data: bytes, address: str, from_port: int) -> Cue:
    return Cue(lambda stage: stage.network.send_datagram(port, data, address=address, from_port=from_port))


def elided_datagram(port: int, size: int, address: str, from_port: int) -> Cue:
    return datagram(port, ELIDED * size, address, from_port)


def clients(count: int, port: int, address: str, from_port: int) -> Cue:
    """Clients one after the other; what the module says of them is not in the source."""

    def action(stage: Stage) -> None:
        for number in range(count):
            stage.client(port, address, from_port + number)
            stage.passes(1)

    return Cue(action)


def leaves_passthrough() -> Cue:
    return Cue(lambda stage: stage.host(b"+++"), then_s=2.0)


def restarts() -> Cue:
    """AT+RST, of which only what comes after its OK is in the source."""

    def action(stage: Stage) -> None:
        stage.host(b"AT+RST\r\n")
        stage.passes(0.1)

    return Cue(action)


def wait(seconds: float) -> Cue:
    return Cue(after_s=seconds)


def closed_net(ssid: str, password: str, **more: Any) -> AccessPoint:
    return AccessPoint(ssid, password, encryption=3, **more)


ELIDED = b"\0"
MUX = "AT+CIPMUX=1"
SYSTEM_LOG = "AT+SYSLOG=1"
SECURE_START_AND_LOG = ('AT+CIPSTART=0,"SSL","13.69.186.152",443', SYSTEM_LOG)
FAILS_LATE = (("< +CWJAP:4", wait(15.0)),)
HTTP_EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n"
CURL = b"GET / HTTP/1.1\r\nHost: 192.168.4.1\r\nUser-Agent: curl/7.54.0\r\nAccept: */*\r\n\r\n"

NONOS = "CONNECT in the middle of an echo of NonOS: the echo of the simulated module is cut by data only"

PLAYS: dict[str, Play | Skipped] = {
    "01": Play("doc-v1", datagrams=(("192.168.101.110", 8080),)),
    "02": Play(
        "2.0",
        before=(MUX, 'AT+CIPSTART=0,"UDP","10.0.2.2",7005,1112'),
        cues=(("< \\r\\n+IPD", datagram(1112, b"test,28,", "10.0.2.2", 7005)),),
        datagrams=(("10.0.2.2", 7005),),
    ),
    "03": Play(
        "1.2",
        joined=False,
        air=(closed_net("TESTNET", "12345678"),),
        streams=(("192.168.3.137", 8080),),
        cues=tuple(
            ("< +IPD", sends(data)) for data in (b"12345", b"12345", b"12345", b"12345788", b"1234578834")
        ),
    ),
    "04": Play(
        "1.2",
        before=("AT+CWMODE=2", MUX, "AT+CIPSERVER=1,81"),
        joined=False,
        cues=(
            ("> AT+RESTORE", clients(2, 81, "192.168.4.2", 49517)),
            ("> AT+CWLIF", client(80, "192.168.4.2", 49519)),
            (
                "< +IPD",
                sends(
                    b"GET / HTTP/1.1\r\nHost: 192.168.4.1\r\nConnection: keep-alive\r\n"
                    b"Cache-Control: max-age=0\r\n",
                    fill=405,
                ),
            ),
        ),
        omitted={
            "0,CONNECT": "a link that has data was announced; the excerpt leaves it out",
            "1,CONNECT": "announced before the excerpt begins",
            "Bin version": "a line that came between this development build and the release",
        },
    ),
    "05": Play(
        "2.4",
        before=(MUX, "AT+CIPRECVMODE=1", "AT+CIPDINFO=1", *SECURE_START_AND_LOG),
        secure=True,
        streams=(("13.69.186.152", 443),),
        cues=(
            ("# host writes", writes(b"x" * 4268)),
            ("< +IPD", sends(HTTP_EMPTY, fill=625)),
            ("< 0,CLOSED", closes()),
        ),
        faults="busy-run@8",
    ),
    "06": Play(
        "2.0",
        before=(MUX, "AT+CIPDINFO=1", "AT+CIPSERVER=1,80"),
        cues=(
            ("# host requests", clients(5, 80, "192.168.1.48", 65263)),
            ("< +IPD", both(writes(b"x" * 600), sends(b"", fill=5))),
            ("< Recv", writes(b"x" * 763)),
        ),
    ),
    "07": Play(
        "2.1",
        before=(MUX, "AT+CIPRECVMODE=1", "AT+SYSMSG=2", "AT+CIPDINFO=1", "AT+CWMODE=3", "AT+CIPSERVER=1,80"),
        cues=(
            ("< +LINK_CONN", client(80, "192.168.4.2", 49469)),
            ("> AT+CIPRECVLEN?", sends(CURL)),
        ),
        faults="lost-notice@1",
        without={
            "< to read 75 bytes": "a debug print of a development build",
        },
        edited={"49478": ("49469", "the log was put together from two runs")},
    ),
    "08": Play(
        "2.4",
        before=(MUX,),
        cues=(
            ("< 0,CONNECT", client(443, "192.168.1.10", secure=True)),
            ("< +IPD", sends(b"GET / HTTP/1.1\r\nHost: 192.168.1.114\r\n", fill=417, end=b"\r\n\r\n")),
        ),
    ),
    "09": Play(
        "2.4",
        before=(MUX, "AT+CIPRECVMODE=1", "AT+CIPDINFO=1", 'AT+CIPSTART=0,"SSL","13.107.246.45",443'),
        secure=True,
        streams=(("13.107.246.45", 443),),
        cues=(("< +IPD,0,523", sends(b"", fill=494)),),
        begins="< +IPD,0,523",
        ends="the first recording of the two: 31 bytes that cannot be read are the alert with which the peer "
        "closes (2 bytes and 29 of record), and the memory network has no alerts",
    ),
    "10": Play(
        "2.4",
        joined=False,
        settings={"cold": True},
        cues=(("< 0,CONNECT", client(1234, "192.168.1.10")),),
    ),
    "11": Play(
        "2.1",
        cues=(("# after leaving", leaves_passthrough()),),
        datagrams=(("192.168.1.9", 6123),),
        excepted={
            'AT+SAVETRANSLINK=1,"255.255.255.255",1002,"UDP"': "refused for a reason that the report "
            "does not find; captured firmware takes such lines"
        },
    ),
    "12": Play(
        "2.1",
        settings={"cold": True},
        cues=(("< +IPD", datagram(2390, b"01234567" * 7 + b"012345\n", "10.0.2.2", 2390)),),
        omitted={"ready": "the excerpt begins behind it"},
        without={
            "< local port:2390": "a debug print on a shared port",
            "< change type:2": "a debug print on a shared port",
        },
        cut=True,
    ),
    "13": Play(
        "2.0",
        secure=True,
        streams=(("10.0.2.2", 443),),
        names={"espressif.com": "10.0.2.2"},
        until="> AT+CIPCLOSE=0",
        ends="the crash in the TLS library of one development build: no rule of the firmware",
    ),
    "14": Play(
        "2.1",
        before=(SYSTEM_LOG,),
        names={"2.nl.pool.ntp.org": "10.0.2.2"},
        faults="busy-run@4",
    ),
    "15": Play(
        "2.1",
        air=(closed_net("ssid", "password"),),
        names={"ntp1.aliyun.com": "10.0.2.2"},
        tells_no_time=True,
    ),
    "16": Play(
        "2.0",
        joined=False,
        air=(AccessPoint("xxx", failure=JoinFailure.FAILED),),
        settings={"timing": Timing(join_failure_s=15.0)},
        before=("AT+CWMODE=1",),
        cues=(("> AT+CWJAP", wait(0.0)), ("> AT", wait(1.9)), ("> AT", wait(0.8)), *FAILS_LATE),
    ),
    "17": Play(
        "0.10",
        joined=False,
        before=("AT+CWMODE=1",),
        omitted={"WIFI CONNECTED": "the source shows results only", "WIFI DISCONNECT": "the same"},
        air=(
            AccessPoint(
                *("AP-1", "********", "30:91:8f:00:00:01", 11, -45, 4),
                failures=(JoinFailure.TIMEOUT,),
                gives_addresses=False,
            ),
            AccessPoint("DIRECT-q4M2070 Series", "other", "32:cd:a7:00:00:02", 11, -55, 3),
            AccessPoint("", "other", "1c:b7:2c:00:00:03", 2, -66, 3),
            AccessPoint("OPENNET", "", "6e:72:51:00:00:04", 1, -77, 0),
        ),
        cues=(("< ready", restarts()),),
    ),
    "18": Play(
        "2.0",
        before=(MUX, 'AT+CIPSTART=0,"TCP","192.168.123.10",443'),
        air=(AccessPoint("myaccp", "", "02:0c:e7:00:00:01", 11),),
        streams=(("192.168.123.10", 443),),
        datagrams=(("93.184.216.34", 7),),
        names={"www.example.org": "93.184.216.34"},
        strips_ok=True,
        until="> AT+CIPSEND=0,495",
        ends="a wedge of CIPSEND after hours, of unknown cause, which its logger shows only as silence",
    ),
    "19": Play(
        "2.2",
        secure=True,
        names={"iot.espressif.cn": "10.0.2.2", "0.pool.ntp.org": "10.0.2.2", "time.google.com": "10.0.2.2"},
        streams=(("10.0.2.2", 8443),),
        cues=(
            ("< +IPD", sends(b'{"status": 400, "message": "io error, may be idle too long"}\n')),
            ("< CLOSED", closes()),
        ),
    ),
    "20": Play(
        "4.2",
        before=(
            MUX,
            "AT+CIPRECVTYPE=1,1",
            "AT+CIPDINFO=1",
            'AT+CIPSTART=1,"UDP","192.168.125.255",9797,9797',
        ),
        datagrams=(("192.168.125.255", 9797),),
        cues=(
            ("< +IPD,1,444", elided_datagram(9797, 444, "192.168.125.255", 9797)),
            (
                "# five more",
                both(*[elided_datagram(9797, 444, "192.168.125.255", 9797)] * 5),
            ),
        ),
        until="< +CIPRECVDATA:1000,[…]",
        ends="the answer is elided",
    ),
    "21": Play(
        "2.2",
        before=(MUX, "AT+CIPRECVMODE=1", 'AT+CIPSTART=1,"TCP","94.230.210.85",80'),
        streams=(("94.230.210.85", 80),),
        cues=(
            ("# host writes", writes(b"x" * 172)),
            ("< +IPD", sends(b"", fill=518)),
            # The driver reads what was announced; its log has no line for that.
            ("# some time later", Cue(lambda stage: stage.reads(1), after_s=1.0, then_s=59.0)),
        ),
        faults="wifi-loss@70,refuse@2,refuse@3,phantom-closed",
        omitted={
            "WIFI DISCONNECT": "the driver that kept the log names only what it understands",
            "WIFI CONNECTED": "the same",
        },
    ),
    "22": Skipped("bytes were lost on the serial line, and the log is cut where its reader's time-outs fell"),
    "23": Play(
        "1.2",
        settings={"cold": True, "boot_noise": True, "latency_ms": 200, "timing": Timing(dhcp_s=60.0)},
        cues=(("> AT+GMR", wait(0.31)),),
        air=(
            AccessPoint("REDACTED", bssid="REDACTED", channel=1, encryption=3, rssi_dbm=-60),
            AccessPoint("REDACTED", bssid="REDACTED", channel=1, encryption=5, rssi_dbm=-80),
        ),
        cut=True,
        omitted={"Bin version": "a line that came between this development build and the release"},
    ),
    "24": Skipped("the log of UART0 of a chip that resets twice: nothing of it is the AT port, and no host"),
    "25": Play("1.2", strips_ok=True),
    "26": Play(
        "2.1",
        joined=False,
        settings={"cold": True},
        air=(closed_net("TESTNET", "1234567890", bssid="44:33:4c:00:00:01", channel=11),),
    ),
    "27": Play(
        "4.1",
        joined=False,
        air=(closed_net("espressif", "1234567890", subnet=Subnet("192.168.3.112", "192.168.3.1")),),
        streams=(("192.168.3.102", 8080),),
        cues=(("< +IPD", sends(b"test")),),
    ),
    "28": Play("4.1", streams=(("192.168.3.102", 8080),), cues=(("< +IPD", sends(b"test")),)),
    "29": Play("4.1"),
    "30": Play(
        "2.1",
        before=(MUX, 'AT+CIPSTART=0,"TCP","10.0.2.2",80', "AT+CIPCLOSE=0"),
        streams=(("10.0.2.2", 80),),
        faults="phantom-closed@1",
        excepted={"AT+CIPSNTPCFG=1,8": "this build for 1 MB of flash has neither TLS nor, it seems, SNTP"},
        air=(AccessPoint("TESTNET", subnet=Subnet("192.168.0.15", "192.168.0.1")),),
        settings={"identity": Identity(station_mac="44:17:93:00:00:01")},
        names={"host.example": "10.0.2.2"},
    ),
    "31": Play("4.1", streams=(("192.168.3.102", 8080),), cues=(("> AT+CIPMODE=0", leaves_passthrough()),)),
    "32": Play(
        "nonos-1.7",
        before=("ATE0", MUX, 'AT+CIPSTART=0,"TCP","10.0.2.2",80'),
        streams=(("10.0.2.2", 80),),
        cues=(("# host writes 10", writes(b"x" * 10)),),
        faults="send-fail@1",
        edited={"\n>\n": ("\n> \n", "the page drops the blank at the end of a line")},
    ),
    "33": Play(
        "2.2",
        before=("ATE0", MUX, "AT+SYSMSG=2", "AT+CIPSERVER=1,80"),
        cues=(
            ("< +SYSRAM", writes(b"AT+SYSRAM?\r\n")),
            ("< +LINK_CONN", client(80, "192.168.2.10", 59657)),
            ("# host writes 145", writes(b"x" * 145)),
            ("# host writes 289", writes(b"x" * 289)),
        ),
    ),
    "34": Play("2.0", joined=False),
    "35": Play("2.0", joined=False, before=("AT+CWMODE=1",)),
    "36": Play("4.2"),
    "37": Skipped(NONOS),
    "38": Skipped(
        "no host line; a debug print inside a block of a development build that, unlike the captured 2.0, "
        "writes no CR LF behind a block (the fault `debug-in-ipd` has it at a place of chance)"
    ),
}


# Reading and replaying


@dataclass
class Exchange:
    """A host write, what the source shows until the next, and what the simulated module said."""

    written: bytes = b""
    shown: list[str] = field(default_factory=list)
    said: bytes = b""


_ESCAPE = re.compile(r"\\(r|n|\\|x[0-9a-fA-F]{2})")


def unescape(text: str) -> bytes:
    simple = {"r": b"\r", "n": b"\n", "\\": b"\\"}
    parts = _ESCAPE.split(text)
    return b"".join(
        (simple.get(part) or bytes([int(part[1:], 16)])) if at % 2 else part.encode()
        for at, part in enumerate(parts)
    )


class Script:
    """One file: its header and the lines behind it."""

    def __init__(self, path: Path) -> None:
        lines = path.read_text("utf-8").splitlines()
        start = lines.index("#")
        self.header = dict(line[2:].split(": ", 1) for line in lines[:start])
        self.lines = lines[start + 1 :]
        self.explicit = self.header["crlf"] == "explicit"
        self.echo = self.header["echo"].partition(";")[0].split()[0].rstrip(",")


def replay(script: Script, play: Play) -> list[Exchange]:
    stage = Stage(play)
    if script.echo == "off":
        stage.host(b"ATE0\r\n")
        stage.passes(SETTLE_S)
    for line in play.before:
        stage.passes(SETTLE_S)
        stage.host(line.encode() + b"\r\n")
        assert b"ERROR" not in (answer := stage.passes(SETTLE_S)), (line, answer)
    cues = list(play.cues)
    exchanges = [Exchange()]
    started, prompted = not play.begins, False
    for line in script.lines:
        started = started or line.startswith(play.begins)
        if not started:
            continue
        if play.until and line.startswith(play.until):
            break
        now = exchanges[-1]
        cue = cues.pop(0)[1] if cues and line.startswith(cues[0][0]) else None
        if cue is not None:
            now.said += stage.passes(cue.after_s)
            cue.action(stage)
            now.said += stage.passes(cue.then_s)
            prompted = False
        if line.startswith("> "):
            if cue is None:
                now.said += stage.passes(SETTLE_S)
            data = unescape(line[2:]) if script.explicit else line[2:].encode()
            if not script.explicit and not prompted:
                data += b"\r\n"
            exchanges.append(Exchange(data))
            stage.host(data)
            prompted = False
        elif line.startswith("<") and line not in play.without:
            now.shown.append(line[2:])
            prompted = line == "< >"
    exchanges[-1].said += stage.passes(SETTLE_S)
    assert not cues, cues
    return exchanges


_RULES = tuple(
    (re.compile(pattern, re.DOTALL), replacement)
    for pattern, replacement in (
        (rb'(\+CIPSTATUS:\d,"[^"]*","[^"]*",\d+,)\d+', rb"\1PORT"),
        (rb'(\+CWJAP:"[^\r]*","[0-9a-f:]{17}",\d+,)-\d+', rb"\1RSSI"),
        (rb'(\+CWLAP:\(\d+,"[^"\r]*",)-\d+', rb"\1RSSI"),
        (rb"(\+SYSRAM:)\d+,\d+", rb"\1N,N"),
        (rb"(\+PING:)\d+", rb"\1N"),
        (rb"(\+CIPSNTPTIME:)[A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ [\d:]{8} (1970)?(?:\d{4})?", rb"\1TIME \2"),
        (rb"\xff?ets [A-Z].*?entry 0x[0-9a-f]+\r\n.*?(?:\r\n)?ready\r\n", b"BOOT ready\r\n"),
        (rb"(AT version|SDK version|compile time|Bin version)[^\r\n]*", rb"\1"),
    )
)


def normalise(text: bytes) -> bytes:
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


_LEFT_OUT = re.compile(r"\[\d+ bytes[^]]*\]|\[?…\]?")


def compared(script: Script, play: Play, exchange: Exchange) -> tuple[Any, Any]:
    """What the source shows and what was said, made comparable."""
    if script.explicit:
        shown = b"".join(unescape(line) for line in exchange.shown)
        if play.strips_ok and exchange.written:
            shown += b"OK\r\n"
        said = normalise(exchange.said)
        for text in play.omitted:
            said = said.replace(text.encode() + b"\r\n", b"")
        return normalise(shown), said
    said_bytes = exchange.said
    if script.echo != "on":
        said_bytes = said_bytes.removeprefix(exchange.written)
    text = normalise(said_bytes).replace(ELIDED, b"").decode()
    shown_text = _LEFT_OUT.sub("", "\n".join(exchange.shown))
    for old, (new, _) in play.edited.items():
        shown_text = shown_text.replace(old, new)
    shown_lines = [line for line in normalise(shown_text.encode()).decode().split("\n") if line]
    said_lines = [line for line in re.split(r"\r?\n", text) if line and line not in play.omitted]
    if play.strips_ok and exchange.written and "OK" not in shown_lines:
        shown_lines.append("OK")
    return shown_lines, said_lines


REPLAYED = [name for name in PLAYS if isinstance(PLAYS[name], Play)]


def test_the_table_names_every_file() -> None:
    assert sorted(PLAYS) == sorted(FILES)
    assert len(FILES) == 38


@pytest.mark.parametrize("name", REPLAYED)
def test_transcript(name: str) -> None:
    play = PLAYS[name]
    assert isinstance(play, Play)
    assert bool(play.ends) == bool(play.begins or play.until)
    script = Script(FILES[name])
    exchanges = replay(script, play)
    if not exchanges[-1].shown:
        exchanges.pop()
    different = []
    for exchange in exchanges:
        shown, said = compared(script, play, exchange)
        if play.cut and exchange is exchanges[-1]:
            said = said[: len(shown)]
        if shown != said and exchange.written.strip().decode("latin-1") not in play.excepted:
            different.append((exchange.written, shown, said))
    assert not different, "\n".join(f"{w!r}\n  shown {a!r}\n  said  {b!r}" for w, a, b in different)
    assert any(exchange.shown for exchange in exchanges)
