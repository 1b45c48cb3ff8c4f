"""Links: who owns which generation, and what becomes of those that open, close or speak when nobody waits."""

from __future__ import annotations

from typing import Any

import pytest

from esp32sock.at.commands import Command, Raw, basic, passive, tcpip, udp
from esp32sock.at.commands.certificates import CertificateKind, StoreCertificate
from esp32sock.at.events import (
    CommandFailed,
    Contradiction,
    LinkOpened,
    ModuleRestarted,
    OrphanLink,
    UnknownText,
    UnreadWaiting,
    WifiChanged,
)
from esp32sock.at.framing import NEED_DATA
from esp32sock.at.session import Session
from esp32sock.at.state import CommandState, LinkState, ModuleState
from esp32sock.at.urcs import LinkUp, Wifi
from esp32sock.errors import CommandError, Error, LocalProtocolError, ModuleReset, PortError
from tests.at.harness import (
    Closed,
    Data,
    Done,
    Failed,
    Fault,
    SessionHarness,
    assert_events,
    assert_polite,
    bytewise,
    chunk,
)

AT = basic.Test()
OPEN = tcpip.OpenTcp(0, "10.0.2.2", 7000)
SEND = tcpip.Send(0, chunk(0, b"hello"))
STORE = StoreCertificate(CertificateKind.AUTHORITY, 1, b"-----BEGIN X-----\nabc\n-----END X-----\n")
OK, ERROR = b"\r\nOK\r\n", b"\r\nERROR\r\n"
BARRIER, ANSWER = b"AT+CIPMUX?\r\n", b"+CIPMUX:1\r\n\r\nOK\r\n"
ORPHAN_DATA = OrphanLink(0, "payload arrived for a link that is not open")
NOT_LISTED = Contradiction("it does not list link 0, which it opened")
ORPHAN_LATE = OrphanLink(0, "it opened after its request had been cancelled")


# ---- a CIPSTART nobody waits for any more


@pytest.mark.parametrize("before", [True, False], ids=["abandoned before CONNECT", "after it"])
def test_a_link_that_opens_late_is_an_orphan(before: bool) -> None:
    harness = SessionHarness.ready()
    harness.send(OPEN)
    if before:
        harness.session.abandon()
        assert harness.link(0) is LinkState.LATE_CONNECT
    harness.feed(b"0,CONNECT\r\n")
    if not before:
        assert_events(harness.events, [LinkOpened(0, 1, accepted=False)])
        harness.session.abandon()
    harness.forget()
    harness.feed(b"\r\n+IPD,0,5:hello\r\n")
    assert harness.events == []  # nobody's
    harness.feed(OK)
    assert harness.events == [ORPHAN_LATE]
    assert harness.link(0) is LinkState.OPEN
    with pytest.raises(LocalProtocolError, match="link 0 is OPEN"):
        harness.session.send(OPEN, harness.now)
    harness.forget()
    harness.send(close := tcpip.Close(0))
    harness.feed(b"0,CLOSED\r\n" + OK)
    assert_events(harness.events, [Done(close)])
    assert harness.link(0) is LinkState.FREE
    assert_polite(harness.wire)


def test_a_cipstart_that_nobody_waits_for_and_that_is_refused() -> None:
    harness = SessionHarness.ready()
    harness.send(OPEN)
    harness.session.abandon()
    harness.feed(ERROR + b"0,CLOSED\r\n")
    assert harness.events == []
    assert harness.link(0) is LinkState.FREE


def test_a_cipstart_that_took_too_long_and_opens_after_all() -> None:
    harness = SessionHarness.ready()
    harness.send(OPEN)
    for _ in range(round(OPEN.timeout)):
        harness.wait(1)
        if len(harness.written) > 1:  # a barrier: it still tries
            harness.written.pop()
            harness.feed(b"\r\nbusy p...\r\n")
    assert_events(harness.events, [Failed(OPEN, CommandError, "nothing in time")])
    assert harness.link(0) is LinkState.LATE_CONNECT
    harness.feed(b"0,CONNECT\r\n" + OK)
    assert harness.events[1:] == [ORPHAN_LATE]


def test_a_late_link_that_closes_again_before_its_ok() -> None:
    harness = SessionHarness.ready()
    harness.send(OPEN)
    harness.session.abandon()
    harness.feed(b"0,CONNECT\r\n0,CLOSED\r\n" + OK)
    assert harness.events == [ORPHAN_LATE]  # to close it once too often does no harm


def test_an_opened_link_that_is_given_back_before_its_caller_gives_up() -> None:
    harness = SessionHarness.ready()
    harness.send(OPEN)
    harness.feed(b"0,CONNECT\r\n0,CLOSED\r\n")
    harness.session.links.release(0)
    harness.session.abandon()
    harness.feed(OK)
    assert harness.link(0) is LinkState.FREE
    assert harness.idle


def test_a_link_that_opened_and_closed_before_its_caller_gives_up() -> None:
    harness = SessionHarness.ready()
    harness.send(OPEN)
    harness.feed(b"0,CONNECT\r\n0,CLOSED\r\n")
    harness.session.abandon()
    harness.feed(OK)
    assert harness.link(0) is LinkState.PEER_CLOSED
    assert harness.idle


def test_a_link_that_opened_and_closed_before_its_command_fails() -> None:
    harness = SessionHarness.ready()
    harness.send(OPEN)
    harness.feed(b"0,CONNECT\r\n0,CLOSED\r\n" + ERROR)
    opened, closed = LinkOpened(0, 1, accepted=False), Closed(0, 1)
    assert_events(harness.events, [opened, closed, Failed(OPEN, CommandError)])
    assert harness.link(0) is LinkState.PEER_CLOSED


# ---- OK without CONNECT (doc-v1, NonOS)


@pytest.fixture
def unconfirmed() -> SessionHarness:
    harness = SessionHarness.ready()
    harness.send(OPEN)
    harness.feed(OK)
    assert_events(harness.events, [Done(OPEN)])
    assert harness.session.links.needs_confirmation(0)
    harness.forget()
    return harness


def test_listed(unconfirmed: SessionHarness) -> None:
    unconfirmed.feed(b"\r\n+IPD,0,5:hello\r\n")
    unconfirmed.session.links.confirm(0, listed=True)
    unconfirmed.pump()
    assert_events(unconfirmed.events, [Data(0, b"hello"), LinkOpened(0, 1, accepted=False)])
    assert unconfirmed.link(0) is LinkState.OPEN
    assert not unconfirmed.session.links.needs_confirmation(0)
    unconfirmed.session.links.confirm(0, listed=False)  # once is enough
    unconfirmed.pump()
    assert unconfirmed.link(0) is LinkState.OPEN


def test_not_listed(unconfirmed: SessionHarness) -> None:
    unconfirmed.session.links.confirm(0, listed=False)
    unconfirmed.pump()
    assert unconfirmed.events == [NOT_LISTED]
    assert unconfirmed.link(0) is LinkState.FREE
    unconfirmed.feed(b"\r\n+IPD,0,5:hello\r\n")
    assert unconfirmed.events[1:] == [ORPHAN_DATA]


def test_what_was_buffered_for_a_link_that_is_not_listed_is_no_orphan(unconfirmed: SessionHarness) -> None:
    session = unconfirmed.session
    session.receive_data(b"\r\n+IPD,0,5:hello\r\n", unconfirmed.now)
    while session.next_event() is not NEED_DATA:
        pass  # a driver that leaves it there
    session.links.confirm(0, listed=False)
    assert session.next_event() == NOT_LISTED
    session.receive_data(b"\r\nx\r\n", unconfirmed.now)
    assert session.next_event() == UnknownText(b"x")
    assert session.next_event() is NEED_DATA


def test_connect_comes_while_the_module_is_being_asked(unconfirmed: SessionHarness) -> None:
    unconfirmed.send(status := tcpip.Links())
    unconfirmed.feed(b"STATUS:3\r\n0,CONNECT\r\n" + OK)
    unconfirmed.session.links.confirm(0, listed=False)
    unconfirmed.pump()
    assert_events(unconfirmed.events, [LinkOpened(0, 1, accepted=False), Done(status, (b"STATUS:3",))])
    assert unconfirmed.link(0) is LinkState.OPEN
    unconfirmed.feed(b"0,CLOSED\r\n")
    assert_events(unconfirmed.events[2:], [Closed(0, 1)])


def test_closed_while_the_module_is_being_asked(unconfirmed: SessionHarness) -> None:
    """It was open, however shortly."""
    unconfirmed.feed(b"\r\n+IPD,0,3:bye\r\n0,CLOSED\r\n")
    assert_events(unconfirmed.events, [Data(0, b"bye"), LinkOpened(0, 1, accepted=False), Closed(0, 1)])
    assert not unconfirmed.session.links.needs_confirmation(0)
    unconfirmed.session.links.confirm(0, listed=True)
    assert unconfirmed.link(0) is LinkState.PEER_CLOSED


def test_nonos_closed_and_ok_without_connect_is_refused_by_the_list() -> None:
    harness = SessionHarness.ready()
    harness.send(OPEN)
    harness.feed(b"0,CLOSED\r\n" + OK)
    assert harness.session.links.needs_confirmation(0)
    harness.session.links.confirm(0, listed=False)
    assert harness.link(0) is LinkState.FREE
    assert_events(harness.events, [Done(OPEN)])


# ---- generations


def test_every_owner_has_a_generation_of_its_own() -> None:
    harness = SessionHarness.ready()
    for generation in range(1, 5):
        harness.send(OPEN)
        harness.feed(b"0,CONNECT\r\n" + OK)
        harness.feed(b"\r\n+IPD,0,1:%d\r\n0,CLOSED\r\n" % generation)
        harness.session.links.release(0)
        assert_events(
            harness.events,
            [
                LinkOpened(0, generation, accepted=False),
                Done(OPEN),
                Data(0, b"%d" % generation),
                Closed(0, generation),
            ],
        )
        harness.forget()


def test_what_one_read_holds_for_two_owners_is_told_apart() -> None:
    """Payload, its CLOSED, the next CONNECT and its payload, and no driver that comes round in between."""
    harness = SessionHarness.ready(links=[0])
    harness.feed(b"\r\n+IPD,0,3:old\r\n0,CLOSED\r\n0,CONNECT\r\n\r\n+IPD,0,3:new\r\n")
    assert_events(
        harness.events, [Data(0, b"old"), Closed(0, 1), LinkOpened(0, 2, accepted=True), Data(0, b"new")]
    )


def test_payload_behind_a_closed_is_nobodys() -> None:
    harness = SessionHarness.ready(links=[0])
    harness.feed(b"0,CLOSED\r\n\r\n+IPD,0,3:old\r\n")
    assert_events(harness.events, [Closed(0, 1)])
    harness.session.links.release(0)
    harness.feed(b"\r\n+IPD,0,3:old\r\n")
    assert harness.events[1:] == [ORPHAN_DATA]


@pytest.mark.parametrize("cut", range(1, 6))
def test_a_block_under_way_when_its_link_is_closed_does_not_reach_the_next_owner(cut: int) -> None:
    harness = SessionHarness.ready(links=[0])
    harness.feed(b"\r\n+IPD,0,6:" + b"stream"[:cut])
    harness.send(tcpip.Close(0))
    harness.feed(b"stream"[cut:] + b"\r\n0,CLOSED\r\n" + OK)
    harness.send(OPEN)
    harness.feed(b"0,CONNECT\r\n" + OK)
    assert [event for event in harness.events if isinstance(event, Data)] == [Data(0, b"stream"[:cut])]
    assert harness.opened() == [LinkOpened(0, 2, accepted=False)]


def test_a_datagram_link_and_a_stream_link_after_it() -> None:
    harness = SessionHarness.ready()
    harness.session.send(udp.OpenUdp(0, ("10.0.2.2", 7005)), harness.now)
    harness.session.data_to_send(harness.now)
    harness.session.receive_data(
        b"0,CONNECT\r\n" + OK + b"\r\n+IPD,0,2:ab\r\n\r\n+IPD,0,1:c\r\n", harness.now
    )
    while harness.session.next_event() is not NEED_DATA:
        pass
    assert [harness.session.demux.take_datagram(0) for _ in range(3)] == [
        (None, 0, b"ab"),
        (None, 0, b"c"),
        None,
    ]
    harness.feed(b"0,CLOSED\r\n")
    harness.session.links.release(0)
    harness.forget()
    harness.send(OPEN)
    harness.feed(b"0,CONNECT\r\n" + OK + b"\r\n+IPD,0,2:ab\r\n\r\n+IPD,0,1:c\r\n")
    assert_events(harness.events, [LinkOpened(0, 2, accepted=False), Done(OPEN), Data(0, b"abc")])


@pytest.mark.parametrize("link_id", [-1, 6, 9])
def test_a_link_id_that_does_not_exist_is_refused_with_nothing_sent(link_id: int) -> None:
    harness = SessionHarness.ready()
    commands: list[Command[Any]] = [
        tcpip.OpenTcp(link_id, "h", 1),
        tcpip.Close(link_id),
        tcpip.Send(link_id, chunk(4, b"x")),
        udp.OpenUdp(link_id, ("h", 1)),
    ]
    for command in commands:
        with pytest.raises(ValueError, match="link id"):
            harness.session.send(command, harness.now)
    assert harness.session.data_to_send(harness.now) == []
    assert harness.idle


@pytest.mark.parametrize(
    ("state", "command"),
    [
        ("OPEN", OPEN),
        ("PEER_CLOSED", OPEN),
        ("PEER_CLOSED", tcpip.Close(0)),
    ],
)
def test_a_link_in_no_state_for_it_is_refused_with_nothing_changed(
    state: str, command: tcpip.OpenTcp
) -> None:
    harness = SessionHarness.ready(links=[0])
    if state == "PEER_CLOSED":
        harness.feed(b"0,CLOSED\r\n")
    harness.forget()
    with pytest.raises(LocalProtocolError, match=f"link 0 is {state}"):
        harness.session.send(command, harness.now)
    harness.pump()
    assert harness.written == []
    assert harness.idle
    assert harness.link(0) is LinkState[state]
    assert harness.session.links[0].generation == 1


def test_an_open_link_cannot_be_released() -> None:
    harness = SessionHarness.ready(links=[0])
    with pytest.raises(LocalProtocolError, match="RELEASE"):
        harness.session.links.release(0)
    harness.feed(b"\r\n+IPD,0,2:ab\r\n")
    assert_events(harness.events, [Data(0, b"ab")])


# ---- orphans


def test_an_orphan_is_reported_once_until_something_is_done() -> None:
    harness = SessionHarness.ready()
    harness.feed_pieces(bytewise(b"\r\n+IPD,0,5:hello\r\n\r\n+IPD,0,5:again\r\n"))
    assert harness.events == [ORPHAN_DATA]
    harness.forget()
    harness.send(close := tcpip.Close(0))
    harness.feed(b"\r\n+IPD,0,1:x\r\n" + ERROR)
    harness.feed(b"\r\n+IPD,0,1:y\r\n")
    doubt = Contradiction("it did not close link 0")
    assert_events(harness.events, [doubt, Failed(close, CommandError), ORPHAN_DATA])


# ---- what 2.0 does not stand: receiving between prompt and payload (known-bugs 12)


@pytest.mark.parametrize(
    ("before", "at_prompt", "behind", "expected"),
    [
        (b"", b"", b"", False),
        (b"\r\n+IPD,0,2:ab\r\n", b"", b"", False),
        (b"", b"\r\n+IPD,0,2:ab\r\n", b"", True),
        (b"", b"\r\n+IPD,1,2:ab\r\n", b"", False),
        (b"", b"", b"\r\n+IPD,0,2:ab\r\n", False),
    ],
)
def test_a_block_between_prompt_and_recv_is_noticed(
    before: bytes, at_prompt: bytes, behind: bytes, expected: bool
) -> None:
    harness = SessionHarness.ready(links=[0, 1])
    harness.send(SEND)
    harness.feed(before + b"\r\nOK\r\n\r\n>")
    harness.feed(at_prompt)
    harness.feed(b"\r\nRecv 5 bytes\r\n" + behind + b"\r\nSEND OK\r\n" + behind)
    assert harness.session.links.received_while_sending(SEND) is expected
    harness.send(SEND)
    harness.feed(b"\r\nOK\r\n\r\n>")
    harness.feed(b"\r\nRecv 5 bytes\r\n\r\nSEND OK\r\n")
    assert harness.session.links.received_while_sending(SEND) is False


BLOCK = b"\r\n+IPD,0,2:ab\r\n"


@pytest.mark.parametrize(("said", "expected"), [
    (b"\r\nOK\r\n\r\n>{}\r\nRecv 5 bytes\r\n\r\nSEND OK\r\n", False),
    (BLOCK + b"\r\nOK\r\n\r\n>{}\r\nRecv 5 bytes\r\n\r\nSEND OK\r\n", False),
    (b"\r\nOK\r\n" + BLOCK + b"\r\n>{}\r\nRecv 5 bytes\r\n\r\nSEND OK\r\n", True),
    (b"\r\nOK\r\n\r\n>{}" + BLOCK + b"\r\nRecv 5 bytes\r\n\r\nSEND OK\r\n", True),
    (b"\r\nOK\r\n\r\n>{}\r\nRecv 5 bytes\r\n" + BLOCK + b"\r\nSEND OK\r\n", True),
    (b"\r\nOK\r\n\r\n>{}\r\nRecv 5 bytes\r\n\r\nSEND OK\r\n" + BLOCK, False),
    (b"\r\nOK\r\n\r\n>{}\r\n+IPD,1,2:ab\r\n\r\nRecv 5 bytes\r\n\r\nSEND OK\r\n", False),
    (b"\r\n>{}" + BLOCK + b"\r\nRecv 5 bytes\r\n\r\nSEND OK\r\n", True),
])  # fmt: skip
def test_where_a_block_can_make_a_link_deaf(said: bytes, expected: bool) -> None:
    """From the OK to the SEND OK (real-firmware, the soak); `{}` is where the payload is written."""
    harness = SessionHarness.ready(links=[0, 1])
    harness.send(SEND)
    for part in said.split(b"{}"):
        harness.feed(part)
    assert harness.session.links.may_be_deaf(SEND) is expected
    harness.send(SEND)
    harness.feed(b"\r\nOK\r\n\r\n>")
    harness.feed(b"\r\nRecv 5 bytes\r\n\r\nSEND OK\r\n")
    assert harness.session.links.may_be_deaf(SEND) is False


def test_noticed_without_a_recv_too() -> None:
    harness = SessionHarness.ready(links=[0])
    harness.send(SEND)
    harness.feed(b">")
    harness.feed(b"\r\n+IPD,0,2:ab\r\n\r\nSEND OK\r\n")
    assert harness.session.links.received_while_sending(SEND) is True
    harness.send(SEND)
    harness.feed(ERROR)  # no data phase at all
    assert harness.session.links.received_while_sending(SEND) is False


def test_what_is_stored_goes_over_no_link() -> None:
    harness = SessionHarness.ready(links=[0])
    harness.send(SEND)
    harness.feed(b">")
    harness.feed(b"\r\n+IPD,0,2:ab\r\n\r\nRecv 5 bytes\r\n\r\nSEND OK\r\n")
    harness.forget()
    harness.send(STORE)
    harness.feed(b"\r\nOK\r\n\r\n>")
    harness.feed(b"\r\nOK\r\n")
    assert_events(harness.events, [Done(STORE)])
    assert harness.session.links.received_while_sending(SEND) is True


# ---- single-link mode


def test_single_link_mode() -> None:
    harness = SessionHarness.ready(mux=False)
    harness.send(start := tcpip.OpenTcp(None, "10.0.2.2", 7000))
    harness.feed(b"CONNECT\r\n" + OK)
    harness.send(send := tcpip.Send(0, chunk(None, b"hello")))
    harness.feed(b"\r\nOK\r\n\r\n>")
    harness.feed(b"\r\nRecv 5 bytes\r\n\r\nSEND OK\r\n\r\n+IPD,5:hello\r\n")
    harness.send(close := tcpip.Close())
    harness.feed(b"CLOSED\r\n" + OK)
    assert_events(
        harness.events,
        [LinkOpened(0, 1, accepted=False), Done(start), Done(send), Data(0, b"hello"), Done(close)],
    )
    assert harness.written == [
        b'AT+CIPSTART="TCP","10.0.2.2",7000\r\n',
        b"AT+CIPSEND=5\r\n",
        b"hello",
        b"AT+CIPCLOSE\r\n",
    ]


@pytest.mark.parametrize(
    "command", [tcpip.SetMultiplexed(on=True), Raw(b"at+cipmux=1")], ids=["typed", "raw"]
)
def test_the_mode_follows_the_command_that_sets_it(command: tcpip.SetMultiplexed) -> None:
    harness = SessionHarness.ready(mux=False)
    harness.send(command)
    harness.feed(ERROR)
    assert not harness.session.demux.mux
    harness.send(command)
    harness.feed(OK + b"2,CONNECT\r\n\r\n+IPD,2,2:ab\r\n")  # in the same read
    assert harness.events[2:] == [LinkOpened(2, 1, accepted=True), Data(2, b"ab")]
    harness.send(tcpip.SetMultiplexed(on=False))
    harness.feed(OK)
    assert not harness.session.demux.mux


# ---- the port and restarts


def test_what_was_read_from_a_lost_port_is_forgotten() -> None:
    harness = SessionHarness.ready(links=[0])
    harness.send(OPEN1 := tcpip.OpenTcp(1, "h", 1))
    harness.hear(b"\r\n+IPD,0,5:hello\r\n1,CONNECT\r\n" + OK + b"\r\n+IPD,0,100:half")
    harness.session.connection_lost(lost := PortError("unplugged"))
    harness.pump()
    assert_events(harness.events, [Failed(OPEN1, PortError, "unplugged"), Closed(0, 1, PortError)])
    assert harness.events[0].error is lost  # type: ignore[attr-defined]
    harness.forget()
    harness.feed(b"2,CONNECT\r\n\r\nWill force to restart!!!\r\n\r\nready\r\n")  # nobody's
    assert harness.events == []
    assert harness.session.next_deadline() == float("inf")
    harness.session.links.release(0)
    harness.session.port_opened()
    harness.feed(b"\r\n+IPD,3,1:x\r\n3,CONNECT\r\n")
    assert harness.events == [
        OrphanLink(3, "payload arrived for a link that is not open"),
        LinkOpened(3, 1, accepted=True),
    ]


def test_a_port_that_is_lost_between_payload_and_the_line_behind_it() -> None:
    harness = SessionHarness.ready(links=[0])
    harness.send(SEND)
    harness.hear(b"\r\n+IPD,0,5:hello\r\n\r\nOK\r\n\r\n>")
    assert type(harness.session.next_event()).__name__ == "DataReceived"  # and the line behind it is held
    harness.session.connection_lost()
    harness.pump()
    assert_events(
        harness.events, [Failed(SEND, PortError, "the serial port was lost"), Closed(0, 1, PortError)]
    )
    assert harness.written == [b"AT+CIPSEND=0,5\r\n"]


def test_a_prompt_that_is_held_back_while_time_runs_out() -> None:
    """The deadline is handled between the payload in front of the prompt and the prompt."""
    harness = SessionHarness.ready(links=[0])
    harness.send(SEND)
    harness.hear(b"\r\n+IPD,0,5:hello\r\n>")
    assert type(harness.session.next_event()).__name__ == "DataReceived"
    harness.session.demux.take(0)
    harness.now = harness.session.next_deadline()
    harness.session.handle_deadline(harness.now)
    assert harness.session.command.state is CommandState.CANCELLING
    harness.pump()
    assert harness.session.command.state is CommandState.CANCELLING
    assert harness.written == [b"AT+CIPSEND=0,5\r\n"]


def test_a_new_port_knows_nothing_of_the_old_one() -> None:
    harness = SessionHarness.ready(links=[0, 1])
    harness.session.connection_lost()
    harness.session.connection_lost()  # once more does no harm
    assert harness.state() is ModuleState.OFFLINE
    harness.session.port_opened()
    assert harness.state() is ModuleState.SYNCING
    harness.pump()
    harness.forget()
    harness.send(AT)
    harness.feed(b"AT\r\n" + OK)  # echo is on again
    assert_events(harness.events, [Done(AT)])
    with pytest.raises(LocalProtocolError):
        harness.session.port_opened()
    with pytest.raises(LocalProtocolError):
        Session().set_up()
    with pytest.raises(LocalProtocolError):
        Session().force_restart()


def test_a_forced_restart_is_written_whatever_was_going_on() -> None:
    harness = SessionHarness.ready(links=[0])
    harness.send(close := tcpip.Close(0))
    harness.feed(b"\r\nbusy p...\r\n")
    harness.forget()
    harness.session.force_restart()
    harness.pump()
    assert harness.written == [b"AT+RST\r\n"]
    harness.feed(b"\r\nWill force to restart!!!\r\n\r\nOK\r\nWIFI DISCONNECT\r\n\r\nready\r\n")
    assert_events(
        harness.events, [Failed(close, ModuleReset), WifiChanged(Wifi.DISCONNECTED), ModuleRestarted(True)]
    )
    harness.wait(100)
    assert harness.written == [b"AT+RST\r\n"]
    assert_polite(harness.wire)


@pytest.mark.parametrize("name", [b"AT+RST", b"AT+RESTORE", b"at+rst"])
def test_a_raw_restart_is_one(name: bytes) -> None:
    harness = SessionHarness.ready(links=[0])
    harness.send(raw := Raw(name))
    harness.feed(OK)
    assert harness.state() is ModuleState.RESETTING
    assert_events(harness.events, [Done(raw), Closed(0, 1, ModuleReset)])
    harness.feed(b"\r\nready\r\n")
    assert harness.events[-1] == ModuleRestarted(True)
    assert harness.state() is ModuleState.SYNCING


def test_echo_is_on_after_a_restart() -> None:
    harness = SessionHarness.ready()
    harness.feed(b"\r\nready\r\n")
    harness.forget()
    harness.send(AT)
    harness.feed(b"A")
    harness.feed(b"T\r\n" + OK)
    assert_events(harness.events, [Done(AT)])


def test_ready_in_every_state_of_a_link_and_of_the_module() -> None:
    harness = SessionHarness()
    harness.feed(b"\r\nready\r\n")
    assert harness.events == [ModuleRestarted(True)]  # while probing it is no surprise
    harness.session.set_up()
    harness.feed(b"\r\nready\r\n")
    assert harness.events[1:] == [ModuleRestarted(False)]
    assert harness.state() is ModuleState.SYNCING


def test_a_fault_is_only_of_a_link_somebody_has() -> None:
    harness = SessionHarness.ready(links=[0, 1])
    harness.feed(b"1,CLOSED\r\n")
    harness.forget()
    harness.feed(b"\r\n+IPD,1,2:abgarbage\r\n\r\n+IPD,0,2:abgarbage\r\n")
    assert_events(harness.events, [UnknownText(b"garbage"), Data(0, b"ab"), Fault(0, 1, "garbage")])


@pytest.mark.parametrize("end", [OK, ERROR, b"\r\nready\r\n"])
def test_what_nobody_asked_for_does_not_reach_the_link_that_was_asked_about_last(end: bytes) -> None:
    harness = SessionHarness.ready(links=[0, 1])
    harness.send(passive.ReceiveData(1))
    harness.feed(b"+CIPRECVDATA:5,hello" + end)
    assert Data(1, b"hello") in harness.events
    harness.forget()
    harness.feed(b"+CIPRECVDATA:5,world\r\n")
    assert not [event for event in harness.events if isinstance(event, Data)]


# ---- CIPCLOSE that is answered by ERROR


def test_an_error_to_the_close_of_an_open_link_is_no_proof_that_it_is_closed() -> None:
    harness = SessionHarness.ready(links=[0])
    close = tcpip.Close(0)
    harness.send(close)
    harness.feed(ERROR)
    doubt = Contradiction("it did not close link 0")
    assert_events(harness.events, [doubt, Failed(close, CommandError)])


def test_an_error_to_the_close_of_a_link_that_its_peer_closed_meanwhile_is_expected() -> None:
    harness = SessionHarness.ready(links=[0])
    close = tcpip.Close(0)
    harness.send(close)
    harness.feed(b"0,CLOSED\r\n" + ERROR)
    assert_events(harness.events, [Failed(close, CommandError)])


@pytest.mark.parametrize("connect", [b"0,CONNECT\r\n", b""], ids=["seen", "its CONNECT lost"])
@pytest.mark.parametrize("open_before", [True, False])
def test_a_client_that_comes_while_its_id_is_closed_is_not_taken_for_a_new_one(
    open_before: bool, connect: bytes
) -> None:
    harness = SessionHarness.ready(links=[0] if open_before else [])
    close = tcpip.Close(0)
    harness.send(close)
    harness.feed(b"0,CLOSED\r\n" * open_before + connect + b"\r\n+IPD,0,5:hello\r\n" + ERROR)
    doubt = Contradiction("it did not close link 0")
    assert_events(harness.events, [doubt, Failed(close, CommandError)])
    links = harness.session.links
    assert not links.adopt(LinkUp(0, True, ("10.0.2.2", 20001), 80)), "hello was dropped"
    harness.send(close)
    harness.feed(b"0,CLOSED\r\n" + OK)
    assert not links[0].is_unsettled
    harness.feed(b"0,CONNECT\r\n")
    assert links[0].state is LinkState.OPEN


def test_a_client_that_comes_while_its_id_is_closed_and_goes_is_forgotten() -> None:
    harness = SessionHarness.ready(links=[0])
    harness.send(tcpip.Close(0))
    harness.feed(b"0,CLOSED\r\n0,CONNECT\r\n0,CLOSED\r\n" + ERROR)
    assert not harness.session.links[0].is_unsettled


def test_a_client_on_the_id_of_an_accepted_link_shows_that_its_closed_was_lost() -> None:
    harness = SessionHarness.ready(links=[0])
    harness.feed(b"\r\n+IPD,0,3:old\r\n0,CONNECT\r\n\r\n+IPD,0,3:new\r\n")
    assert_events(
        harness.events,
        [Data(0, b"old"), Closed(0, 1, Error), LinkOpened(0, 2, accepted=True), Data(0, b"new")],
    )
    harness.feed(b"\r\n+IPD,0,4:more\r\n")
    assert_events(harness.events[2:], [LinkOpened(0, 2, accepted=True), Data(0, b"newmore")])


def test_an_announcement_for_a_link_that_is_not_open_here_is_a_doubt() -> None:
    harness = SessionHarness.ready(links=[0])
    harness.feed(b"\r\n+IPD,3,1460\r\n")
    doubt = Contradiction("it announces payload of link 3, which is not open here")
    assert_events(harness.events, [doubt, UnreadWaiting(3, 1460)])


def test_a_link_that_did_not_close_is_unsettled_until_the_module_shows_what_became_of_it() -> None:
    harness = SessionHarness.ready(links=[0])
    links = harness.session.links
    harness.send(tcpip.Close(0))
    harness.feed(ERROR)
    assert links[0].is_unsettled
    assert not links.adopt(LinkUp(0, True, ("10.0.2.2", 20001), 80))
    assert links[0].state is LinkState.FREE
    harness.feed(b"0,CLOSED\r\n")
    assert not links[0].is_unsettled
    assert links.adopt(LinkUp(0, True, ("10.0.2.2", 20001), 80))


def test_a_link_whose_opening_was_not_answered_is_unsettled() -> None:
    harness = SessionHarness.ready()
    harness.send(tcpip.OpenTcp(3, "10.0.2.2", 80))
    harness.wait(harness.session.next_deadline() - harness.now)
    assert harness.written[-1] == b"AT+CIPMUX?\r\n"
    harness.feed(b"+CIPMUX:1\r\n\r\nOK\r\n")
    assert harness.session.links[3].state is LinkState.FREE
    assert harness.session.links[3].is_unsettled
    harness.session.links.settle(3)
    assert not harness.session.links[3].is_unsettled


def test_a_link_that_is_not_confirmed_yet_can_be_closed() -> None:
    harness = SessionHarness.ready()
    harness.send(tcpip.OpenTcp(3, "10.0.2.2", 80))
    harness.feed(OK)
    close = tcpip.Close(3)
    harness.send(close)
    harness.feed(OK)
    assert_events(harness.events[-1:], [Done(close)])
    assert harness.session.links[3].state is LinkState.FREE


@pytest.mark.parametrize(
    ("between", "doubts"), [(b"", 1), (b"3,CLOSED\r\n", 0)], ids=["unseen", "closed meanwhile"]
)
def test_a_link_that_is_listed_and_not_open_here_is_a_doubt(between: bytes, doubts: int) -> None:
    harness = SessionHarness.ready(links=[0])
    harness.send(tcpip.Links())
    listed = b'+CIPSTATUS:0,"TCP","10.0.2.2",7000,61510,0\r\n+CIPSTATUS:3,"TCP","10.0.2.2",7001,61511,0\r\n'
    harness.feed(b"STATUS:3\r\n" + listed + between + OK)
    doubt = Contradiction("it lists link 3, which is not open here")
    assert [event for event in harness.events if isinstance(event, Contradiction)] == [doubt] * doubts


def test_a_send_gives_no_payload_to_the_next_client_on_its_link() -> None:
    harness = SessionHarness.ready(links=[0])
    harness.send(SEND)
    harness.feed(b"0,CLOSED\r\n")
    harness.session.links.release(0)
    harness.feed(b"0,CONNECT\r\n" + OK + b"\r\n>")
    while not harness.idle:
        harness.wait(harness.session.next_deadline() - harness.now)
        if harness.written[-1] == b"+++":
            harness.feed(b"\r\nSEND Canceled\r\n")
        elif harness.written[-1] == b"AT+CIPMUX?\r\n":
            harness.feed(b"+CIPMUX:1\r\n" + OK)
    assert b"hello" not in harness.written
    assert any(isinstance(event, CommandFailed) for event in harness.events)


def test_a_send_that_begins_anew_is_not_written_once_the_next_client_is_there() -> None:
    harness = SessionHarness.ready(links=[0])
    harness.send(SEND)
    harness.feed(b"\r\nbusy p...\r\n")
    while harness.written[-1] != b"+++":
        harness.wait(harness.session.next_deadline() - harness.now)
    harness.feed(b"\r\nSEND Canceled\r\n")
    while harness.written[-1] != b"AT+CIPMUX?\r\n":
        harness.wait(harness.session.next_deadline() - harness.now)
    harness.feed(b"+CIPMUX:1\r\n" + OK + b"0,CONNECT\r\n")
    assert harness.written.count(b"AT+CIPSEND=0,5\r\n") == 1
    assert any(isinstance(event, CommandFailed) for event in harness.events)
    assert harness.idle


def test_a_read_whose_payload_was_lost_is_not_repeated_for_a_busy_to_its_barrier() -> None:
    harness = SessionHarness.ready(links=[0])
    read = passive.ReceiveData(0)
    harness.send(read)
    harness.feed(OK)
    while harness.written[-1] != b"AT+CIPMUX?\r\n":
        harness.wait(harness.session.next_deadline() - harness.now)
    harness.feed(b"\r\nbusy p...\r\n+CIPMUX:1\r\n" + OK)
    assert sum(line.startswith(b"AT+CIPRECVDATA") for line in harness.written) == 1
    assert any(isinstance(event, CommandFailed) for event in harness.events)


@pytest.mark.parametrize("refusals", [ERROR, ERROR + ERROR], ids=["once", "twice"])
def test_the_error_of_a_mangled_barrier_does_not_end_a_read_whose_payload_may_be_lost(
    refusals: bytes,
) -> None:
    harness = SessionHarness.ready(links=[0])
    read = passive.ReceiveData(0)
    harness.send(read)
    harness.feed(OK)
    harness.wait_for(BARRIER)
    harness.feed(refusals)
    assert not harness.idle
    harness.feed(ANSWER)
    failed = [event.error for event in harness.events if isinstance(event, CommandFailed)]
    assert [isinstance(error, CommandError) and error.result for error in failed] == [
        "no answer, though it was worked off"
    ]


def test_a_read_of_a_link_that_holds_nothing_is_ended_by_error() -> None:
    harness = SessionHarness.ready(links=[0])
    read = passive.ReceiveData(0)
    harness.send(read)
    harness.feed(ERROR)
    assert_events(harness.events, [Failed(read, CommandError, "ERROR")])


def test_a_barrier_of_before_a_recovery_does_not_settle_it() -> None:
    harness = SessionHarness.ready(links=[0])
    harness.send(SEND)
    harness.wait_for(BARRIER)
    harness.feed(OK + b"\r\n>")
    harness.wait_for(b"+++")
    harness.feed(b"\r\nSEND Canceled\r\n")
    assert harness.written[-1] == b"\r\n"
    harness.feed(ANSWER)
    assert not harness.idle, "the answer to the empty line is to come still"
    harness.feed(ERROR)
    harness.wait_for(BARRIER)
    harness.feed(ANSWER)
    assert harness.idle


def test_a_slow_line_does_not_slow_each_step_of_a_recovery() -> None:
    harness = SessionHarness.ready(links=[0])
    harness.send(AT)
    harness.wait(0.4)
    harness.feed(OK)
    assert harness.session.grace_s == pytest.approx(1.2)
    started = harness.now
    harness.send(tcpip.Send(0, chunk(0, bytes(5760))))
    harness.wait_for(BARRIER)
    assert harness.now - started < 12.0
