"""The session: whatever the module says and the driver does, whenever, and what may be written then.

An input is a few settings and steps: the module says bytes, the driver sends a command, gives one up or does
anything else, time passes. What holds, judged from outside by the bytes and the events:

- what the module says raises nothing; what the driver does raises LocalProtocolError or ValueError at most;
- a command has one outcome, and none once it was given up; no command in flight means that each has its own;
- a payload is written whole, once for each time its line went out, and behind a `>`; behind it goes nothing
  that the module could take for payload, but what ends a data phase;
- what is written is a command line, its payload, a barrier, AT+RST, or what ends a data phase;
- the payload of a link reaches the generation that is open, nothing behind its end;
- a deadline that was handled is over, and a module that says nothing is silent in the end: no wait is
  endless.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from esp32sock.at.commands import basic, longsend, passive, passthrough, tcpip, udp, wifi
from esp32sock.at.commands.base import Raw
from esp32sock.at.events import (
    CommandDone,
    CommandFailed,
    DataReceived,
    LinkClosed,
    LinkOpened,
    ModuleSilent,
)
from esp32sock.at.firmware import Firmware
from esp32sock.at.framing import DATAGRAM, LINKS, MAX_DATAGRAM_BYTES, NEED_DATA, datagram_chunk, stream_chunk
from esp32sock.at.session import Session
from esp32sock.at.state import LinkState
from esp32sock.errors import LocalProtocolError, ModuleReset
from fuzz import corpus
from fuzz.controls import Controls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from esp32sock.at.commands import Command

UNIT = "bytes"
MAX_BYTES = 1 << 14

NEVER = float("inf")
SILENCE_S = 2000.0
"""Longer than any command, its barriers and the recovery of its data phase."""
MOST_DEADLINES = 3000
SAYS, SENDS, SENDS_RAW, SENDS_PAYLOAD, WAITS, DOES, OBEYS = range(7)
PAUSES_S = (0.01, 0.06, 0.25, 1.0, 1.6, 4.0, 20.0, 130.0)
VERSIONS = ((2, 0, 0, 0), (0, 0, 0, 0), (1, 0, 0, 0), (2, 4, 0, 0), (4, 1, 0, 0))

COMMANDS: tuple[Callable[[int], Command[Any]], ...] = (
    lambda link: tcpip.OpenTcp(link, "peer", 80),
    lambda link: tcpip.Close(link),
    lambda link: basic.Test(),
    lambda link: tcpip.Links(),
    lambda link: passive.ReceiveData(link, 100),
    lambda link: udp.OpenUdp(link, ("10.0.2.2", 53)),
    lambda link: tcpip.Multiplexed(),
    lambda link: tcpip.SetMultiplexed(on=bool(link)),
    lambda link: basic.Restart(),
    lambda link: basic.Echo(on=bool(link)),
    lambda link: wifi.Join("net", "secret"),
    lambda link: tcpip.ShowPeer(on=bool(link)),
    lambda link: passthrough.EnterPassthrough(),
    lambda link: passthrough.Passthrough(),
    lambda link: basic.Version(),
)  # fmt: skip

ANSWERS = (
    b"\r\nOK\r\n", b"\r\nERROR\r\n", b"\r\n>", b"> ", b"\r\nSEND OK\r\n", b"\r\nSEND FAIL\r\n",
    b"busy p...\r\n", b"\r\nSEND Canceled\r\n", b"\r\nready\r\n", b"+CIPMUX:1\r\n\r\nOK\r\n",
    b"+CIPMODE:0\r\n\r\nOK\r\n", b"0,CONNECT\r\n", b"0,CLOSED\r\n", b"1,CONNECT\r\n",
    b"\r\n+IPD,0,5:hello\r\n", b"+CIPMUX:0\r\n\r\nOK\r\n", b"+CIPSENDL:0,0\r\n", b"+CIPSENDL:1,1\r\n",
    b"+CIPSENDL:100,200\r\n",
)  # fmt: skip

_RECOVERY = re.compile(rb"\+\+\+|\r\n|0+")
_RECEIVED = re.compile(rb"Recv ([0-9]+) bytes|\+CIPSENDL:|SEND |ERROR|ready|CLOSED")
BARRIERS = (b"AT+CIPMUX?\r\n", b"AT+CIPMODE?\r\n")


def dictionary() -> list[bytes]:
    return [
        *ANSWERS, b"\0\0\x10", b"\1\0\0", b"\1\1\0", b"\4\3", b"\4\7", b"\6\0", b"+IPD,0,",
        b"+LINK_CONN:0,0,\"TCP\",0,", b"+CIPRECVDATA:3,abc", b"WIFI GOT IP\r\n", b"Recv 5 bytes\r\n",
        b"Will force to restart!!!\r\n", b"\r\nERR CODE:0x010b0000\r\n", b"+IPD,0,5\r\n", b"STATUS:2\r\n",
        b"+MQTTSUBRECV:0,\"a\",5,", b"no ip\r\n", b"ALREADY CONNECTED\r\n", b"link is not valid\r\n",
        b"+CIPSTATUS:0,\"TCP\",\"10.0.2.2\",80,1000,0\r\n",
    ]  # fmt: skip


def seeds() -> Iterator[bytes]:
    for number, dialogue in enumerate(corpus.dialogues()):
        for start in range(0, len(dialogue), 60):
            yield bytes([number % 8, number % 5]) + b"".join(map(_step, dialogue[start : start + 60]))
    bulk = b"\r\n+IPD,0,1400:" + bytes(range(256)) * 5 + b"x" * 120
    for repeats in (0x10, 0x70, 0xF0):
        yield b"\0\0" + _say(b"0,CONNECT\r\n") + bytes([SAYS | repeats]) + len(bulk).to_bytes(2, "big") + bulk
    long = bytes([SENDS_PAYLOAD | 0x30, 0, 200, 65])
    reports = (b"\r\n>", b"+CIPSENDL:100,200\r\n", b"+CIPSENDL:200,200\r\n", b"\r\nSEND OK\r\n")
    for version in range(len(VERSIONS)):
        for said in (
            reports,
            reports[:2],
            (b"\r\n>", b"+CIPSENDL:0,0\r\n", b"0,CLOSED\r\n", b"\r\nSEND FAIL\r\n"),
        ):
            begin = bytes([0, version]) + _say(b"0,CONNECT\r\n") + long
            yield begin + b"".join(map(_say, said)) + bytes([WAITS, 7]) + long
    for number in range(len(COMMANDS)):
        yield b"\0\0" + bytes([SENDS, number, 0]) + b"".join(bytes([OBEYS, n]) for n in range(len(ANSWERS)))


def _step(step: tuple[str, bytes]) -> bytes:
    side, data = step
    line = data.removesuffix(b"\r\n")
    if side == "M":
        return _say(data)
    send = re.fullmatch(rb"AT\+CIPSEND=(?:([0-4]),)?([0-9]{1,3})", line)
    if send is not None:
        return bytes([SENDS_PAYLOAD, int(send[1] or 0), min(255, int(send[2]))])
    if line[:2].upper() == b"AT" and len(line) < 256:
        return bytes([SENDS_RAW, len(line)]) + line
    return b""


def _say(data: bytes) -> bytes:
    data = data[:4000]
    return bytes([SAYS]) + len(data).to_bytes(2, "big") + data


def run(data: bytes) -> int:
    controls = Controls(data)
    flags, version = controls.byte(), controls.choice(VERSIONS)
    driver = Driver(mux=not flags & 1, version=version)
    if not flags & 2:
        driver.session.set_up()
    if flags & 4:
        driver.session.s_per_byte = 10 / 115200
    while not controls.is_over:
        kind = controls.byte()
        match kind & 0x0F:
            case 1:
                number, link = controls.byte(), controls.byte() % LINKS
                driver.send(COMMANDS[number % len(COMMANDS)](link))
            case 2:
                driver.send(Raw(controls.take(controls.byte())))
            case 3:
                link, length = controls.byte() % LINKS, controls.byte()
                driver.send_payload(
                    link, length, controls.byte() if kind & 16 else 0, as_long=bool(kind & 32)
                )
            case 4:
                driver.wait(PAUSES_S[controls.byte() % len(PAUSES_S)])
            case 5:
                driver.act(controls.byte())
            case 6:
                driver.hear(ANSWERS[controls.byte() % len(ANSWERS)], 0)
            case _:
                driver.hear(controls.take(controls.word()) * (1 + (kind >> 4) * (kind >> 4)), kind)
    driver.fall_silent()
    return driver.heard_bytes


class Driver:
    """What the engine does with a session, and what it may expect."""

    def __init__(self, *, mux: bool, version: tuple[int, int, int, int]) -> None:
        self.session = Session(mux=mux)
        self.session.firmware = Firmware(version)
        self.session.port_opened()
        self.now = 1000.0
        self.heard_bytes = 0
        self.in_flight: Command[Any] | None = None
        self.last: Command[Any] | None = None  # one that was given up goes on
        self.generations = [0] * LINKS
        self.ended: set[tuple[int, int]] = set()
        # Of the wire, since the line of the last command went out:
        self.line = b""
        self.heard = bytearray()
        self.payload_written = self.has_recovered = False

    # What happens

    def hear(self, data: bytes, how: int) -> None:
        """The module says this, in one read or in several."""
        self.heard_bytes += len(data)
        size = (len(data), len(data), 1, 7)[how >> 4 & 3] or 1
        for start in range(0, len(data), max(size, len(data) // 200)):
            piece = data[start : start + max(size, len(data) // 200)]
            self.heard += piece
            self.session.receive_data(piece, self.now)
            self.now += 0.001
            self.pump()

    def send(self, command: Command[Any]) -> None:
        before = self.session.idle
        try:
            self.session.send(command, self.now)
        except (LocalProtocolError, ValueError):
            return
        assert before, "two commands in flight"
        assert self.in_flight is None, "a command before it had no outcome"
        self.in_flight = self.last = command
        self.pump()

    def send_payload(self, link: int, length: int, fill: int, *, as_long: bool = False) -> None:
        data = memoryview(bytes([fill or 43]) * (length or 1))
        if as_long:
            self.send(longsend.SendLong(link if self.session.demux.mux else None, data))
            return
        as_datagram = self.session.links[link].sink == DATAGRAM
        number = link if self.session.demux.mux else None
        if as_datagram:
            chunk = datagram_chunk(number, data, None, MAX_DATAGRAM_BYTES)
        else:
            chunk = stream_chunk(number, data, self.session.firmware.cipsend_max)
        self.send(tcpip.Send(link, chunk))

    def act(self, number: int) -> None:
        """What else an engine does, as far as the session lets it."""
        session, link = self.session, number >> 5
        try:
            match number & 0x0F:
                case 0:
                    session.abandon()
                    self.in_flight = None
                case 1:
                    session.connection_lost()
                case 2:
                    session.port_opened()
                case 3:
                    session.set_up()
                case 4:
                    session.force_restart()
                case 5:
                    session.links.confirm(link % LINKS, listed=bool(number & 16))
                case 6:
                    session.links.release(link % LINKS)
                case 7:
                    session.missed_restart(" (fuzz)")
                case 8:
                    session.fell_silent(ModuleReset("silent"))
                case 9:
                    session.line_changes()
                case 10:
                    session.leave_passthrough()
                case 11:
                    session.resume_passthrough()
                case 12:
                    session.host_paused(1.0)
                case 13:
                    session.links.down(link % LINKS)
                case _:
                    session.set_up()
        except LocalProtocolError:
            return
        self.pump()

    def wait(self, seconds: float) -> None:
        """Let time pass, with every deadline on the way."""
        until = self.now + seconds
        for _ in range(MOST_DEADLINES):
            due = self.session.next_deadline()
            if due > until:
                break
            self.now = max(self.now, due)
            self.session.handle_deadline(self.now)
            self.pump()
            assert self.session.next_deadline() > self.now, "a deadline that stays due"
        else:
            raise AssertionError("deadlines without end")
        self.now = until

    def fall_silent(self) -> None:
        """The module says nothing any more: that is noticed, or nothing waits for it."""
        self.wait(SILENCE_S)
        assert self.session.idle, f"{self.session.command.state} for ever"
        assert self.in_flight is None, f"{self.in_flight} never ends"
        assert self.session.demux.missing_bytes == 0, "a block that is waited for without end"

    # What comes of it

    def pump(self) -> None:
        """As an engine does: events until there are none, then write."""
        session = self.session
        while (event := session.next_event()) is not NEED_DATA:
            match event:
                case DataReceived():
                    self.take(event.links)
                case CommandDone() | CommandFailed():
                    assert event.command is self.in_flight, f"{event} of no command in flight"
                    self.in_flight = None
                case LinkOpened():
                    self.opened(event)
                case LinkClosed():
                    assert event.generation <= self.session.links[event.link_id].generation
                    self.ended.add((event.link_id, event.generation))
                case ModuleSilent():
                    session.fell_silent(ModuleReset("it answers nothing"))
        for piece in session.data_to_send(self.now):
            self.writes(bytes(piece))
        assert not session.idle or self.in_flight is None, f"{self.in_flight} has no outcome"

    def take(self, links: int) -> None:
        """The payload of these links, each for the generation that is open."""
        assert links
        demux = self.session.demux
        for link_id in range(LINKS):
            if not links >> link_id & 1:
                continue
            record = self.session.links[link_id]
            taken = demux.take_datagram(link_id) if record.sink == DATAGRAM else demux.take(link_id)
            assert taken is not None
            while record.sink == DATAGRAM and demux.take_datagram(link_id):
                pass
            assert (link_id, record.generation) not in self.ended, "payload behind the end of its link"
            assert record.state is not LinkState.FREE, "payload of a link that is free"

    def opened(self, event: LinkOpened) -> None:
        assert event.generation >= self.generations[event.link_id]
        assert event.generation == self.session.links[event.link_id].generation
        assert not event.accepted or event.generation > self.generations[event.link_id]
        self.generations[event.link_id] = event.generation
        self.ended.discard((event.link_id, event.generation))

    # The wire

    def writes(self, piece: bytes) -> None:
        """What goes out now may."""
        command = self.last
        if piece == b"AT+RST\r\n" or piece in BARRIERS:
            counted = _RECEIVED.search(self.heard) is not None
            assert not self.payload_written or self.has_recovered or counted or piece[3:6] == b"RST", (
                f"{piece!r} may be payload"
            )
            return
        if piece == self._payload(command) and b">" in self.heard and not self.payload_written:
            assert self.line, "a payload without its line"
            self.payload_written = True
            return
        if _RECOVERY.fullmatch(piece):
            self.has_recovered = True
            return
        assert command is not None, f"{piece!r} of no command"
        assert piece == command.line(self.session.firmware) + b"\r\n", f"{piece!r} is no line of {command}"
        self.line, self.payload_written, self.has_recovered = piece, False, False
        self.heard.clear()

    @staticmethod
    def _payload(command: Command[Any] | None) -> bytes | None:
        return None if command is None or command.payload is None else bytes(command.payload)
