"""Entering passthrough: its result is the prompt, and every byte behind that is payload."""

from __future__ import annotations

import pytest

from esp32sock._constants import ESCAPE_SEQUENCE
from esp32sock.at.commands import basic, passthrough, udp
from esp32sock.at.data_phase_recovery import EMPTY_LINE, SETTLE_S
from esp32sock.at.events import DoubtSettled, ModuleBusy, UnknownText
from esp32sock.at.session import Session
from esp32sock.at.state import ModuleState
from esp32sock.errors import CommandError, LocalProtocolError
from tests.at.harness import Data, Done, Failed, SessionHarness, assert_events

ENTER = passthrough.EnterPassthrough()
LINE = b"AT+CIPSEND\r\n"
BARRIER = b"AT+CIPMUX?\r\n"
PROMPTS = {
    "document (V1.0, 5.2.4)": b"\r\n>",
    "up to 2.2": b"\r\nOK\r\n\r\n>",
    "with echo, for a while": LINE[:-2] + b"\r\nOK\r\n\r\n>",
}


def assert_usable(harness: SessionHarness) -> None:
    """The next command is taken, and its OK is its own."""
    harness.forget()
    after = basic.Test()
    harness.send(after)
    harness.feed(b"\r\nOK\r\n")
    assert_events(harness.events, [Done(after)])


@pytest.fixture
def harness() -> SessionHarness:
    harness = SessionHarness.ready(links=[0], mux=False)
    harness.send(ENTER)
    return harness


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_what_stands_behind_the_prompt_is_payload_at_every_cut(prompt: bytes) -> None:
    behind = b"\r\nOK\r\n+IPD,3:abc>ERROR\r\n+++"
    said = prompt + behind
    for cut in range(len(said) + 1):
        harness = SessionHarness.ready(links=[0], echo=prompt.startswith(b"AT"), mux=False)
        harness.send(ENTER)
        harness.feed(said[:cut])
        harness.feed(said[cut:])
        assert_events(harness.events, [Done(ENTER), Data(0, behind)])
        assert harness.written[-1] == LINE


def test_an_error_instead_of_the_prompt(harness: SessionHarness) -> None:
    harness.feed(b"\r\nERROR\r\n")
    assert_events(harness.events, [Failed(ENTER, CommandError, "AT+CIPMUX=0")])
    assert_usable(harness)


def left_and_settled(harness: SessionHarness) -> None:
    """The mode is left before anything else is written, and a barrier settles that it is."""
    while len(harness.written) < 3:
        harness.wait(harness.session.next_deadline() - harness.now)
    assert harness.written == [LINE, ESCAPE_SEQUENCE, EMPTY_LINE]
    harness.feed(b"\r\nERROR\r\n")
    harness.wait(SETTLE_S)
    assert harness.written[3:] == [BARRIER]
    harness.feed(b"+CIPMUX:0\r\n\r\nOK\r\n")


def test_busy_before_the_prompt(harness: SessionHarness) -> None:
    harness.feed(b"busy p...\r\n")
    left_and_settled(harness)
    assert harness.written[4:] == [LINE]
    harness.feed(b"\r\nOK\r\n\r\n>payload")
    assert_events(harness.events, [ModuleBusy("AT+CIPSEND"), Done(ENTER), Data(0, b"payload")])


@pytest.mark.parametrize("said", [b"", b"\r\nOK\r\n"], ids=["nothing", "OK"])
def test_without_a_prompt_the_mode_is_left_and_entered_anew(harness: SessionHarness, said: bytes) -> None:
    harness.feed(said)
    left_and_settled(harness)
    assert harness.written[4:] == [LINE]
    harness.feed(b"\r\nERROR\r\n")
    assert_events(harness.events, [Failed(ENTER, CommandError)])
    assert_usable(harness)


def test_a_prompt_nobody_waits_for_any_more_begins_nothing(harness: SessionHarness) -> None:
    harness.session.abandon()
    harness.feed(b"\r\nOK\r\n\r\n>")
    left_and_settled(harness)
    assert harness.written[4:] == []
    assert harness.events == [DoubtSettled("AT+CIPSEND", mux=False)]
    assert_usable(harness)


# ---- the state of the module drives it


@pytest.fixture
def entered() -> SessionHarness:
    harness = SessionHarness.ready(links=[0], mux=False)
    harness.send(ENTER)
    harness.feed(b"\r\nOK\r\n\r\n>")
    assert harness.state() is ModuleState.PASSTHROUGH
    harness.forget()
    return harness


def test_no_command_is_written_into_it(entered: SessionHarness) -> None:
    with pytest.raises(LocalProtocolError, match="the module is in passthrough"):
        entered.session.send(basic.Test(), entered.now)
    with pytest.raises(LocalProtocolError, match="PASSTHROUGH"):
        entered.session.force_restart()
    entered.pump()
    assert entered.written == []


def test_it_begins_only_where_the_table_lets_it() -> None:
    harness = SessionHarness.ready(mux=False)
    harness.session.force_restart()
    with pytest.raises(LocalProtocolError, match="RESETTING"):
        harness.session.send(ENTER, harness.now)


def test_leaving_it_reads_text_again_and_owes_no_answer(entered: SessionHarness) -> None:
    entered.session.leave_passthrough()
    assert entered.state() is ModuleState.SYNCING
    entered.feed(b"\r\nready?\r\n")
    assert_events(entered.events, [UnknownText(b"ready?")])
    assert_usable(entered)


def test_a_module_that_did_not_leave_is_in_it_again(entered: SessionHarness) -> None:
    entered.session.leave_passthrough()
    entered.send(basic.Test())
    entered.wait(basic.Test.timeout)
    assert entered.idle
    entered.forget()
    entered.session.resume_passthrough()
    assert entered.state() is ModuleState.PASSTHROUGH
    entered.feed(b"\r\nOK\r\n")
    assert_events(entered.events, [Data(0, b"\r\nOK\r\n")])


@pytest.mark.parametrize("call", ["leave_passthrough", "resume_passthrough"])
def test_neither_is_possible_without_a_port(call: str) -> None:
    session = Session()
    with pytest.raises(LocalProtocolError, match="OFFLINE"):
        getattr(session, call)()


def test_a_lost_port_ends_it(entered: SessionHarness) -> None:
    entered.session.connection_lost()
    assert entered.session.demux.passthrough is None
    entered.session.port_opened()
    entered.feed(b"text\r\n")
    assert UnknownText(b"text") in entered.events


def test_a_link_of_datagrams_becomes_a_stream() -> None:
    harness = SessionHarness(mux=False)
    harness.send(udp.OpenUdp(None, ("10.0.2.2", 7)))
    harness.feed(b"CONNECT\r\n\r\nOK\r\n")
    harness.forget()
    harness.send(ENTER)
    harness.feed(b"\r\nOK\r\n\r\n>one two")
    assert_events(harness.events, [Done(ENTER), Data(0, b"one two")])
