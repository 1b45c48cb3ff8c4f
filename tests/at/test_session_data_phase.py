"""Data phases that go wrong, and time: what is written then, when, and in which state it ends.

Every scenario ends with the watchman's look at both directions of the wire, and with a session that either
takes a command again or says that the module is stuck.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from esp32sock.at import command_transaction as transaction
from esp32sock.at import data_phase_recovery as recovery
from esp32sock.at.commands import Raw, basic, tcpip
from esp32sock.at.doubt import DOUBT_S
from esp32sock.at.events import (
    CommandDone,
    CommandFailed,
    Contradiction,
    DoubtSettled,
    ModuleBusy,
    ModuleSilent,
    UnknownText,
)
from esp32sock.at.session import PAYLOAD_SILENCE_S
from esp32sock.at.state import CommandState, LinkState
from esp32sock.at.transaction_context import LONGEST_ROUND_TRIP_S, QUEUED_BYTES
from esp32sock.errors import CommandBusy, CommandError, CommandTimeout, LocalProtocolError
from tests.at.harness import (
    Closed,
    Data,
    Done,
    Failed,
    Fault,
    SessionHarness,
    assert_events,
    assert_polite,
    chunk,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

AT = basic.Test()
SEND = tcpip.Send(0, chunk(0, b"hello"))
LINE = b"AT+CIPSEND=0,5\r\n"
BIG = tcpip.Send(0, chunk(0, bytes(1000)))
PROMPT = b"\r\nOK\r\n\r\n>"
RECV, SEND_OK, ERROR = b"\r\nRecv 5 bytes\r\n", b"\r\nSEND OK\r\n", b"\r\nERROR\r\n"
BARRIERS = [b"AT+CIPMUX?\r\n", b"AT+CIPMODE?\r\n"]
BARRIER, ANSWER = b"AT+CIPMUX?\r\n", b"+CIPMUX:1\r\n\r\nOK\r\n"
BUSY = b"\r\nbusy p...\r\n"
SETTLED = DoubtSettled("AT+CIPSEND", mux=True)
UNASKED_OK = [Contradiction("OK that no command asked for"), UnknownText(b"OK")]
DOUBTFUL = Failed(
    SEND, CommandError, "nothing in its data phase; how much of the chunk was sent is not known"
)


@pytest.fixture
def harness() -> Iterator[SessionHarness]:
    """Links 0 and 1 are open, and the module is known to say `Recv`."""
    harness = SessionHarness.ready(links=[0, 1])
    first = tcpip.Send(1, chunk(1, b"first"))
    harness.send(first)
    harness.feed(PROMPT)
    harness.feed(RECV + SEND_OK)
    assert_events(harness.events, [Done(first)])
    harness.forget()
    yield harness
    assert_polite(harness.wire)


def sent(harness: SessionHarness, command: tcpip.Send = SEND) -> None:
    """Up to where the payload is on its way."""
    harness.send(command)
    harness.feed(PROMPT)
    assert harness.session.command.state is CommandState.AWAIT_SEND_RESULT
    harness.written.clear()


def until_written(harness: SessionHarness, data: bytes) -> float:
    """Let time pass until exactly this is written; how long that took."""
    started, before = harness.now, len(harness.written)
    while len(harness.written) == before:
        assert harness.session.next_deadline() < float("inf"), "nothing will happen any more"
        harness.wait(harness.session.next_deadline() - harness.now)
    assert harness.written[before:] == [data]
    return harness.now - started


def settle(harness: SessionHarness, wait_s: float) -> None:
    """After so long a barrier goes out, and it is answered."""
    assert not harness.idle
    assert until_written(harness, BARRIER) == pytest.approx(wait_s)
    harness.feed(ANSWER)


def wait_busy(harness: SessionHarness, seconds: float) -> None:
    """Let time pass; a barrier is answered by `busy p...`."""
    until = harness.now + seconds
    while harness.now < until:
        before = len(harness.written)
        harness.wait(min(until, max(harness.session.next_deadline(), harness.now + 0.001)) - harness.now)
        for line in harness.written[before:]:
            assert line in BARRIERS
            harness.feed(BUSY)


def assert_begins_anew(harness: SessionHarness, wait_s: float) -> None:
    """A barrier settles that the module has seen nothing of SEND, which is then sent as new."""
    harness.forget()
    settle(harness, wait_s)
    assert harness.written == [BARRIER, LINE]
    harness.feed(PROMPT)
    harness.feed(RECV + SEND_OK)
    assert_events(harness.events, [Done(SEND)])
    assert harness.written == [BARRIER, LINE, b"hello"]
    assert_usable(harness)


def assert_usable(harness: SessionHarness) -> None:
    """The next command is taken, and its OK is its own."""
    assert harness.idle
    harness.forget()
    harness.send(AT)
    harness.feed(b"\r\nOK\r\n")
    assert_events(harness.events, [Done(AT)])


# ---- the payload did not arrive whole: no Recv


def test_a_missing_recv_is_cancelled_after_silence(harness: SessionHarness) -> None:
    sent(harness)
    waited = until_written(harness, b"+++")
    assert waited == pytest.approx(transaction.RECEIVED_S + recovery.SILENCE_S)
    assert harness.session.command.state is CommandState.CANCELLING
    assert not harness.events
    harness.feed(b"\r\nSEND Canceled\r\n")
    assert_events(harness.events, [DOUBTFUL])
    settle(harness, recovery.SETTLE_S)
    assert_events(harness.events, [DOUBTFUL, SETTLED])
    assert harness.link(0) is LinkState.OPEN  # to be closed by its owner
    assert_usable(harness)


def test_the_longer_time_on_a_module_that_never_said_recv() -> None:
    harness = SessionHarness.ready(links=[0])
    sent(harness)
    assert until_written(harness, b"+++") == pytest.approx(transaction.UNANNOUNCED_S + recovery.SILENCE_S)


def test_the_time_on_the_wire_is_added(harness: SessionHarness) -> None:
    harness.session.s_per_byte = 10 / 9600
    sent(harness, BIG)
    on_the_wire = 1000 * 10 / 9600
    waited = until_written(harness, b"+++")
    assert waited == pytest.approx(on_the_wire + transaction.RECEIVED_S + recovery.SILENCE_S)


def test_other_spelling_of_cancelled(harness: SessionHarness) -> None:
    sent(harness)
    until_written(harness, b"+++")
    harness.feed(b"\r\nSEND CANCELLED\r\n")
    settle(harness, recovery.SETTLE_S)
    assert_events(harness.events, [DOUBTFUL, SETTLED])
    assert_usable(harness)


def test_not_in_a_data_phase_at_all(harness: SessionHarness) -> None:
    """The command was lost on the wire: `+++` is garbage in the line buffer, and an empty line shows it."""
    harness.send(SEND)
    harness.written.clear()
    waited = until_written(harness, b"+++")
    assert waited == pytest.approx(transaction.PROMPT_S + recovery.SILENCE_S)
    assert until_written(harness, b"\r\n") == pytest.approx(recovery.CANCEL_WAIT_S)
    harness.feed(ERROR)
    assert_begins_anew(harness, recovery.SETTLE_S)


def test_filled_up_in_small_steps_until_recv(harness: SessionHarness) -> None:
    sent(harness, BIG)
    until_written(harness, b"+++")
    until_written(harness, b"\r\n")
    assert until_written(harness, b"0" * 256) == pytest.approx(recovery.FLUSH_WAIT_S)
    assert harness.session.command.state is CommandState.REFILLING
    assert until_written(harness, b"0" * 256) == pytest.approx(recovery.REFILL_WAIT_S)
    harness.forget()
    harness.feed(b"\r\nRecv 1000 bytes\r\n")
    harness.wait(1)
    assert not harness.written  # the module has all it wants; its peer may be slow
    assert not harness.events
    harness.feed(SEND_OK)
    assert_events(harness.events, [Failed(BIG, CommandError, "nothing in its data phase")])
    assert harness.written == [b"\r\n"]  # what was too much stands in the line buffer
    assert not harness.idle
    with pytest.raises(LocalProtocolError):
        harness.session.send(AT, harness.now)
    harness.feed(b"\r\nERROR\r\n")
    settle(harness, recovery.SETTLE_S)
    assert_usable(harness)


def test_never_more_than_the_payload_is_filled_in(harness: SessionHarness) -> None:
    sent(harness, BIG)
    harness.wait(30)
    fillers = [piece for piece in harness.written if piece.startswith(b"0")]
    assert sum(map(len, fillers)) == 1000
    assert max(map(len, fillers)) == recovery.REFILL_BYTES
    assert harness.written[:2] == [b"+++", b"\r\n"]
    assert b"\0" not in b"".join(harness.written)  # it makes 1.0 deaf where it is not payload


def test_more_errors_than_one_are_swallowed_by_the_flush(harness: SessionHarness) -> None:
    sent(harness)
    until_written(harness, b"+++")
    until_written(harness, b"\r\n")
    until_written(harness, b"00000")
    harness.feed(ERROR)  # to the +++ and the empty line, very late
    assert harness.written[-1] == b"\r\n"
    harness.feed(ERROR)
    harness.feed(ERROR)
    settle(harness, recovery.SETTLE_S)
    assert_events(harness.events, [DOUBTFUL, SETTLED])
    assert_usable(harness)


def test_a_flush_that_nobody_answers_ends_by_a_barrier(harness: SessionHarness) -> None:
    sent(harness)
    until_written(harness, b"+++")
    until_written(harness, b"\r\n")
    until_written(harness, b"00000")
    harness.feed(SEND_OK)
    assert harness.session.command.state is CommandState.FLUSHING
    settle(harness, recovery.FLUSH_WAIT_S)
    assert_usable(harness)


def test_plus_taken_as_the_last_payload_bytes(harness: SessionHarness) -> None:
    """Two bytes were lost, so one of the three plusses and nothing else stands in the line buffer."""
    sent(harness)
    until_written(harness, b"+++")
    harness.feed(RECV + SEND_OK)
    assert_events(harness.events, [DOUBTFUL])
    assert harness.written[-1] == b"\r\n"
    harness.feed(ERROR)
    settle(harness, recovery.SETTLE_S)
    assert_usable(harness)


def test_a_module_that_was_only_slow_loses_nothing(harness: SessionHarness) -> None:
    """Recv comes in the silence before the +++: nothing was disturbed, and SEND OK is what it says."""
    sent(harness)
    harness.wait(transaction.RECEIVED_S + recovery.SILENCE_S / 2)
    assert harness.session.command.state is CommandState.CANCELLING
    harness.feed(RECV)
    harness.wait(1)
    harness.feed(SEND_OK)
    assert_events(harness.events, [Done(SEND)])
    assert harness.written == []
    assert_usable(harness)


def test_send_ok_without_recv_in_that_silence(harness: SessionHarness) -> None:
    sent(harness)
    harness.wait(transaction.RECEIVED_S + recovery.SILENCE_S / 2)
    harness.feed(SEND_OK)
    assert_events(harness.events, [Done(SEND)])
    assert_usable(harness)


def test_canceled_comes_after_the_empty_line_was_written(harness: SessionHarness) -> None:
    """Then the empty line is one, and its ERROR must not be the next command's."""
    sent(harness)
    until_written(harness, b"+++")
    until_written(harness, b"\r\n")
    harness.feed(b"\r\nSEND Canceled\r\n")
    assert_events(harness.events, [DOUBTFUL])
    assert not harness.idle
    assert harness.written == [b"+++", b"\r\n"]
    harness.feed(ERROR)
    settle(harness, recovery.SETTLE_S)
    assert_usable(harness)


def test_a_link_that_closes_while_its_send_is_ended(harness: SessionHarness) -> None:
    sent(harness)
    until_written(harness, b"+++")
    harness.feed(b"0,CLOSED\r\n\r\nSEND Canceled\r\n")
    settle(harness, recovery.SETTLE_S)
    assert_events(harness.events, [Closed(0, 1), DOUBTFUL, SETTLED])
    assert_usable(harness)


def test_a_module_that_counted_another_length_is_not_believed(harness: SessionHarness) -> None:
    """The command line was mangled on the wire: the rest of the payload stands in the line buffer."""
    sent(harness)
    harness.feed(b"\r\nRecv 3 bytes\r\n\r\nSEND OK\r\n")
    assert_events(harness.events, [DOUBTFUL])
    assert harness.written == [b"\r\n"]
    harness.feed(ERROR)
    settle(harness, recovery.SETTLE_S)
    assert_usable(harness)


@pytest.mark.parametrize("word", [b"\r\nbusy p...\r\n", b"\r\nOK\r\n", b"1,CLOSED\r\n"])
def test_what_does_not_end_a_cancelling(harness: SessionHarness, word: bytes) -> None:
    sent(harness)
    until_written(harness, b"+++")
    harness.feed(word)
    assert harness.session.command.state is CommandState.CANCELLING
    harness.feed(b"\r\nSEND Canceled\r\n")
    settle(harness, recovery.SETTLE_S)
    assert_usable(harness)


# ---- the prompt does not come, or late


def test_the_prompt_comes_when_it_is_being_cancelled(harness: SessionHarness) -> None:
    """Only now does the data phase begin: it is cancelled from the top, and the command begins anew."""
    harness.send(SEND)
    harness.written.clear()
    until_written(harness, b"+++")
    harness.feed(PROMPT)
    assert harness.session.command.state is CommandState.CANCELLING
    assert until_written(harness, b"+++") == pytest.approx(recovery.SILENCE_S)
    harness.feed(b"\r\nSEND Canceled\r\n")
    assert harness.events == []
    assert_begins_anew(harness, recovery.SETTLE_S)


def test_the_prompt_comes_when_it_is_being_filled_up(harness: SessionHarness) -> None:
    harness.send(SEND)
    harness.written.clear()
    until_written(harness, b"+++")
    until_written(harness, b"\r\n")
    until_written(harness, b"00000")
    harness.feed(PROMPT)
    assert harness.session.command.state is CommandState.CANCELLING
    until_written(harness, b"+++")
    harness.feed(b"\r\nSEND Canceled\r\n")
    assert_events(harness.events, [DOUBTFUL])
    harness.feed(ERROR)  # to the empty line and the fillers before the prompt
    harness.feed(ERROR)  # to the empty line that clears up
    settle(harness, recovery.SETTLE_S)
    assert_usable(harness)


def test_ok_without_a_prompt(harness: SessionHarness) -> None:
    harness.send(SEND)
    harness.feed(b"\r\nOK\r\n")
    harness.written.clear()
    until_written(harness, b"+++")
    harness.feed(b"\r\nSEND Canceled\r\n")
    assert_begins_anew(harness, recovery.SETTLE_S)


def test_a_send_that_never_gets_its_prompt_fails_in_the_end(harness: SessionHarness) -> None:
    harness.send(SEND)
    for _ in range(transaction.RESENDS):
        until_written(harness, b"+++")
        until_written(harness, b"\r\n")
        harness.feed(ERROR)
        settle(harness, recovery.SETTLE_S)
    assert harness.written.count(LINE) == transaction.RESENDS + 1
    assert harness.events == []
    until_written(harness, b"+++")
    until_written(harness, b"\r\n")
    harness.feed(ERROR)
    settle(harness, recovery.SETTLE_S)
    assert_events(harness.events, [DOUBTFUL, SETTLED])
    assert_usable(harness)


def test_a_module_that_restarted_meanwhile_gets_no_line_anew(harness: SessionHarness) -> None:
    harness.send(SEND)
    until_written(harness, b"+++")
    until_written(harness, b"\r\n")
    harness.feed(ERROR)
    until_written(harness, BARRIER)
    harness.feed(b"+CIPMUX:0\r\n\r\nOK\r\n")
    assert_events(harness.events, [DOUBTFUL, DoubtSettled("AT+CIPSEND", mux=False)])
    assert harness.written.count(LINE) == 1


def test_a_refusal_that_comes_in_the_silence_needs_no_cure(harness: SessionHarness) -> None:
    harness.send(SEND)
    harness.wait(transaction.PROMPT_S + recovery.SILENCE_S / 2)
    harness.feed(ERROR)
    assert_events(harness.events, [Failed(SEND, CommandError, "AT+CIPSEND: the module answered ERROR")])
    assert harness.written == [LINE]
    assert_usable(harness)


def test_a_late_send_ok_while_no_payload_was_ever_written(harness: SessionHarness) -> None:
    harness.send(SEND)
    harness.wait(transaction.PROMPT_S + recovery.SILENCE_S / 2)
    harness.feed(SEND_OK)
    assert_events(
        harness.events, [Contradiction("SEND OK that no command asked for"), UnknownText(b"SEND OK")]
    )
    assert harness.session.command.state is CommandState.CANCELLING


def test_recv_while_no_payload_was_ever_written(harness: SessionHarness) -> None:
    harness.send(SEND)
    harness.wait(transaction.PROMPT_S + recovery.SILENCE_S / 2)
    harness.feed(RECV)
    assert_events(harness.events, [UnknownText(b"Recv 5 bytes")])
    assert harness.session.command.state is CommandState.CANCELLING


def test_what_is_due_to_be_written_is_not_once_recv_has_come(harness: SessionHarness) -> None:
    sent(harness)
    for _ in range(2):
        harness.session.handle_deadline(
            harness.session.next_deadline()
        )  # the +++ is due, but not asked for yet
    harness.feed(RECV)
    assert harness.written == []
    harness.feed(SEND_OK)
    assert_events(harness.events, [Done(SEND)])  # nothing was disturbed
    assert_usable(harness)


def test_one_recv_is_enough_to_believe_send_ok_again(harness: SessionHarness) -> None:
    sent(harness)
    harness.feed(RECV + b"\r\nSEND FAIL\r\n")
    sent(harness)
    harness.feed(RECV + SEND_OK)
    sent(harness)
    harness.feed(SEND_OK)  # its Recv was lost
    assert_events(harness.events, [Failed(SEND, CommandError, "SEND FAIL"), Done(SEND), Done(SEND)])


def test_a_block_in_a_data_phase_that_was_flushed_is_noticed_too(harness: SessionHarness) -> None:
    sent(harness)
    harness.feed(b"\r\n+IPD,0,2:ab\r\n")
    until_written(harness, b"+++")
    harness.feed(SEND_OK)
    harness.feed(ERROR)
    settle(harness, recovery.SETTLE_S)
    assert harness.session.links.received_while_sending(SEND)
    assert_usable(harness)


def test_the_prompt_comes_in_the_last_moment(harness: SessionHarness) -> None:
    """The payload is due to be written: time that passes until the driver does so is not the module's."""
    harness.send(SEND)
    harness.wait(transaction.PROMPT_S - 0.001)
    harness.hear(PROMPT)
    while harness.session.command.state is not CommandState.SENDING_PAYLOAD:
        harness.session.next_event()
    assert harness.session.next_deadline() == float("inf")
    harness.session.handle_deadline(harness.now + 100)
    assert harness.session.command.state is CommandState.SENDING_PAYLOAD
    assert [bytes(piece) for piece in harness.session.data_to_send(harness.now + 100)] == [b"hello"]
    assert harness.session.next_deadline() == pytest.approx(
        harness.now + 100 + transaction.RECEIVED_S + 3 * LONGEST_ROUND_TRIP_S  # as slow as the prompt
    )


def test_a_prompt_that_was_there_before_the_line_was_written_is_not_its() -> None:
    harness = SessionHarness.ready(links=[0])
    harness.session.send(SEND, harness.now)
    harness.feed(b"\r\n>\r\n")  # the line was not asked for yet
    assert harness.written == [LINE]
    assert_events(harness.events, [UnknownText(b">")])
    harness.feed(PROMPT)
    assert harness.written == [LINE, b"hello"]


def test_a_result_that_was_there_before_the_line_was_written_is_not_its() -> None:
    harness = SessionHarness.ready()
    harness.session.send(AT, harness.now)
    harness.feed(b"\r\nOK\r\n")
    assert_events(harness.events, UNASKED_OK)
    harness.feed(b"\r\nOK\r\n")
    assert_events(harness.events, [*UNASKED_OK, Done(AT)])


def test_text_that_begins_like_a_prompt_when_none_is_awaited(harness: SessionHarness) -> None:
    harness.feed(b"\r\n>\r\n")
    assert_events(harness.events, [UnknownText(b">")])
    assert not harness.written


# ---- slow results


def test_send_ok_may_take_long_after_recv(harness: SessionHarness) -> None:
    sent(harness)
    harness.feed(RECV)
    wait_busy(harness, SEND.timeout - 1)
    harness.feed(SEND_OK)
    assert_events(harness.events, [Done(SEND)])
    assert 10 < len(harness.written) < 20  # barriers, with growing patience


def test_send_ok_that_never_comes(harness: SessionHarness) -> None:
    sent(harness)
    harness.feed(RECV)
    wait_busy(harness, SEND.timeout)
    assert_events(harness.events, [Failed(SEND, CommandTimeout)])
    assert harness.session.command.state is CommandState.DOUBT
    harness.feed(SEND_OK)
    assert_usable(harness)


def test_a_send_ok_that_was_lost_costs_less_than_two_seconds(harness: SessionHarness) -> None:
    sent(harness)
    harness.feed(RECV)
    settle(harness, DOUBT_S)
    assert_events(
        harness.events, [Failed(SEND, CommandTimeout, "no answer, though it was worked off"), SETTLED]
    )
    assert_usable(harness)


def test_a_module_that_answers_no_barrier_is_silent(harness: SessionHarness) -> None:
    harness.send(AT)
    harness.wait(AT.timeout)
    assert_events(harness.events, [Failed(AT, CommandTimeout, "AT: the module answered nothing in time")])
    assert not harness.idle
    harness.wait(7 * DOUBT_S)  # three barriers, with growing patience
    assert harness.events[1:] == [ModuleSilent("AT")]
    assert harness.session.next_deadline() == float("inf")
    harness.session.force_restart()
    harness.pump()
    assert harness.written[-1] == b"AT+RST\r\n"
    assert harness.idle


def test_a_module_that_talks_is_not_silent(harness: SessionHarness) -> None:
    harness.send(AT)
    for _ in range(40):
        harness.wait(0.5)
        harness.feed(b"\r\n+IPD,1,5:hello\r\n")
    assert not [event for event in harness.events if isinstance(event, ModuleSilent)]
    harness.feed(b"\r\nOK\r\n")
    assert_usable(harness)


def test_a_module_at_another_rate_is_silent_though_it_is_heard(harness: SessionHarness) -> None:
    harness.send(AT)
    for _ in range(14):
        harness.wait(1)
        harness.feed(b"\x80\x00\x80\x80\x00")
    assert ModuleSilent("AT") in harness.events


def test_a_module_that_is_busy_without_end_is_given_up(harness: SessionHarness) -> None:
    harness.send(AT)
    wait_busy(harness, AT.timeout + transaction.BUSY_S - 1)
    assert not harness.idle
    assert not [event for event in harness.events if isinstance(event, ModuleSilent)]
    wait_busy(harness, 2)
    assert harness.events[-1] == ModuleSilent("AT", is_busy=True)
    assert harness.session.next_deadline() == float("inf")


def test_answers_to_barriers_of_before_do_not_hold_up_the_command(harness: SessionHarness) -> None:
    """Some were refused while the line was: their answers never come, and count for those that do."""
    harness.send(AT)
    harness.feed(BUSY)
    wait_busy(harness, 4)
    settle(harness, harness.session.next_deadline() - harness.now)
    assert harness.written[-1] == b"AT\r\n"
    harness.feed(BUSY)
    before = harness.now
    for _ in range(2):
        harness.wait(max(0.0, harness.session.next_deadline() - harness.now - 1e-6))
        harness.now += 1e-3
        harness.wait(1e-3)
        name = harness.written[-1].removeprefix(b"AT").removesuffix(b"?\r\n")
        harness.feed(b"%s:1\r\n\r\nOK\r\n" % name)
    assert harness.now - before < 0.5
    assert harness.written.count(b"AT\r\n") == 3


def test_a_late_result_frees_the_session(harness: SessionHarness) -> None:
    harness.send(AT)
    harness.wait(AT.timeout + 0.5)
    harness.feed(ERROR)
    assert_events(harness.events, [Failed(AT, CommandTimeout)])
    assert_usable(harness)


@pytest.mark.parametrize("lost", ["all", "prompt"])
def test_a_data_phase_that_nothing_ends_is_a_stuck_module(harness: SessionHarness, lost: str) -> None:
    harness.send(SEND)
    if lost == "all":
        harness.feed(PROMPT)
    harness.wait(120)
    assert_events(harness.events, [DOUBTFUL, ModuleSilent("AT+CIPSEND")])
    assert not harness.idle


def test_an_answer_after_all_when_everything_was_tried(harness: SessionHarness) -> None:
    """It may have left fillers in the line buffer, so it is flushed all the same."""
    sent(harness)
    while harness.session.command.state is not CommandState.DOUBT:
        harness.wait(harness.session.next_deadline() - harness.now)
    harness.written.clear()
    harness.feed(SEND_OK)
    assert harness.written == [b"\r\n"]
    harness.feed(ERROR)
    assert until_written(harness, b"AT+CIPMODE?\r\n") == pytest.approx(recovery.SETTLE_S)
    harness.feed(b"+CIPMODE:0\r\n\r\nOK\r\n")
    assert_events(harness.events, [DOUBTFUL, DoubtSettled("AT+CIPSEND", None)])
    assert_usable(harness)


def test_while_probing_a_module_that_says_nothing_owes_nothing() -> None:
    harness = SessionHarness()
    for _ in range(3):
        harness.send(AT)
        harness.wait(AT.timeout)
    assert harness.written == [b"AT\r\n"] * 3
    assert_events(harness.events, [Failed(AT, CommandTimeout)] * 3)


def test_the_probe_does_not_wait_for_what_may_stand_in_a_queue() -> None:
    harness = SessionHarness()
    harness.session.s_per_byte = 10 / 115200
    harness.send(AT)
    harness.wait(AT.timeout - 0.1)
    harness.feed(b"local port 2390\r\n")
    harness.wait(0.1)
    assert_events(harness.events, [UnknownText(b"local port 2390"), Failed(AT, CommandTimeout)])


def test_a_module_that_talks_is_asked_later(harness: SessionHarness) -> None:
    """The answer may stand behind what it says, but no longer than its transmit ring takes."""
    harness.session.s_per_byte = 10 / 115200
    harness.send(AT)
    started = harness.now
    while len(harness.written) == 1:
        harness.wait(0.1)
        harness.feed(b"\r\n+IPD,1,5:hello\r\n")
    queued = QUEUED_BYTES * 10 / 115200
    assert harness.now - started == pytest.approx(AT.timeout + queued, abs=0.1)


# ---- busy


def test_busy_to_every_try(harness: SessionHarness) -> None:
    harness.send(AT)
    harness.feed(BUSY)
    while not any(isinstance(event, CommandFailed) for event in harness.events):
        wait_busy(harness, 0.1)
    assert_events(
        [event for event in harness.events if not isinstance(event, ModuleBusy)],
        [
            Failed(AT, CommandBusy, "busy p... to every attempt; another command is still running"),
            ModuleSilent("AT", is_busy=True),
        ],
    )
    assert harness.now - 1000 == pytest.approx(AT.timeout + transaction.BUSY_S, abs=0.5)
    assert harness.written.count(b"AT\r\n") == 1
    harness.feed(b"\r\nOK\r\n")
    assert_usable(harness)


def test_a_line_whose_time_is_over_is_not_sent_again(harness: SessionHarness) -> None:
    raw = Raw(b"AT")  # how long it may take is not known, so that a busy module is not stuck
    harness.send(raw)
    harness.feed(BUSY)
    wait_busy(harness, raw.timeout + transaction.BUSY_S)
    assert harness.session.command.state is CommandState.DOUBT
    while harness.written[-1] not in BARRIERS or harness.session.command.state is not CommandState.IDLE:
        harness.wait(harness.session.next_deadline() - harness.now)
        name = harness.written[-1].removeprefix(b"AT").removesuffix(b"?\r\n")
        harness.feed(b"%s:1\r\n\r\nOK\r\n" % name)
    assert harness.written.count(b"AT\r\n") == 1
    assert_usable(harness)


def test_the_grace_counts_from_the_last_byte_heard(harness: SessionHarness) -> None:
    """The answer may stand behind what the module is saying: an early CIPSEND line would be payload."""
    harness.session.s_per_byte = 10 / 115200
    harness.send(SEND)
    harness.feed(b"\r\nbusy p...\r\n")
    for _ in range(8):
        harness.wait(0.15)
        harness.feed(b"\r\n+IPD,1,5:hello\r\n")
    assert harness.written == [LINE]
    harness.feed(PROMPT)
    assert harness.written == [LINE, b"hello"]
    harness.wait(1)
    assert harness.written == [LINE, b"hello"]


def test_in_silence_the_grace_is_short_on_any_line(harness: SessionHarness) -> None:
    harness.session.s_per_byte = 10 / 9600
    harness.send(AT)
    harness.feed(b"\r\nbusy p...\r\n")
    assert until_written(harness, BARRIER) == pytest.approx(transaction.BUSY_GRACE_S)


def test_the_code_of_a_busy_is_not_that_of_the_error_after_it(harness: SessionHarness) -> None:
    harness.send(AT)
    harness.feed(b"ERR CODE:0x010b0000\r\n\r\nbusy p...\r\n" + ERROR)
    (failed,) = [event for event in harness.events if isinstance(event, CommandFailed)]
    assert isinstance(failed.error, CommandError)
    assert failed.error.error_code is None


def test_but_no_longer_than_a_queue_can_be(harness: SessionHarness) -> None:
    harness.session.s_per_byte = 10 / 115200
    harness.send(SEND)
    harness.feed(b"\r\nbusy p...\r\n")
    started = harness.now
    while harness.written == [LINE]:
        harness.wait(0.1)
        harness.feed(b"\r\n+IPD,1,5:hello\r\n")
    queued = QUEUED_BYTES * 10 / 115200
    waited = transaction.BUSY_GRACE_S + queued + recovery.SILENCE_S
    assert harness.now - started == pytest.approx(waited, abs=0.1)
    assert harness.written == [LINE, b"+++"]


def test_a_barrier_that_is_due_is_not_written_once_the_answer_has_come(harness: SessionHarness) -> None:
    harness.send(AT)
    harness.feed(BUSY)
    harness.session.handle_deadline(harness.session.next_deadline())  # it is due, but not asked for yet
    harness.feed(b"\r\nOK\r\n")
    assert harness.written == [b"AT\r\n"]
    assert harness.idle


def test_busy_after_part_of_the_answer_is_about_something_else(harness: SessionHarness) -> None:
    command = tcpip.Multiplexed()
    harness.send(command)
    harness.feed(b"+CIPMUX:1\r\n\r\nbusy p...\r\n")
    harness.wait(1)
    harness.feed(b"\r\nOK\r\n")
    assert_events(harness.events, [Done(command, (b"+CIPMUX:1",))])
    assert harness.written == [b"AT+CIPMUX?\r\n"]


def test_an_abandoned_command_that_was_dropped_is_not_sent_again(harness: SessionHarness) -> None:
    harness.send(AT)
    harness.feed(BUSY)
    harness.session.abandon()
    settle(harness, transaction.BUSY_GRACE_S)
    assert harness.written == [b"AT\r\n", BARRIER]
    assert harness.events == [ModuleBusy("AT"), DoubtSettled("AT", mux=True)]
    assert_usable(harness)


def test_a_silent_module_is_left_alone(harness: SessionHarness) -> None:
    harness.send(AT)
    harness.session.abandon()
    harness.wait(20)
    assert harness.events == [ModuleSilent("AT")]
    assert harness.written == [b"AT\r\n", BARRIER, b"AT+CIPMODE?\r\n", BARRIER]
    assert harness.session.next_deadline() == float("inf")


# ---- abandoning


@pytest.mark.parametrize("at", ["prompt", "payload", "recv"])
def test_an_abandoned_send_goes_on_to_its_end(harness: SessionHarness, at: str) -> None:
    harness.send(SEND)
    if at == "prompt":
        harness.session.abandon()
    harness.feed(PROMPT)
    if at == "payload":
        harness.session.abandon()
    harness.feed(RECV)
    if at == "recv":
        harness.session.abandon()
    wait_busy(harness, 60)  # a slow peer
    assert harness.events == []
    harness.feed(SEND_OK)
    assert harness.events == []
    assert [piece for piece in harness.written if piece not in BARRIERS] == [LINE, b"hello"]
    assert_usable(harness)


def test_an_abandoned_send_whose_bytes_were_lost_is_cancelled_all_the_same(harness: SessionHarness) -> None:
    sent(harness)
    harness.session.abandon()
    until_written(harness, b"+++")
    harness.feed(b"\r\nSEND Canceled\r\n")
    settle(harness, recovery.SETTLE_S)
    assert harness.events == [SETTLED]
    assert_usable(harness)


def test_abandoning_twice_or_nothing_changes_nothing(harness: SessionHarness) -> None:
    harness.session.abandon()
    assert harness.idle
    harness.send(AT)
    harness.session.abandon()
    due = harness.session.next_deadline()
    harness.session.abandon()
    assert harness.session.next_deadline() == due == pytest.approx(harness.now + AT.timeout)
    harness.feed(b"\r\nOK\r\n")
    assert harness.events == []
    assert_usable(harness)


# ---- one command at a time


def test_a_second_command_is_refused_and_changes_nothing(harness: SessionHarness) -> None:
    harness.send(AT)
    with pytest.raises(LocalProtocolError, match="AT\\+CIPCLOSE: the command in flight has no result yet"):
        harness.session.send(tcpip.Close(0), harness.now)
    assert harness.link(0) is LinkState.OPEN
    harness.feed(b"\r\nOK\r\n")
    assert_events(harness.events, [Done(AT)])
    assert harness.written == [b"AT\r\n"]


def test_an_argument_that_cannot_be_sent_changes_nothing(harness: SessionHarness) -> None:
    with pytest.raises(ValueError, match="port 0"):
        harness.session.send(tcpip.OpenTcp(2, "h", 0), harness.now)
    assert harness.link(2) is LinkState.FREE
    assert harness.session.links[2].generation == 0
    assert_usable(harness)


def test_raw_bytes_only_while_probing_and_between_commands() -> None:
    harness = SessionHarness()
    harness.session.write_raw(b"+++")
    harness.pump()
    assert harness.written == [b"+++"]
    harness.send(AT)
    with pytest.raises(LocalProtocolError):
        harness.session.write_raw(b"+++")
    harness.feed(b"\r\nOK\r\n")
    harness.session.set_up()
    with pytest.raises(LocalProtocolError):
        harness.session.write_raw(b"+++")
    harness.pump()
    assert harness.written == [b"+++", b"AT\r\n"]


# ---- payload that is short, and lengths that nobody believes


def test_a_short_payload_is_given_up_after_silence(harness: SessionHarness) -> None:
    harness.feed(b"\r\n+IPD,0,10:hello")
    assert_events(harness.events, [Data(0, b"hello")])
    assert harness.session.next_deadline() == harness.now + PAYLOAD_SILENCE_S
    harness.wait(PAYLOAD_SILENCE_S / 2)
    harness.feed(b"w")
    assert harness.session.next_deadline() == harness.now + PAYLOAD_SILENCE_S
    harness.wait(PAYLOAD_SILENCE_S)
    assert_events(harness.events, [Data(0, b"hellow"), Fault(0, 1, "4 bytes of its payload are missing")])
    harness.forget()
    harness.feed(b"1,CLOSED\r\n")
    assert_events(harness.events, [Closed(1, 1)])
    assert_usable(harness)


@pytest.mark.parametrize(
    ("missing", "rest"), [(1, b"\n1,CLOSED"), (3, b",CLOSED"), (4, b"CLOSED"), (5, b"LOSED"), (9, b"D")]
)
def test_a_short_payload_that_swallows_text_is_found_by_what_follows(
    harness: SessionHarness, missing: int, rest: bytes
) -> None:
    printed = b"hello worl"[: 10 - missing] + b"\r\n1,CLOSED\r\n"
    harness.feed(b"\r\n+IPD,0,10:" + printed)
    assert_events(harness.events, [Data(0, printed[:10]), Fault(0, 1, repr(rest))])


def test_a_block_that_is_still_coming_is_not_given_up_for_another_deadline(harness: SessionHarness) -> None:
    harness.send(AT)
    harness.wait(AT.timeout - 0.1)
    harness.feed(b"\r\n+IPD,0,10:hello")
    harness.wait(0.2)
    assert_events(harness.events, [Data(0, b"hello"), Failed(AT, CommandTimeout)])
    harness.feed(b"world")
    assert_events(harness.events[2:], [Data(0, b"world")])


def test_a_short_payload_for_nobody_is_no_news(harness: SessionHarness) -> None:
    harness.feed(b"\r\n+IPD,7,10:hello")
    harness.wait(PAYLOAD_SILENCE_S)
    assert harness.events == []
    assert_usable(harness)


def test_a_length_that_nobody_believes_is_a_fault_of_every_link(harness: SessionHarness) -> None:
    harness.send(AT)
    harness.feed(b"+IPD,0,99999999:")
    assert_events(harness.events, [Fault(0, 1, "99999999"), Fault(1, 1, "99999999")])
    harness.feed(b"\r\nOK\r\n")
    assert_events(harness.events[2:], [Done(AT)])


def test_a_line_without_end_is_a_fault_of_every_link(harness: SessionHarness) -> None:
    for _ in range(20):
        harness.feed(b"x" * 1000)
    assert_events(harness.events[:2], [Fault(0, 1, "longer than"), Fault(1, 1, "longer than")])
    harness.feed(b"\r\n")
    assert_usable(harness)


def test_without_links_it_is_unknown_text() -> None:
    harness = SessionHarness.ready()
    harness.feed(b"+IPD,0,99999999:")
    (event,) = harness.events
    assert isinstance(event, UnknownText)
    assert b"99999999" in event.text


def test_a_prompt_is_still_awaited_after_such_a_length(harness: SessionHarness) -> None:
    harness.send(SEND)
    harness.feed(b"+IPD,0,99999999:")
    harness.feed(PROMPT)
    assert harness.written == [LINE, b"hello"]


def test_a_buffer_that_overflows_is_a_fault_of_its_link(harness: SessionHarness) -> None:
    """Only if the driver does not take what is there, against its contract."""
    block = b"\r\n+IPD,0,60000:" + bytes(60000)
    faults = []
    for _ in range(20):
        harness.session.receive_data(block, harness.now)
        for _ in range(10):
            event = harness.session.next_event()
            if type(event).__name__ == "LinkFault":
                faults.append(event)
    assert_events(faults, [Fault(0, 1, "its receive buffer is full")])
    assert harness.session.demux.buffered(0) == 0


def test_silence_is_counted_while_a_command_is_in_flight(harness: SessionHarness) -> None:
    harness.send(Raw(b"AT+CIPSTATUS"))
    harness.feed(b"\r\n+IPD,0,10:hello")
    harness.wait(PAYLOAD_SILENCE_S)
    harness.feed(b"\r\nOK\r\n")
    assert isinstance(harness.events[-1], CommandDone)


def test_a_link_whose_send_was_cancelled_may_be_deaf_behind_the_next_one(harness: SessionHarness) -> None:
    sent(harness)
    until_written(harness, b"+++")
    harness.feed(b"\r\nSEND Canceled\r\n")
    settle(harness, recovery.SETTLE_S)
    links = harness.session.links
    assert links.was_cancelled(SEND.link_id)
    assert not links.may_be_deaf(SEND)
    sent(harness)
    harness.feed(RECV + SEND_OK)
    assert links.may_be_deaf(SEND)
    assert not links.was_cancelled(SEND.link_id)


def test_a_send_does_not_begin_anew_on_the_link_of_another_client(harness: SessionHarness) -> None:
    harness.send(SEND)
    harness.feed(BUSY)
    until_written(harness, b"+++")
    until_written(harness, b"\r\n")
    harness.feed(b"0,CLOSED\r\n" + ERROR)
    harness.session.links.release(0)
    harness.feed(b"0,CONNECT\r\n")
    settle(harness, recovery.SETTLE_S)
    assert harness.written.count(LINE) == 1
    assert any(isinstance(event, CommandFailed) for event in harness.events)
    assert_usable(harness)


def test_a_data_phase_that_takes_the_recovery_for_payload_is_no_fresh_start(harness: SessionHarness) -> None:
    """The prompt was lost, and the module read `+++` and the empty line behind it in one go."""
    one = tcpip.Send(0, chunk(0, b"x"))
    harness.send(one)
    harness.feed(b"\r\nOK\r\n")
    until_written(harness, b"+++")
    until_written(harness, b"\r\n")
    harness.feed(b"\r\nbusy p...\r\n\r\nRecv 1 bytes\r\n\r\nSEND OK\r\n")
    while not harness.idle:
        harness.wait(max(0.01, harness.session.next_deadline() - harness.now))
        if harness.written[-1] in BARRIERS:
            harness.feed(ANSWER)
        elif harness.written[-1] == b"\r\n":
            harness.feed(b"\r\nERROR\r\n")
    assert harness.written.count(b"AT+CIPSEND=0,1\r\n") == 1
    assert any(isinstance(event, CommandFailed) for event in harness.events)
