"""A session on a wire that a test holds at the other end: time by hand, and a watchman over what is written.

The watchman knows the rules of at-dialects 7.5 by itself and nothing of the library: it reads both directions
of the wire with a tokenizer of its own, after the fact, whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from esp32sock.at.commands import basic
from esp32sock.at.events import (
    CommandDone,
    CommandFailed,
    DataReceived,
    LinkClosed,
    LinkFault,
    LinkOpened,
    OrphanLink,
)
from esp32sock.at.framing import LINKS, NEED_DATA, Chunk
from esp32sock.at.session import Session
from esp32sock.at.state import CommandState, LinkState, ModuleState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from esp32sock.at.commands import Command

NEVER = float("inf")


# ---- what a test compares


@dataclass(frozen=True)
class Data:
    """Payload of a link; what follows upon each other on one link is one."""

    link_id: int
    payload: bytes


@dataclass(frozen=True)
class Done:
    """A command ended well."""

    command: Command[Any]
    lines: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Failed:
    """A command ended badly, with an error of this class whose text holds these words."""

    command: Command[Any]
    error: type[Exception] = Exception
    words: str = ""
    lines: tuple[bytes, ...] | None = None


@dataclass(frozen=True)
class Closed:
    """A link is gone, with an error of this class or without one."""

    link_id: int
    generation: int
    error: type[Exception] | None = None


@dataclass(frozen=True)
class Fault:
    """The bytes of a link are not to be trusted; the reason holds these words."""

    link_id: int
    generation: int
    words: str = ""


def matches(expected: object, seen: object) -> bool:
    """Whether this event is what the test wrote down."""
    match expected, seen:
        case Done(), CommandDone():
            return seen.command is expected.command and seen.lines == expected.lines
        case Failed(), CommandFailed():
            return (
                seen.command is expected.command
                and isinstance(seen.error, expected.error)
                and expected.words in str(seen.error)
                and (expected.lines is None or seen.lines == expected.lines)
            )
        case Closed(), LinkClosed():
            same = (seen.link_id, seen.generation) == (expected.link_id, expected.generation)
            return same and type(seen.error) is (expected.error or type(None))
        case Fault(), LinkFault():
            same = (seen.link_id, seen.generation) == (expected.link_id, expected.generation)
            return same and expected.words in seen.reason
        case _:
            return seen == expected


def normal(events: Sequence[object]) -> list[object]:
    """The same with payload in the order of its links where no text lies between.

    That is all that is promised: within a link, and between payload and text.
    """
    ordered: list[object] = []
    run: dict[int, bytes] = {}
    orphans: dict[int, OrphanLink] = {}
    for event in [*events, None]:
        if isinstance(event, Data):
            run[event.link_id] = run.get(event.link_id, b"") + event.payload
        elif isinstance(event, OrphanLink):
            orphans[event.link_id] = event
        else:
            ordered += [Data(link_id, run[link_id]) for link_id in sorted(run)]
            ordered += [orphans[link_id] for link_id in sorted(orphans)]
            ordered.append(event)
            run, orphans = {}, {}
    return ordered[:-1]


def assert_events(seen: Sequence[object], expected: Sequence[object]) -> None:
    seen, expected = normal(seen), normal(expected)
    good = len(seen) == len(expected) and all(matches(e, s) for e, s in zip(expected, seen, strict=True))
    assert good, "saw\n  " + "\n  ".join(map(str, seen)) + "\nnot\n  " + "\n  ".join(map(str, expected))


# ---- the wire


@dataclass
class SessionHarness:
    """A session that was given a port, and usually a module that is set up."""

    mux: bool = True
    now: float = 1000.0
    session: Session = field(init=False)
    events: list[object] = field(default_factory=list)
    written: list[bytes] = field(default_factory=list)
    react: Callable[[object], None] | None = None
    """Called with each event as it comes, as a driver is, instead of keeping it."""
    wire: list[tuple[str, bytes]] = field(default_factory=list)
    """What went over the wire, in order: H what the host wrote, M what the module did, T time that passed."""

    def __post_init__(self) -> None:
        self.session = Session(mux=self.mux)
        self.session.port_opened()

    @classmethod
    def ready(cls, *, links: Iterable[int] = (), echo: bool = False, mux: bool = True) -> SessionHarness:
        """A module that is set up, these links open, and nothing to be told of it."""
        harness = cls(mux=mux)
        if not echo:
            harness.send(basic.Echo(on=False))
            harness.feed(b"ATE0\r\n\r\nOK\r\n")
        harness.session.set_up()
        for link_id in links:
            harness.feed(b"%d,CONNECT\r\n" % link_id if mux else b"CONNECT\r\n")
        harness.forget()
        return harness

    def forget(self) -> None:
        self.events.clear()
        self.written.clear()

    def send(self, command: Command[Any]) -> None:
        self.session.send(command, self.now)
        self.pump()

    def hear(self, data: bytes) -> None:
        """The module printed this and it was read, but the driver has not come round to it."""
        self.wire.append(("M", data))
        self.session.receive_data(data, self.now)

    def feed(self, data: bytes) -> None:
        """The module printed this; read in one piece."""
        self.hear(data)
        self.pump()

    def feed_pieces(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self.feed(piece)

    def wait(self, seconds: float) -> None:
        """Let time pass, with every deadline on the way."""
        until = self.now + seconds
        while (due := self.session.next_deadline()) <= until:
            self.now = max(self.now, due)
            self.wire.append(("T", b""))
            self.session.handle_deadline(self.now)
            self.pump()
            assert self.session.next_deadline() > self.now, "a deadline that stays due is called for ever"
        self.now = until

    def wait_for(self, line: bytes) -> None:
        """Let time pass until this is written."""
        before = len(self.written)
        while line not in self.written[before:]:
            assert self.session.next_deadline() < NEVER, "nothing will happen any more"
            self.wait(self.session.next_deadline() - self.now)

    def pump(self) -> None:
        """As a driver does: events until there are none, then write."""
        while (event := self.session.next_event()) is not NEED_DATA:
            if isinstance(event, DataReceived):
                self._take(event.links)
            else:
                self.events.append(event)
            if self.react is not None:
                while self.events:
                    self.react(self.events.pop(0))
        for piece in self.session.data_to_send(self.now):
            self.written.append(bytes(piece))
            self.wire.append(("H", bytes(piece)))

    def _take(self, links: int) -> None:
        assert links
        for link_id in range(LINKS):
            if links >> link_id & 1:
                payload = self.session.demux.take(link_id)
                assert payload
                last = self.events[-1] if self.events else None
                if isinstance(last, Data) and last.link_id == link_id:
                    self.events[-1] = Data(link_id, last.payload + payload)
                else:
                    self.events.append(Data(link_id, payload))

    def link(self, link_id: int) -> LinkState:
        return self.session.links[link_id].state

    @property
    def idle(self) -> bool:
        return self.session.command.state is CommandState.IDLE

    def state(self) -> ModuleState:
        return self.session.module.state

    def opened(self) -> list[LinkOpened]:
        return [event for event in self.events if isinstance(event, LinkOpened)]


def chunk(link_id: int | None, payload: bytes) -> Chunk:
    """A CIPSEND header written out by hand."""
    where = b"" if link_id is None else b"%d," % link_id
    return Chunk(b"AT+CIPSEND=%s%d\r\n" % (where, len(payload)), memoryview(payload))


# ---- the watchman

IPD = re.compile(rb'\+IPD,(?:\d,)?(\d+)(?:,"?[0-9.]+"?,\d+)?:')
BARRIERS = {b"AT+CIPMUX?\r\n", b"AT+CIPMODE?\r\n"}
BARRIER_ANSWER = re.compile(rb"\+CIP(?:MUX|MODE):\d")
FINAL = {b"OK", b"ERROR", b"FAIL", b"SEND OK", b"SEND FAIL", b"SEND Canceled", b"SEND CANCELLED"}


def spoken(raw: bytes) -> list[bytes]:
    """The lines and prompts in what a module printed, payload taken out; an unfinished line is left off."""
    found, at = [], 0
    while at < len(raw):
        if raw.startswith(b"\r\n", at):
            at += 2
        elif (header := IPD.match(raw, at)) and int(header[1]) <= 2920:
            at = header.end() + int(header[1])
        elif raw.startswith(b">", at):
            found.append(b">")
            at += 2 if raw.startswith(b"> ", at) else 1
        elif (end := raw.find(b"\r\n", at)) >= 0:
            block = IPD.search(raw, at + 1, end)
            found.append(raw[at : block.start() if block else end])
            at = block.start() if block else end + 2
        else:
            break
    return found


def assert_polite(wire: Sequence[tuple[str, bytes]]) -> None:
    """Nothing was written ahead of a prompt or behind a payload, and one command at a time.

    What ends a stuck data phase may be written after time has passed or when the module counted another
    length, and AT+RST at any time. A barrier may stand behind a line after time has passed, but not where
    it could be payload. A line may be written again only behind the answer to a barrier.
    """
    heard, line, payload_bytes = b"", b"", 0
    sent_payload = time_passed = asked = recovered = False
    for who, data in wire:
        if who == "T":
            time_passed = True
        elif who == "M":
            heard += data
        elif data == b"AT+RST\r\n":
            heard, line, sent_payload, time_passed, asked, recovered = b"", data, False, False, False, False
        else:
            words = spoken(heard)
            over = not line or bool(FINAL & set(_after_acceptance(words, payload_bytes))) or b"ready" in words
            settled = asked and any(BARRIER_ANSWER.fullmatch(word) for word in words)
            if data in BARRIERS and data != line and (recovered or (time_passed and not over)):
                assert not payload_bytes or recovered or _counted(words), f"{data!r} may be payload"
                asked, time_passed = True, False
            elif data == line and data[:2] == b"AT" and not over:
                assert settled, f"{data!r} twice"
                heard, sent_payload, asked, recovered = b"", False, False, False
            elif data[:2] == b"AT" and data.endswith(b"\r\n"):
                assert over or time_passed, f"{data!r} while {line!r} has no result"
                assert not sent_payload or over, f"{data!r} behind a payload"
                header = re.fullmatch(rb"AT\+(?:CIPSEND=(?:\d,)?|SYSMFG=2,.*,)(\d+)\r\n", data)
                heard, line, payload_bytes = b"", data, int(header[1]) if header else 0
                sent_payload = time_passed = asked = recovered = False
            elif payload_bytes and not sent_payload and not ((time_passed or recovered) and _recovers(data)):
                assert b">" in words, f"{data!r} ahead of a prompt"
                assert len(data) == payload_bytes, f"{data!r}: not {payload_bytes} bytes"
                sent_payload, time_passed = True, False
            else:
                miscounted = any(
                    word[:4] == b"Recv" and word != b"Recv %d bytes" % payload_bytes for word in words
                )
                assert time_passed or recovered or not line or miscounted, (
                    f"{data!r} behind a payload or a line"
                )
                assert _recovers(data), f"{data!r} is nothing that ends a data phase"
                recovered = True


def _counted(words: list[bytes]) -> bool:
    """Whether the module said that the payload is whole, or that it is in no data phase."""
    return any(word[:4] == b"Recv" or word in FINAL - {b"OK"} for word in words)


def _recovers(data: bytes) -> bool:
    return data in (b"+++", b"\r\n") or data == b"0" * len(data)


def _after_acceptance(words: list[bytes], payload_bytes: int) -> list[bytes]:
    """The OK in front of a prompt ends nothing."""
    if payload_bytes and b"OK" in words:
        words = words.copy()
        words.remove(b"OK")
    return words


# ---- dialogues


@dataclass(frozen=True)
class Host:
    """The driver sends this command."""

    command: Command[Any]


@dataclass(frozen=True)
class Wait:
    """So much time passes."""

    seconds: float


@dataclass(frozen=True)
class Do:
    """The driver does something else."""

    what: Callable[[SessionHarness], None]


Step = Host | Wait | Do | bytes
"""Bytes are one token that the module prints."""


@dataclass(frozen=True)
class Dialogue:
    """What both sides do, and what must be seen and written then."""

    name: str
    steps: list[Step]
    events: list[object]
    written: list[bytes] | None = None
    links: tuple[int, ...] = ()
    echo: bool = False
    calm: bool = True
    """Whether anything unsolicited may come between any two tokens and change nothing else."""
    own_link: bool = False
    """Whether payload may come for link 0, all the time."""

    def groups(self) -> list[Step]:
        """The steps with tokens that can stand in one read made one: none is answered before it is asked."""
        joined: list[Step] = []
        for step in self.steps:
            last = joined[-1] if joined else None
            if isinstance(step, bytes) and isinstance(last, bytes) and not last.endswith((b">", b"> ")):
                joined[-1] = last + step
            else:
                joined.append(step)
        return joined


def play(
    dialogue: Dialogue, steps: Iterable[Step], cut: Callable[[bytes], Iterable[bytes]]
) -> SessionHarness:
    """Run a dialogue, each module step cut into pieces."""
    harness = SessionHarness.ready(links=dialogue.links, echo=dialogue.echo)
    for step in steps:
        match step:
            case Host():
                harness.send(step.command)
            case Wait():
                harness.wait(step.seconds)
            case Do():
                step.what(harness)
                harness.pump()
            case bytes():
                harness.feed_pieces(cut(step))
    return harness


def whole(data: bytes) -> list[bytes]:
    return [data]


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]
