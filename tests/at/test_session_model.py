"""The session against a small model of the module, written from at-dialects and knowing nothing of ours.

The model prints whole tokens in the order that at-dialects 8.5 guarantees and in no other; what is printed,
read, asked and waited for when is hypothesis's choice. Held all the time:

* what a peer sent reaches the generation of the link it was sent on, in order, nothing twice, nothing missing
  once the link is closed; no owner ever sees a byte of another;
* what was reported as sent is what the peer got, in order;
* one command in flight; a payload only behind its prompt and in one piece; nothing behind it;
* bytes lost on the way to the module end in an error on that link, and in a session that goes on.
"""

from __future__ import annotations

import contextlib
import re
from collections import deque
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from esp32sock.at.commands import basic, tcpip, wifi
from esp32sock.at.events import (
    CommandDone,
    CommandFailed,
    LinkClosed,
    LinkFault,
    LinkOpened,
    ModuleSilent,
    OrphanLink,
)
from esp32sock.at.framing import NEED_DATA
from esp32sock.at.session import Session
from esp32sock.at.state import LinkState
from esp32sock.errors import LocalProtocolError
from tests.at.harness import Data, SessionHarness, assert_polite, chunk

if TYPE_CHECKING:
    from collections.abc import Callable

SERVER_LINK = 4
"""The server hands out this one only, and we open the others: who gets which is not the session's matter."""


def stream(serial: int, length: int) -> bytes:
    """What the peer of this connection sends: nobody else's, and full of look-alikes."""
    unit = b"<%d>\r\nOK\r\n>0,CLOSED\r\n+IPD,0,9:\r\nready\r\n1,CONNECT\r\nSEND OK\r\n" % serial
    return (unit * (length // len(unit) + 1))[:length]


@dataclass(eq=False)
class Connection:
    """What one peer and the module have of each other."""

    serial: int
    accepted: bool = False
    announced: bool = False  # CONNECT was queued
    sent_bytes: int = 0  # by the peer
    got: bytearray = field(default_factory=bytearray)  # by the peer
    peer_closed: bool = False


class Module:
    """A module in CIPMUX=1 and ATE0: two queues of tokens, and what it does with what it reads."""

    def __init__(self) -> None:
        self.serials = count(1)
        self.links: dict[int, Connection] = {}
        self.all: list[Connection] = []
        self.answers: deque[bytes] = deque()
        self.unasked: deque[bytes] = deque()
        self.line = b""
        self.slow: str = ""  # CIPSTART or CIPSEND, when it is not decided yet
        self.start_link = 0
        self.sending: Connection | None = None  # whose data phase it is, or was
        self.in_data_phase = False
        self.missing = 0
        self.payload = bytearray()
        self.prompted = False
        self.lose = 0  # so many bytes of the next payload get lost
        self.drop_lines = 0  # so many lines are answered with busy and dropped
        self.spurious_busy = False
        self.knows_plus = True

    @property
    def runs(self) -> bool:
        return bool(self.slow) or self.in_data_phase

    # -- what it reads: each write of the host is one read

    def read(self, data: bytes) -> None:
        if not self.in_data_phase:
            self._read_text(data)
        elif data == b"+++" and self.knows_plus:
            self.in_data_phase = False
            self.answers.append(b"\r\nSEND Canceled\r\n")
        else:
            assert self.prompted, f"{data!r} came before the prompt was printed"
            if self.lose:
                data, self.lose = data[: -self.lose], 0
            taken, rest = data[: self.missing], data[self.missing :]
            self.payload += taken
            self.missing -= len(taken)
            if not self.missing:
                self.in_data_phase = False
                self.answers.append(b"\r\nRecv %d bytes\r\n" % len(self.payload))
                self.slow = "CIPSEND"
                if rest:
                    self.answers.appendleft(b"\r\nbusy p...\r\n")

    def _read_text(self, data: bytes) -> None:
        self.line += data
        while b"\r\n" in self.line:
            line, _, self.line = self.line.partition(b"\r\n")
            if self.runs or self.drop_lines:
                self.drop_lines = max(0, self.drop_lines - 1)
                self.answers.append(b"\r\nbusy p...\r\n")
            else:
                if self.spurious_busy:
                    self.spurious_busy = False
                    self.answers.append(b"\r\nbusy p...\r\n")
                self._obey(line)

    def _obey(self, line: bytes) -> None:
        if match := re.fullmatch(rb'AT\+CIPSTART=(\d),"TCP","peer",80', line):
            link_id = int(match[1])
            if link_id in self.links:
                self.answers.append(b"\r\nERROR\r\n")
            else:
                self.slow, self.start_link = "CIPSTART", link_id
        elif match := re.fullmatch(rb"AT\+CIPSEND=(\d),(\d+)", line):
            if int(match[1]) not in self.links:
                self.answers.append(b"\r\nERROR\r\n")
                return
            self.sending, self.missing = self.links[int(match[1])], int(match[2])
            self.in_data_phase = True
            self.payload, self.prompted = bytearray(), False
            self.answers += [b"\r\nOK\r\n", b"\r\n>"]
        elif match := re.fullmatch(rb"AT\+CIPCLOSE=(\d)", line):
            if int(match[1]) not in self.links:
                self.answers.append(b"\r\nERROR\r\n")
                return
            self._gone(int(match[1]))
            self.answers.append(b"%d,CLOSED\r\n" % int(match[1]))
            self.answers.append(b"\r\nOK\r\n")
        elif line == b"AT+CIPSTATUS":
            self.answers.append(b"STATUS:3\r\n")
            self.answers += [b'+CIPSTATUS:%d,"TCP","peer",80,1000,0\r\n' % link_id for link_id in self.links]
            self.answers.append(b"\r\nOK\r\n")
        elif line in (b"AT+CIPMUX?", b"AT+CIPMODE?"):
            self.answers += [line[2:-1] + (b":1\r\n" if line == b"AT+CIPMUX?" else b":0\r\n"), b"\r\nOK\r\n"]
        elif line == b"AT":
            self.answers.append(b"\r\nOK\r\n")
        else:
            self.answers.append(b"\r\nERROR\r\n")

    # -- what happens to it

    def decide(self, good: bool) -> None:
        """A CIPSTART or CIPSEND that took its time."""
        what, link_id, self.slow = self.slow, self.start_link, ""
        if what == "CIPSEND":
            assert self.sending is not None
            good = good and self.sending in self.links.values()
            if not self.sending.peer_closed:
                self.sending.got += self.payload if good else self.payload[: len(self.payload) // 2]
            self.answers.append(b"\r\nSEND OK\r\n" if good else b"\r\nSEND FAIL\r\n")
        elif good:
            self._connect(link_id, accepted=False)
            self.answers.append(b"%d,CONNECT\r\n" % link_id)
            self.answers.append(b"\r\nOK\r\n")
        else:
            self.answers.append(b"\r\nERROR\r\n")
            self.answers.append(b"%d,CLOSED\r\n" % link_id)  # known-bugs 6

    def accept(self) -> None:
        self._connect(SERVER_LINK, accepted=True)
        self.unasked.append(b"%d,CONNECT\r\n" % SERVER_LINK)

    def _connect(self, link_id: int, *, accepted: bool) -> None:
        connection = Connection(next(self.serials), accepted)
        self.links[link_id] = connection
        self.all.append(connection)

    def _gone(self, link_id: int) -> None:
        """Nothing that is queued for it is printed any more, but for its CLOSED."""
        del self.links[link_id]
        header = b"\r\n+IPD,%d," % link_id
        self.unasked = deque(token for token in self.unasked if not token.startswith(header))

    def peer_sends(self, link_id: int, length: int) -> None:
        connection = self.links[link_id]
        start, connection.sent_bytes = connection.sent_bytes, connection.sent_bytes + length
        data = stream(connection.serial, connection.sent_bytes)[start:]
        self.unasked.append(b"\r\n+IPD,%d,%d:%s\r\n" % (link_id, length, data))

    def peer_closes(self, link_id: int) -> None:
        self.links.pop(link_id).peer_closed = True
        self.unasked.append(b"%d,CLOSED\r\n" % link_id)

    # -- what it prints

    def can_print_unasked(self) -> bool:
        """Nothing of a link before its CONNECT."""
        if not self.unasked:
            return False
        word = self.unasked[0]
        link = re.match(rb"(?:\r\n\+IPD,)?(\d),", word)
        return link is None or b"%s,CONNECT\r\n" % link[1] not in self.answers

    def print_answer(self) -> bytes:
        token = self.answers.popleft()
        self.prompted = self.prompted or token == b"\r\n>"
        return token

    def print_unasked(self) -> bytes:
        return self.unasked.popleft()

    @property
    def is_silent(self) -> bool:
        return not self.answers and not self.unasked


@dataclass
class Owner:
    """One generation of a link as the host's driver sees it."""

    link_id: int
    received: bytearray = field(default_factory=bytearray)
    sent: bytearray = field(default_factory=bytearray)
    doubtful: bool = False
    closed: bool = False
    closed_by_us: bool = False


class SessionAgainstModel(RuleBasedStateMachine):
    """The driver is the state machine: it does nothing that the session forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.module = Module()
        self.harness = SessionHarness.ready()
        self.harness.wire.clear()
        self.harness.react = self.on_event
        self.session = self.harness.session
        self.printed = b""
        self.owners: dict[tuple[int, int], Owner] = {}
        self.orphans: set[int] = set()
        self.in_flight: object = None
        self.sending: tuple[int, int] | None = None
        self.stuck = False

    # -- the driver

    def host_sends(self, command: object) -> None:
        self.session.send(command, self.harness.now)  # type: ignore[arg-type]
        self.in_flight = command
        self.go_on()

    def go_on(self) -> None:
        """Events, then what must be written; the module reads each piece as one."""
        self.harness.pump()
        written, self.harness.written = self.harness.written, []
        for piece in written:
            self.module.read(piece)

    def on_event(self, event: object) -> None:
        links = self.session.links
        match event:
            case Data():
                key = (event.link_id, links[event.link_id].generation)
                owner = self.owners.setdefault(key, Owner(event.link_id))
                assert not owner.closed, "payload behind its CLOSED"
                owner.received += event.payload
            case LinkOpened():
                key = (event.link_id, event.generation)
                assert key not in self.owners or not self.owners[key].received or event.accepted
                self.owners.setdefault(key, Owner(event.link_id))
            case LinkClosed():
                key = (event.link_id, event.generation)  # of an orphan it is the first that is heard
                self.owners.setdefault(key, Owner(event.link_id)).closed = True
                if links[event.link_id].generation == event.generation:  # else the next client has it
                    links.release(event.link_id)
            case CommandDone():
                assert event.command is self.in_flight
                if isinstance(event.command, tcpip.Send):
                    assert self.sending is not None
                    self.owners[self.sending].sent += bytes(event.command.chunk.payload)
                self.in_flight = self.sending = None
            case CommandFailed():
                assert event.command is self.in_flight
                if self.sending is not None:
                    self.owners[self.sending].doubtful = True
                self.in_flight = self.sending = None
            case OrphanLink():
                self.orphans.add(event.link_id)
            case ModuleSilent():
                self.stuck = True
            case LinkFault():
                raise AssertionError(event)

    def open_owner(self, link_id: int) -> Owner | None:
        if self.session.links[link_id].state is not LinkState.OPEN:
            return None
        return self.owners.get((link_id, self.session.links[link_id].generation))

    def owned(self) -> list[int]:
        """The links a driver would send on."""
        owners = {link_id: self.open_owner(link_id) for link_id in (0, 1, 2, SERVER_LINK)}
        return [link_id for link_id, owner in owners.items() if owner is not None and not owner.doubtful]

    @initialize(opened=st.integers(0, 3))
    def some_links_are_open(self, opened: int) -> None:
        for link_id in range(opened):
            self.host_sends(tcpip.OpenTcp(link_id, "peer", 80))
            self.module.decide(good=True)
            self.goes_on([True, True], 4096)

    @precondition(lambda self: self.harness.idle and not self.stuck)
    @rule(
        what=st.sampled_from(["send"] * 6 + ["open"] * 2 + ["close", "ask"]),
        number=st.integers(0, 3),
        length=st.integers(1, 40),
        lose=st.sampled_from([0] * 9 + [1, 3, 9]),
    )
    def host_acts(self, what: str, number: int, length: int, lose: int) -> None:
        owned = self.owned()
        doubtful = [link_id for link_id in (0, 1, 2, SERVER_LINK) if self.is_doubtful(link_id)]
        free = [link_id for link_id in range(3) if self.session.links[link_id].state is LinkState.FREE]
        if self.orphans:
            link_id = self.orphans.pop()
            if self.session.links[link_id].state in (LinkState.OPEN, LinkState.FREE):
                self.host_sends(tcpip.Close(link_id))
        elif doubtful or (what == "close" and owned):
            link_id = doubtful[0] if doubtful else owned[number % len(owned)]
            owner = self.open_owner(link_id)
            assert owner is not None
            owner.closed_by_us = True
            self.host_sends(tcpip.Close(link_id))
        elif what == "send" and owned:
            self.host_sends_payload(owned[number % len(owned)], length, min(lose, length))
        elif what == "ask" or not free:
            self.host_sends(tcpip.Links() if number else basic.Test())
        else:
            self.host_sends(tcpip.OpenTcp(free[number % len(free)], "peer", 80))

    def is_doubtful(self, link_id: int) -> bool:
        owner = self.open_owner(link_id)
        return owner is not None and owner.doubtful

    def host_sends_payload(self, link_id: int, length: int, lose: int) -> None:
        self.sending = (link_id, self.session.links[link_id].generation)
        self.module.lose = lose
        owner = self.owners[self.sending]
        payload = bytes([65 + (len(owner.sent) + at) % 26 for at in range(length)])
        self.host_sends(tcpip.Send(link_id, chunk(link_id, payload)))

    @precondition(lambda self: self.in_flight is not None)
    @rule(really=st.integers(0, 4))
    def gives_up(self, really: int) -> None:
        if really:
            return
        self.session.abandon()
        if isinstance(self.in_flight, tcpip.OpenTcp):
            link_id = self.in_flight.opens or 0
            key = (link_id, self.session.links[link_id].generation)
            self.owners.setdefault(key, Owner(link_id)).closed_by_us = True
        if self.sending is not None:
            self.owners[self.sending].doubtful = True
        self.in_flight = self.sending = None

    # -- the module and its peers

    @precondition(lambda self: self.module.slow)
    @rule(good=st.sampled_from([True, True, True, False]))
    def module_decides(self, good: bool) -> None:
        self.module.decide(good)

    @rule(
        what=st.sampled_from(
            ["data", "data", "data", "close", "accept", b"WIFI GOT IP\r\n", b"local port:2\r\n"]
        ),
        number=st.integers(0, 4),
        length=st.sampled_from([0, 1, 5, 60, 1460]),
    )
    def something_happens(self, what: str | bytes, number: int, length: int) -> None:
        linked = sorted(self.module.links)
        if isinstance(what, bytes):
            self.module.unasked.append(what)
        elif what == "accept":
            free = self.session.links[SERVER_LINK].state is LinkState.FREE and SERVER_LINK not in self.orphans
            if free and SERVER_LINK not in linked and self.module.is_silent and not self.printed:
                self.module.accept()
        elif what == "data" and linked:
            self.module.peer_sends(linked[number % len(linked)], length)
        elif what == "close" and linked:
            self.module.peer_closes(linked[number % len(linked)])

    @precondition(lambda self: self.harness.idle and self.module.is_silent and not self.module.line)
    @rule(dropped=st.integers(0, 2), spurious=st.booleans(), plus=st.booleans())
    def module_has_a_mood(self, dropped: int, spurious: bool, plus: bool) -> None:
        self.module.drop_lines, self.module.spurious_busy = dropped, spurious and not dropped
        self.module.knows_plus = plus

    # -- the wire

    @precondition(lambda self: not self.module.is_silent or self.printed)
    @rule(order=st.lists(st.booleans(), min_size=1, max_size=12), size=st.sampled_from([7, 64, 4096, 4096]))
    def goes_on(self, order: list[bool], size: int) -> None:
        """Some tokens are printed, an answer or something unasked, and most of what was printed is read."""
        for answer_next in order:
            if self.module.answers and (answer_next or not self.module.can_print_unasked()):
                self.printed += self.module.print_answer()
            elif self.module.can_print_unasked():
                self.printed += self.module.print_unasked()
            piece, self.printed = self.printed[:size], self.printed[size:]
            self.harness.hear(piece)
            self.go_on()

    @precondition(lambda self: self.module.is_silent and not self.printed)
    @rule(seconds=st.sampled_from([0.06, 0.25, 1.0, 4.0, 20.0]))
    def time_passes(self, seconds: float) -> None:
        """Only when nothing is on its way: what is late on a loaded line is another test's.

        And no peer is as slow as a command may be: that module is stuck, and another test's too.
        """
        until = self.harness.now + (min(seconds, 1.0) if self.module.slow else seconds)
        while (due := self.session.next_deadline()) <= until and self.module.is_silent:
            self.harness.now = max(self.harness.now, due)
            self.harness.wire.append(("T", b""))
            self.session.handle_deadline(self.harness.now)
            self.go_on()
        if self.module.is_silent:
            self.harness.now = until

    # -- what must hold

    @invariant()
    def every_owner_has_the_bytes_of_one_peer(self) -> None:
        used: dict[int, int] = {}
        for (link_id, generation), owner in sorted(self.owners.items()):
            if not owner.received:
                continue
            received = bytes(owner.received)
            serial = re.match(rb"<(\d+)>", received)
            if serial is None:
                assert b"<123>".startswith(received[:1])
                continue
            assert received == stream(int(serial[1]), len(received)), (link_id, generation)
            assert used.get(link_id, 0) < int(serial[1]), "bytes of an owner before"
            used[link_id] = int(serial[1])
            connection = self.module.all[int(serial[1]) - 1]
            assert len(received) <= connection.sent_bytes
            if owner.closed and connection.peer_closed and not owner.closed_by_us:
                assert len(received) == connection.sent_bytes, "closed, and bytes are missing"

    @invariant()
    def what_was_sent_is_what_was_got(self) -> None:
        sent = [bytes(owner.sent) for owner in self.owners.values() if owner.sent]
        got = [bytes(connection.got) for connection in self.module.all]
        for one in sent:
            assert any(other.startswith(one) for other in got)

    def teardown(self) -> None:
        """Let everything come to its end: then a command is answered, or the module is known to be stuck."""
        self.module.drop_lines, self.module.spurious_busy = 0, False
        for _ in range(2000):
            if self.module.slow:
                self.module.decide(True)
            while self.module.answers or self.module.can_print_unasked():
                ask_first = self.module.answers and not self.module.can_print_unasked()
                self.printed += self.module.print_answer() if ask_first else self.module.print_unasked()
            if self.printed:
                self.harness.hear(self.printed)
                self.printed = b""
                self.go_on()
            elif not self.harness.idle and self.session.next_deadline() < float("inf"):
                self.time_passes(1.0)
            elif self.module.is_silent and not self.module.slow:
                break
        else:
            raise AssertionError("it does not come to an end")
        assert not self.stuck
        assert self.harness.idle
        self.every_owner_has_the_bytes_of_one_peer()
        self.what_was_sent_is_what_was_got()
        self.host_sends(basic.Test())
        assert self.module.answers.pop() == b"\r\nOK\r\n"
        self.harness.hear(b"\r\nOK\r\n")
        self.go_on()
        assert self.in_flight is None
        assert self.harness.idle
        assert_polite(self.harness.wire)


SessionAgainstModel.TestCase.settings = settings(
    max_examples=200, stateful_step_count=80, deadline=None, suppress_health_check=list(HealthCheck)
)
test_against_a_model_of_the_module = SessionAgainstModel.TestCase


# ---- any bytes at all

LOOK_ALIKES = rb"""
\r\n|OK|ERROR|>|> |+IPD,|0,|5:|+IPD,0,5:|+IPD,9,1:|CLOSED\r\n|0,CLOSED\r\n|0,CONNECT\r\n|1,CONNECT\r\n
\r\nready\r\n|SEND OK\r\n|SEND FAIL\r\n|Recv 5 bytes\r\n|busy p...\r\n|Will force to restart!!!\r\n
SEND Canceled\r\n|+CWJAP:3\r\n|+LINK_CONN:0,0,"TCP",1,"|",49469,80\r\n|+IPD,4,99999999:|ERR CODE:0x
AT+CIPSEND=0,5\r\n|"|\\|+CIPRECVDATA:3,|+LINK_CONN:1,0,|\x00|\xff|+CWJAP:|99999|STATUS:|+CIPSTATUS:
"""
WORDS = st.sampled_from(
    [word.decode("unicode_escape").encode("latin-1") for word in re.split(rb"[|\n]", LOOK_ALIKES.strip())]
    + [b"9" * 5000]
)
ACTIONS = st.sampled_from(
    [
        "open",
        "send",
        "close",
        "join",
        "at",
        "rst",
        "abandon",
        "wait",
        "lose",
        "port",
        "setup",
        "force",
        "confirm",
    ]
)


@settings(max_examples=1500, deadline=None)
@given(st.lists(WORDS | st.binary(max_size=12) | ACTIONS, max_size=60), st.booleans())
def test_any_bytes_whatsoever_never_raise(script: list[bytes | str], bytewise: bool) -> None:
    """Whatever the driver does in between, as far as it is let."""
    session, now = Session(), 0.0
    session.port_opened()
    actions: dict[str, Callable[[], None]] = {
        "open": lambda: session.send(tcpip.OpenTcp(0, "h", 1), now),
        "send": lambda: session.send(tcpip.Send(0, chunk(0, b"hello")), now),
        "close": lambda: session.send(tcpip.Close(0), now),
        "join": lambda: session.send(wifi.Join("s", "p"), now),
        "at": lambda: session.send(basic.Test(), now),
        "rst": lambda: session.send(basic.Restart(), now),
        "abandon": session.abandon,
        "lose": session.connection_lost,
        "port": session.port_opened,
        "setup": session.set_up,
        "force": session.force_restart,
        "confirm": lambda: session.links.confirm(0, listed=now % 2 < 1),
        "wait": lambda: session.handle_deadline(now),
    }
    for step in script:
        now += 0.4
        if isinstance(step, str):
            with contextlib.suppress(LocalProtocolError):
                actions[step]()
        else:
            for piece in [step[at : at + 1] for at in range(len(step))] if bytewise else [step]:
                session.receive_data(piece, now)
        if now % 1 < 0.5:
            while session.next_event() is not NEED_DATA:
                pass
            session.data_to_send(now)
        now = min(max(now, session.next_deadline()), now + 5) if step == "wait" else now
    while session.next_event() is not NEED_DATA:
        pass
