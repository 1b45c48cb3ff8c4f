"""A long send in the session: its reports, its ends, and what it owes (sendl file of 4.1)."""

from __future__ import annotations

import pytest

from esp32sock.at import command_transaction as transaction
from esp32sock.at import data_phase_recovery as recovery
from esp32sock.at.commands import longsend
from esp32sock.at.firmware import Firmware
from esp32sock.at.state import CommandState
from esp32sock.errors import CommandError
from tests.at.harness import Done, Failed, SessionHarness, assert_events
from tests.at.test_session_data_phase import PROMPT, assert_usable, settle, until_written

SEND = longsend.SendLong(0, memoryview(b"x" * 20000))
REPORT = b"+CIPSENDL:%d,%d\r\n"
SEND_OK = b"\r\nSEND OK\r\n"


@pytest.fixture
def harness() -> SessionHarness:
    harness = SessionHarness.ready(links=[0])
    harness.session.firmware = Firmware((4, 1, 0, 0))
    harness.send(SEND)
    harness.feed(PROMPT)
    assert harness.session.command.state is CommandState.AWAIT_SEND_RESULT
    assert harness.written[-1] == SEND.data
    harness.forget()
    harness.written.clear()
    return harness


def test_its_line() -> None:
    assert SEND.line(Firmware((2, 4, 0, 0))) == b"AT+CIPSENDL=0,20000"
    with pytest.raises(ValueError, match=r"from 2\.4 on"):
        SEND.line(Firmware((2, 3, 0, 0)))


def test_reports_belong_to_it(harness: SessionHarness) -> None:
    for sent in range(1024, 20000, 1024):
        harness.feed(REPORT % (sent, min(20000, sent + 900)))
    harness.feed(REPORT % (20000, 20000) + SEND_OK)
    assert_events(harness.events, [Done(SEND)])
    assert_usable(harness)


def test_it_is_waited_for_while_it_makes_progress(harness: SessionHarness) -> None:
    for sent in range(1024, 10240, 1024):
        harness.feed(REPORT % (sent, sent + 500))
        harness.wait(SEND.timeout - 1)
    assert not harness.written
    harness.feed(REPORT % (20000, 20000) + SEND_OK)
    assert_events(harness.events, [Done(SEND)])


def test_a_byte_that_was_lost(harness: SessionHarness) -> None:
    """All but less than a report went out, and nothing follows: it is cancelled, and the send has failed."""
    harness.feed(REPORT % (19456, 19999))
    waited = until_written(harness, b"+++")
    assert waited == pytest.approx(transaction.TAIL_S + recovery.SILENCE_S)
    harness.feed(b"\r\nSEND CANCELLED\r\n")
    settle(harness, recovery.SETTLE_S)
    assert_events(harness.events[:1], [Failed(SEND, CommandError)])
    assert_usable(harness)


def test_bytes_too_many(harness: SessionHarness) -> None:
    """The module counts them: what it says then is no success."""
    harness.feed(REPORT % (20000, 20003) + SEND_OK)
    assert not harness.idle
    harness.feed(b"\r\nbusy p...\r\n")
    while not harness.idle:
        harness.wait(max(0.0, harness.session.next_deadline() - harness.now))
        if harness.written and harness.written[-1].startswith(b"AT+"):
            harness.feed(b"+CIPMUX:1\r\n\r\nOK\r\n")
    assert_events(harness.events[:1], [Failed(SEND, CommandError)])


def test_a_peer_that_closed(harness: SessionHarness) -> None:
    harness.feed(b"0,CLOSED\r\n" + REPORT % (1024, 20000) + b"\r\nSEND FAIL\r\n")
    assert [type(event).__name__ for event in harness.events] == ["LinkClosed", "CommandFailed"]
    harness.forget()
    assert_usable(harness)


def test_a_byte_lost_on_the_way_to_a_peer_that_closed(harness: SessionHarness) -> None:
    """Nothing is slow then, so the rest is there as soon as the line has carried it."""
    harness.feed(REPORT % (1024, 1024) + b"0,CLOSED\r\n")
    waited = until_written(harness, b"+++")
    assert waited == pytest.approx(transaction.RECEIVED_S + recovery.SILENCE_S)


def test_another_link_that_closed_changes_nothing(harness: SessionHarness) -> None:
    harness.feed(REPORT % (15000, 15000) + b"1,CLOSED\r\n")
    assert until_written(harness, b"+++") == pytest.approx(transaction.TAIL_S + recovery.SILENCE_S)


def test_after_a_send_that_failed_it_may_succeed(harness: SessionHarness) -> None:
    """NonOS says SEND OK late; here no `Recv` tells, but the last report does."""
    harness.feed(REPORT % (1024, 20000) + b"\r\nSEND FAIL\r\n")
    harness.forget()
    harness.send(SEND)
    harness.feed(PROMPT)
    harness.feed(REPORT % (20000, 20000) + SEND_OK)
    assert_events(harness.events, [Done(SEND)])
