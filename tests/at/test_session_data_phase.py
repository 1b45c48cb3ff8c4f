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
from esp32sock.at.events import CommandDone, CommandFailed, ModuleBusy, ModuleStuck, UnknownText
from esp32sock.at.session import PAYLOAD_SILENCE_S
from esp32sock.at.state import CommandState, LinkState
from esp32sock.at.transaction_context import QUEUED_BYTES
from esp32sock.errors import CommandBusy, CommandError, CommandTimeout, LocalProtocolError
from tests.at.harness import Closed, Data, Done, Failed, Fault, Rig, assert_events, assert_polite, chunk

if TYPE_CHECKING:
    from collections.abc import Iterator

AT = basic.Test()
SEND = tcpip.Send(0, chunk(0, b"hello"))
LINE = b"AT+CIPSEND=0,5\r\n"
BIG = tcpip.Send(0, chunk(0, bytes(1000)))
PROMPT = b"\r\nOK\r\n\r\n>"
RECV, SEND_OK, ERROR = b"\r\nRecv 5 bytes\r\n", b"\r\nSEND OK\r\n", b"\r\nERROR\r\n"
DOUBTFUL = Failed(
    SEND, CommandError, "nothing in its data phase; how much of the chunk was sent is not known"
)


@pytest.fixture
def rig() -> Iterator[Rig]:
    """Links 0 and 1 are open, and the module is known to say `Recv`."""
    rig = Rig.ready(links=[0, 1])
    first = tcpip.Send(1, chunk(1, b"first"))
    rig.send(first)
    rig.feed(PROMPT)
    rig.feed(RECV + SEND_OK)
    assert_events(rig.events, [Done(first)])
    rig.forget()
    yield rig
    assert_polite(rig.wire)


def sent(rig: Rig, command: tcpip.Send = SEND) -> None:
    """Up to where the payload is on its way."""
    rig.send(command)
    rig.feed(PROMPT)
    assert rig.session.command.state is CommandState.AWAIT_SEND_RESULT
    rig.written.clear()


def until_written(rig: Rig, data: bytes) -> float:
    """Let time pass until exactly this is written; how long that took."""
    started, before = rig.now, len(rig.written)
    while len(rig.written) == before:
        assert rig.session.next_deadline() < float("inf"), "nothing will happen any more"
        rig.wait(rig.session.next_deadline() - rig.now)
    assert rig.written[before:] == [data]
    return rig.now - started


def assert_usable(rig: Rig) -> None:
    """The next command is taken, and its OK is its own."""
    assert rig.idle
    rig.forget()
    rig.send(AT)
    rig.feed(b"\r\nOK\r\n")
    assert_events(rig.events, [Done(AT)])


# ---- the payload did not arrive whole: no Recv


def test_a_missing_recv_is_cancelled_after_silence(rig: Rig) -> None:
    sent(rig)
    waited = until_written(rig, b"+++")
    assert waited == pytest.approx(transaction.RECEIVED_S + recovery.SILENCE_S)
    assert rig.session.command.state is CommandState.CANCELLING
    assert not rig.events
    rig.feed(b"\r\nSEND Canceled\r\n")
    assert_events(rig.events, [DOUBTFUL])
    assert rig.link(0) is LinkState.OPEN  # to be closed by its owner
    assert_usable(rig)


def test_the_longer_time_on_a_module_that_never_said_recv() -> None:
    rig = Rig.ready(links=[0])
    sent(rig)
    assert until_written(rig, b"+++") == pytest.approx(transaction.UNANNOUNCED_S + recovery.SILENCE_S)


def test_the_time_on_the_wire_is_added(rig: Rig) -> None:
    rig.session.s_per_byte = 10 / 9600
    sent(rig, BIG)
    on_the_wire = 1000 * 10 / 9600
    queued = QUEUED_BYTES * 10 / 9600
    waited = until_written(rig, b"+++")
    assert waited == pytest.approx(on_the_wire + queued + transaction.RECEIVED_S + recovery.SILENCE_S)


def test_other_spelling_of_cancelled(rig: Rig) -> None:
    sent(rig)
    until_written(rig, b"+++")
    rig.feed(b"\r\nSEND CANCELLED\r\n")
    assert_events(rig.events, [DOUBTFUL])
    assert_usable(rig)


def test_not_in_a_data_phase_at_all(rig: Rig) -> None:
    """The command was lost on the wire: `+++` is garbage in the line buffer, and an empty line shows it."""
    rig.send(SEND)
    rig.written.clear()
    waited = until_written(rig, b"+++")
    assert waited == pytest.approx(transaction.PROMPT_S + recovery.SILENCE_S)
    assert until_written(rig, b"\r\n") == pytest.approx(recovery.CANCEL_WAIT_S)
    rig.feed(ERROR)
    assert_events(rig.events, [DOUBTFUL])
    assert_usable(rig)


def test_filled_up_in_small_steps_until_recv(rig: Rig) -> None:
    sent(rig, BIG)
    until_written(rig, b"+++")
    until_written(rig, b"\r\n")
    assert until_written(rig, b"0" * 256) == pytest.approx(recovery.FLUSH_WAIT_S)
    assert rig.session.command.state is CommandState.REFILLING
    assert until_written(rig, b"0" * 256) == pytest.approx(recovery.REFILL_WAIT_S)
    rig.forget()
    rig.feed(b"\r\nRecv 1000 bytes\r\n")
    rig.wait(60)
    assert not rig.written  # the module has all it wants; its peer may be slow
    assert not rig.events
    rig.feed(SEND_OK)
    assert_events(rig.events, [Failed(BIG, CommandError, "nothing in its data phase")])
    assert rig.written == [b"\r\n"]  # what was too much stands in the line buffer
    assert not rig.idle
    with pytest.raises(LocalProtocolError):
        rig.session.send(AT, rig.now)
    rig.feed(b"\r\nERROR\r\n")
    rig.wait(recovery.SETTLE_S)
    assert_usable(rig)


def test_never_more_than_the_payload_is_filled_in(rig: Rig) -> None:
    sent(rig, BIG)
    rig.wait(30)
    fillers = [piece for piece in rig.written if piece.startswith(b"0")]
    assert sum(map(len, fillers)) == 1000
    assert max(map(len, fillers)) == recovery.REFILL_BYTES
    assert rig.written[:2] == [b"+++", b"\r\n"]
    assert b"\0" not in b"".join(rig.written)  # it makes 1.0 deaf where it is not payload


def test_more_errors_than_one_are_swallowed_by_the_flush(rig: Rig) -> None:
    sent(rig)
    until_written(rig, b"+++")
    until_written(rig, b"\r\n")
    until_written(rig, b"00000")
    rig.feed(ERROR)  # to the +++ and the empty line, very late
    assert rig.written[-1] == b"\r\n"
    rig.feed(ERROR)
    rig.feed(ERROR)
    assert not rig.idle
    rig.wait(recovery.SETTLE_S)
    assert_events(rig.events, [DOUBTFUL])
    assert_usable(rig)


def test_a_flush_that_nobody_answers_ends_by_itself(rig: Rig) -> None:
    sent(rig)
    until_written(rig, b"+++")
    until_written(rig, b"\r\n")
    until_written(rig, b"00000")
    rig.feed(SEND_OK)
    assert rig.session.command.state is CommandState.FLUSHING
    assert rig.session.next_deadline() == pytest.approx(rig.now + recovery.FLUSH_WAIT_S)
    rig.wait(recovery.FLUSH_WAIT_S)
    assert_usable(rig)


def test_plus_taken_as_the_last_payload_bytes(rig: Rig) -> None:
    """Two bytes were lost, so one of the three plusses and nothing else stands in the line buffer."""
    sent(rig)
    until_written(rig, b"+++")
    rig.feed(RECV + SEND_OK)
    assert_events(rig.events, [DOUBTFUL])
    assert rig.written[-1] == b"\r\n"
    rig.feed(ERROR)
    rig.wait(recovery.SETTLE_S)
    assert_usable(rig)


def test_a_module_that_was_only_slow_loses_nothing(rig: Rig) -> None:
    """Recv comes in the silence before the +++: nothing was disturbed, and SEND OK is what it says."""
    sent(rig)
    rig.wait(transaction.RECEIVED_S + recovery.SILENCE_S / 2)
    assert rig.session.command.state is CommandState.CANCELLING
    rig.feed(RECV)
    rig.wait(30)
    rig.feed(SEND_OK)
    assert_events(rig.events, [Done(SEND)])
    assert rig.written == []
    assert_usable(rig)


def test_send_ok_without_recv_in_that_silence(rig: Rig) -> None:
    sent(rig)
    rig.wait(transaction.RECEIVED_S + recovery.SILENCE_S / 2)
    rig.feed(SEND_OK)
    assert_events(rig.events, [Done(SEND)])
    assert_usable(rig)


def test_canceled_comes_after_the_empty_line_was_written(rig: Rig) -> None:
    """Then the empty line is one, and its ERROR must not be the next command's."""
    sent(rig)
    until_written(rig, b"+++")
    until_written(rig, b"\r\n")
    rig.feed(b"\r\nSEND Canceled\r\n")
    assert_events(rig.events, [DOUBTFUL])
    assert not rig.idle
    assert rig.written == [b"+++", b"\r\n"]
    rig.feed(ERROR)
    rig.wait(recovery.SETTLE_S)
    assert_usable(rig)


def test_a_link_that_closes_while_its_send_is_ended(rig: Rig) -> None:
    sent(rig)
    until_written(rig, b"+++")
    rig.feed(b"0,CLOSED\r\n\r\nSEND Canceled\r\n")
    assert_events(rig.events, [Closed(0, 1), DOUBTFUL])
    assert_usable(rig)


def test_a_module_that_counted_another_length_is_not_believed(rig: Rig) -> None:
    """The command line was mangled on the wire: the rest of the payload stands in the line buffer."""
    sent(rig)
    rig.feed(b"\r\nRecv 3 bytes\r\n\r\nSEND OK\r\n")
    assert_events(rig.events, [DOUBTFUL])
    assert rig.written == [b"\r\n"]
    rig.feed(ERROR)
    rig.wait(recovery.SETTLE_S)
    assert_usable(rig)


@pytest.mark.parametrize("word", [b"\r\nbusy p...\r\n", b"\r\nOK\r\n", b"1,CLOSED\r\n"])
def test_what_does_not_end_a_cancelling(rig: Rig, word: bytes) -> None:
    sent(rig)
    until_written(rig, b"+++")
    rig.feed(word)
    assert rig.session.command.state is CommandState.CANCELLING
    rig.feed(b"\r\nSEND Canceled\r\n")
    assert_usable(rig)


# ---- the prompt does not come, or late


def test_the_prompt_comes_when_it_is_being_cancelled(rig: Rig) -> None:
    """Only now does the data phase begin: it is cancelled from the top, and the payload not sent any more."""
    rig.send(SEND)
    rig.written.clear()
    until_written(rig, b"+++")
    rig.feed(PROMPT)
    assert rig.session.command.state is CommandState.CANCELLING
    assert until_written(rig, b"+++") == pytest.approx(recovery.SILENCE_S)
    rig.feed(b"\r\nSEND Canceled\r\n")
    assert_events(rig.events, [DOUBTFUL])
    assert_usable(rig)


def test_the_prompt_comes_when_it_is_being_filled_up(rig: Rig) -> None:
    rig.send(SEND)
    rig.written.clear()
    until_written(rig, b"+++")
    until_written(rig, b"\r\n")
    until_written(rig, b"00000")
    rig.feed(PROMPT)
    assert rig.session.command.state is CommandState.CANCELLING
    until_written(rig, b"+++")
    rig.feed(b"\r\nSEND Canceled\r\n")
    assert_events(rig.events, [DOUBTFUL])
    assert not rig.idle
    rig.feed(ERROR)  # to the empty line and the fillers before the prompt
    rig.feed(ERROR)  # to the empty line that clears up
    rig.wait(recovery.SETTLE_S)
    assert_usable(rig)


def test_ok_without_a_prompt(rig: Rig) -> None:
    rig.send(SEND)
    rig.feed(b"\r\nOK\r\n")
    rig.written.clear()
    until_written(rig, b"+++")
    rig.feed(b"\r\nSEND Canceled\r\n")
    assert_events(rig.events, [DOUBTFUL])
    assert_usable(rig)


def test_a_refusal_that_comes_in_the_silence_needs_no_cure(rig: Rig) -> None:
    rig.send(SEND)
    rig.wait(transaction.PROMPT_S + recovery.SILENCE_S / 2)
    rig.feed(ERROR)
    assert_events(rig.events, [Failed(SEND, CommandError, "AT+CIPSEND: the module answered ERROR")])
    assert rig.written == [LINE]
    assert_usable(rig)


def test_a_late_send_ok_while_no_payload_was_ever_written(rig: Rig) -> None:
    rig.send(SEND)
    rig.wait(transaction.PROMPT_S + recovery.SILENCE_S / 2)
    rig.feed(SEND_OK)
    assert_events(rig.events, [UnknownText(b"SEND OK")])
    assert rig.session.command.state is CommandState.CANCELLING


def test_recv_while_no_payload_was_ever_written(rig: Rig) -> None:
    rig.send(SEND)
    rig.wait(transaction.PROMPT_S + recovery.SILENCE_S / 2)
    rig.feed(RECV)
    assert_events(rig.events, [UnknownText(b"Recv 5 bytes")])
    assert rig.session.command.state is CommandState.CANCELLING


def test_what_is_due_to_be_written_is_not_once_recv_has_come(rig: Rig) -> None:
    sent(rig)
    for _ in range(2):
        rig.session.handle_deadline(rig.session.next_deadline())  # the +++ is due, but not asked for yet
    rig.feed(RECV)
    assert rig.written == []
    rig.feed(SEND_OK)
    assert_events(rig.events, [Done(SEND)])  # nothing was disturbed
    assert_usable(rig)


def test_one_recv_is_enough_to_believe_send_ok_again(rig: Rig) -> None:
    sent(rig)
    rig.feed(RECV + b"\r\nSEND FAIL\r\n")
    sent(rig)
    rig.feed(RECV + SEND_OK)
    sent(rig)
    rig.feed(SEND_OK)  # its Recv was lost
    assert_events(rig.events, [Failed(SEND, CommandError, "SEND FAIL"), Done(SEND), Done(SEND)])


def test_a_block_in_a_data_phase_that_was_flushed_is_noticed_too(rig: Rig) -> None:
    sent(rig)
    rig.feed(b"\r\n+IPD,0,2:ab\r\n")
    until_written(rig, b"+++")
    rig.feed(SEND_OK)
    assert rig.session.links.received_while_sending(SEND)
    rig.feed(ERROR)
    rig.wait(recovery.SETTLE_S)
    assert_usable(rig)


def test_the_prompt_comes_in_the_last_moment(rig: Rig) -> None:
    """The payload is due to be written: time that passes until the driver does so is not the module's."""
    rig.send(SEND)
    rig.wait(transaction.PROMPT_S - 0.001)
    rig.hear(PROMPT)
    while rig.session.command.state is not CommandState.SENDING_PAYLOAD:
        rig.session.next_event()
    assert rig.session.next_deadline() == float("inf")
    rig.session.handle_deadline(rig.now + 100)
    assert rig.session.command.state is CommandState.SENDING_PAYLOAD
    assert [bytes(piece) for piece in rig.session.data_to_send(rig.now + 100)] == [b"hello"]
    assert rig.session.next_deadline() == pytest.approx(rig.now + 100 + transaction.RECEIVED_S)


def test_a_prompt_that_was_there_before_the_line_was_written_is_not_its() -> None:
    rig = Rig.ready(links=[0])
    rig.session.send(SEND, rig.now)
    rig.feed(b"\r\n>\r\n")  # the line was not asked for yet
    assert rig.written == [LINE]
    assert_events(rig.events, [UnknownText(b">")])
    rig.feed(PROMPT)
    assert rig.written == [LINE, b"hello"]


def test_a_result_that_was_there_before_the_line_was_written_is_not_its() -> None:
    rig = Rig.ready()
    rig.session.send(AT, rig.now)
    rig.feed(b"\r\nOK\r\n")
    assert_events(rig.events, [UnknownText(b"OK")])
    rig.feed(b"\r\nOK\r\n")
    assert_events(rig.events, [UnknownText(b"OK"), Done(AT)])


def test_text_that_begins_like_a_prompt_when_none_is_awaited(rig: Rig) -> None:
    rig.feed(b"\r\n>\r\n")
    assert_events(rig.events, [UnknownText(b">")])
    assert not rig.written


# ---- slow results


def test_send_ok_may_take_long_after_recv(rig: Rig) -> None:
    sent(rig)
    rig.feed(RECV)
    rig.wait(SEND.timeout - 1)
    rig.feed(SEND_OK)
    assert_events(rig.events, [Done(SEND)])
    assert not rig.written


def test_send_ok_that_never_comes(rig: Rig) -> None:
    sent(rig)
    rig.feed(RECV)
    rig.wait(SEND.timeout)
    assert_events(rig.events, [Failed(SEND, CommandTimeout)])
    assert rig.session.command.state is CommandState.ABANDONED
    assert not rig.written  # the module counted the payload: it is in no data phase
    rig.feed(SEND_OK)
    assert_usable(rig)


def test_a_timeout_and_a_stuck_module(rig: Rig) -> None:
    rig.send(AT)
    rig.wait(AT.timeout)
    assert_events(rig.events, [Failed(AT, CommandTimeout, "AT: the module answered nothing in time")])
    assert not rig.idle
    rig.wait(transaction.OWED_S)
    assert rig.events[1:] == [ModuleStuck("AT")]
    assert rig.session.next_deadline() == float("inf")
    rig.session.force_restart()
    rig.pump()
    assert rig.written[-1] == b"AT+RST\r\n"
    assert rig.idle


def test_a_late_result_frees_the_session(rig: Rig) -> None:
    rig.send(AT)
    rig.wait(AT.timeout + 1)
    rig.feed(ERROR)
    assert_events(rig.events, [Failed(AT, CommandTimeout)])
    assert_usable(rig)


@pytest.mark.parametrize("lost", ["all", "prompt"])
def test_a_data_phase_that_nothing_ends_is_a_stuck_module(rig: Rig, lost: str) -> None:
    rig.send(SEND)
    if lost == "all":
        rig.feed(PROMPT)
    rig.wait(120)
    assert_events(rig.events, [DOUBTFUL, ModuleStuck("AT+CIPSEND")])
    assert not rig.idle


def test_an_answer_after_all_when_everything_was_tried(rig: Rig) -> None:
    """It may have left fillers in the line buffer, so it is flushed all the same."""
    sent(rig)
    while rig.session.command.state is not CommandState.ABANDONED:
        rig.wait(rig.session.next_deadline() - rig.now)
    rig.written.clear()
    rig.feed(SEND_OK)
    assert rig.written == [b"\r\n"]
    rig.feed(ERROR)
    rig.wait(recovery.SETTLE_S)
    assert_events(rig.events, [DOUBTFUL])
    assert_usable(rig)


def test_while_probing_a_module_that_says_nothing_owes_nothing() -> None:
    rig = Rig()
    for _ in range(3):
        rig.send(AT)
        rig.wait(AT.timeout)
    assert rig.written == [b"AT\r\n"] * 3
    assert_events(rig.events, [Failed(AT, CommandTimeout)] * 3)


def test_the_probe_does_not_wait_for_what_may_stand_in_a_queue() -> None:
    rig = Rig()
    rig.session.s_per_byte = 10 / 115200
    rig.send(AT)
    assert rig.session.next_deadline() == pytest.approx(rig.now + AT.timeout)
    rig.feed(b"\r\nOK\r\n")
    rig.session.set_up()
    rig.send(AT)
    queued = QUEUED_BYTES * 10 / 115200
    assert rig.session.next_deadline() == pytest.approx(rig.now + AT.timeout + queued)


# ---- busy


def test_busy_to_every_try(rig: Rig) -> None:
    rig.send(AT)
    while not any(isinstance(event, CommandFailed) for event in rig.events):
        rig.feed(b"\r\nbusy p...\r\n")
        rig.wait(transaction.BUSY_GRACE_S)
    assert_events(
        [event for event in rig.events if not isinstance(event, ModuleBusy)],
        [Failed(AT, CommandBusy, "busy p... to every attempt; another command is still running")],
    )
    assert rig.now - 1000 == pytest.approx(AT.timeout + transaction.BUSY_S, abs=0.5)
    assert set(rig.written) == {b"AT\r\n"}
    assert 150 <= len(rig.written) <= 156
    count = len(rig.written)
    rig.wait(1)
    assert len(rig.written) == count
    rig.feed(b"\r\nOK\r\n")
    rig.forget()
    assert rig.idle


@pytest.mark.parametrize("command", [AT, SEND], ids=["at", "send"])
def test_a_line_whose_time_is_over_is_not_sent_again(rig: Rig, command: basic.Test | tcpip.Send) -> None:
    rig.send(command)
    rig.feed(b"\r\nbusy p...\r\n")
    rig.wait(rig.session.next_deadline() - rig.now)
    (line, again) = rig.written
    assert line == again
    rig.wait(rig.session.next_deadline() - rig.now - 0.1)  # of the command itself
    rig.feed(b"\r\nbusy p...\r\n")
    rig.wait(1)
    assert line not in rig.written[2:]


def test_the_grace_counts_from_the_last_byte_heard(rig: Rig) -> None:
    """The answer may stand behind what the module is saying: an early CIPSEND line would be payload."""
    rig.session.s_per_byte = 10 / 115200
    rig.send(SEND)
    rig.feed(b"\r\nbusy p...\r\n")
    for _ in range(8):
        rig.wait(0.15)
        rig.feed(b"\r\n+IPD,1,5:hello\r\n")
    assert rig.written == [LINE]
    rig.feed(PROMPT)
    assert rig.written == [LINE, b"hello"]
    rig.wait(1)
    assert rig.written == [LINE, b"hello"]


def test_in_silence_the_grace_is_short_on_any_line(rig: Rig) -> None:
    rig.session.s_per_byte = 10 / 9600
    rig.send(AT)
    rig.feed(b"\r\nbusy p...\r\n")
    assert until_written(rig, b"AT\r\n") == pytest.approx(transaction.BUSY_GRACE_S)


def test_the_code_of_a_busy_is_not_that_of_the_error_after_it(rig: Rig) -> None:
    rig.send(AT)
    rig.feed(b"ERR CODE:0x010b0000\r\n\r\nbusy p...\r\n" + ERROR)
    (failed,) = [event for event in rig.events if isinstance(event, CommandFailed)]
    assert isinstance(failed.error, CommandError)
    assert failed.error.error_code is None


def test_but_no_longer_than_a_queue_can_be(rig: Rig) -> None:
    rig.session.s_per_byte = 10 / 115200
    rig.send(SEND)
    rig.feed(b"\r\nbusy p...\r\n")
    started = rig.now
    while rig.written == [LINE]:
        rig.wait(0.1)
        rig.feed(b"\r\n+IPD,1,5:hello\r\n")
    queued = QUEUED_BYTES * 10 / 115200
    assert rig.now - started == pytest.approx(transaction.BUSY_GRACE_S + queued, abs=0.2)
    assert rig.written == [LINE, LINE]


def test_a_line_that_is_due_again_is_not_written_once_the_answer_has_come(rig: Rig) -> None:
    rig.send(SEND)
    rig.feed(b"\r\nbusy p...\r\n")
    rig.session.handle_deadline(rig.session.next_deadline())  # the line is due, but not asked for yet
    rig.feed(PROMPT)
    assert rig.written == [LINE, b"hello"]
    rig.feed(RECV + SEND_OK)
    rig.send(AT)
    rig.feed(b"\r\nbusy p...\r\n")
    rig.session.handle_deadline(rig.session.next_deadline())
    rig.feed(b"\r\nOK\r\n")
    assert rig.written == [LINE, b"hello", b"AT\r\n"]
    assert rig.idle


def test_busy_after_part_of_the_answer_is_about_something_else(rig: Rig) -> None:
    command = tcpip.Multiplexed()
    rig.send(command)
    rig.feed(b"+CIPMUX:1\r\n\r\nbusy p...\r\n")
    rig.wait(1)
    rig.feed(b"\r\nOK\r\n")
    assert_events(rig.events, [Done(command, (b"+CIPMUX:1",))])
    assert rig.written == [b"AT+CIPMUX?\r\n"]


def test_an_abandoned_command_that_was_dropped_is_sent_again_for_its_result(rig: Rig) -> None:
    rig.send(AT)
    rig.feed(b"\r\nbusy p...\r\n")
    rig.session.abandon()
    rig.wait(0.3)
    assert rig.written == [b"AT\r\n", b"AT\r\n"]
    rig.feed(b"\r\nbusy p...\r\n")
    rig.wait(0.3)
    assert rig.written == [b"AT\r\n"] * 3
    rig.feed(b"\r\nOK\r\n")
    assert rig.events == [ModuleBusy("AT"), ModuleBusy("AT")]
    assert_usable(rig)


def test_a_stuck_module_is_left_alone(rig: Rig) -> None:
    rig.send(AT)
    rig.session.abandon()
    rig.wait(rig.session.next_deadline() - rig.now - 0.1)
    rig.feed(b"\r\nbusy p...\r\n")  # gives it once more time
    rig.wait(transaction.BUSY_S)
    rig.feed(b"\r\nbusy p...\r\n")
    rig.wait(0.15)
    assert rig.events[-1] == ModuleStuck("AT")
    assert rig.session.next_deadline() == float("inf")


# ---- abandoning


@pytest.mark.parametrize("at", ["prompt", "payload", "recv"])
def test_an_abandoned_send_goes_on_to_its_end(rig: Rig, at: str) -> None:
    rig.send(SEND)
    if at == "prompt":
        rig.session.abandon()
    rig.feed(PROMPT)
    if at == "payload":
        rig.session.abandon()
    rig.feed(RECV)
    if at == "recv":
        rig.session.abandon()
    rig.wait(60)  # a slow peer
    assert rig.events == []
    rig.feed(SEND_OK)
    assert rig.events == []
    assert rig.written == [LINE, b"hello"]
    assert_usable(rig)


def test_an_abandoned_send_whose_bytes_were_lost_is_cancelled_all_the_same(rig: Rig) -> None:
    sent(rig)
    rig.session.abandon()
    until_written(rig, b"+++")
    rig.feed(b"\r\nSEND Canceled\r\n")
    assert rig.events == []
    assert_usable(rig)


def test_abandoning_twice_or_nothing_changes_nothing(rig: Rig) -> None:
    rig.session.abandon()
    assert rig.idle
    rig.send(AT)
    rig.session.abandon()
    due = rig.session.next_deadline()
    rig.session.abandon()
    assert rig.session.next_deadline() == due == pytest.approx(rig.now + AT.timeout + transaction.OWED_S)
    rig.feed(b"\r\nOK\r\n")
    assert rig.events == []
    assert_usable(rig)


# ---- one command at a time


def test_a_second_command_is_refused_and_changes_nothing(rig: Rig) -> None:
    rig.send(AT)
    with pytest.raises(LocalProtocolError, match="AT\\+CIPCLOSE: the command in flight has no result yet"):
        rig.session.send(tcpip.Close(0), rig.now)
    assert rig.link(0) is LinkState.OPEN
    rig.feed(b"\r\nOK\r\n")
    assert_events(rig.events, [Done(AT)])
    assert rig.written == [b"AT\r\n"]


def test_an_argument_that_cannot_be_sent_changes_nothing(rig: Rig) -> None:
    with pytest.raises(ValueError, match="port 0"):
        rig.session.send(tcpip.OpenTcp(2, "h", 0), rig.now)
    assert rig.link(2) is LinkState.FREE
    assert rig.session.links[2].generation == 0
    assert_usable(rig)


def test_raw_bytes_only_while_probing_and_between_commands() -> None:
    rig = Rig()
    rig.session.write_raw(b"+++")
    rig.pump()
    assert rig.written == [b"+++"]
    rig.send(AT)
    with pytest.raises(LocalProtocolError):
        rig.session.write_raw(b"+++")
    rig.feed(b"\r\nOK\r\n")
    rig.session.set_up()
    with pytest.raises(LocalProtocolError):
        rig.session.write_raw(b"+++")
    rig.pump()
    assert rig.written == [b"+++", b"AT\r\n"]


# ---- payload that is short, and lengths that nobody believes


def test_a_short_payload_is_given_up_after_silence(rig: Rig) -> None:
    rig.feed(b"\r\n+IPD,0,10:hello")
    assert_events(rig.events, [Data(0, b"hello")])
    assert rig.session.next_deadline() == rig.now + PAYLOAD_SILENCE_S
    rig.wait(PAYLOAD_SILENCE_S / 2)
    rig.feed(b"w")
    assert rig.session.next_deadline() == rig.now + PAYLOAD_SILENCE_S
    rig.wait(PAYLOAD_SILENCE_S)
    assert_events(rig.events, [Data(0, b"hellow"), Fault(0, 1, "4 bytes of its payload are missing")])
    rig.forget()
    rig.feed(b"1,CLOSED\r\n")
    assert_events(rig.events, [Closed(1, 1)])
    assert_usable(rig)


@pytest.mark.parametrize(
    ("missing", "rest"), [(1, b"\n1,CLOSED"), (3, b",CLOSED"), (4, b"CLOSED"), (5, b"LOSED"), (9, b"D")]
)
def test_a_short_payload_that_swallows_text_is_found_by_what_follows(
    rig: Rig, missing: int, rest: bytes
) -> None:
    printed = b"hello worl"[: 10 - missing] + b"\r\n1,CLOSED\r\n"
    rig.feed(b"\r\n+IPD,0,10:" + printed)
    assert_events(rig.events, [Data(0, printed[:10]), Fault(0, 1, repr(rest))])


def test_a_block_that_is_still_coming_is_not_given_up_for_another_deadline(rig: Rig) -> None:
    rig.send(AT)
    rig.wait(AT.timeout - 0.1)
    rig.feed(b"\r\n+IPD,0,10:hello")
    rig.wait(0.2)
    assert_events(rig.events, [Data(0, b"hello"), Failed(AT, CommandTimeout)])
    rig.feed(b"world")
    assert_events(rig.events[2:], [Data(0, b"world")])


def test_a_short_payload_for_nobody_is_no_news(rig: Rig) -> None:
    rig.feed(b"\r\n+IPD,7,10:hello")
    rig.wait(PAYLOAD_SILENCE_S)
    assert rig.events == []
    assert_usable(rig)


def test_a_length_that_nobody_believes_is_a_fault_of_every_link(rig: Rig) -> None:
    rig.send(AT)
    rig.feed(b"+IPD,0,99999999:")
    assert_events(rig.events, [Fault(0, 1, "99999999"), Fault(1, 1, "99999999")])
    rig.feed(b"\r\nOK\r\n")
    assert_events(rig.events[2:], [Done(AT)])


def test_a_line_without_end_is_a_fault_of_every_link(rig: Rig) -> None:
    for _ in range(20):
        rig.feed(b"x" * 1000)
    assert_events(rig.events[:2], [Fault(0, 1, "longer than"), Fault(1, 1, "longer than")])
    rig.feed(b"\r\n")
    assert_usable(rig)


def test_without_links_it_is_unknown_text() -> None:
    rig = Rig.ready()
    rig.feed(b"+IPD,0,99999999:")
    (event,) = rig.events
    assert isinstance(event, UnknownText)
    assert b"99999999" in event.text


def test_a_prompt_is_still_awaited_after_such_a_length(rig: Rig) -> None:
    rig.send(SEND)
    rig.feed(b"+IPD,0,99999999:")
    rig.feed(PROMPT)
    assert rig.written == [LINE, b"hello"]


def test_a_buffer_that_overflows_is_a_fault_of_its_link(rig: Rig) -> None:
    """Only if the driver does not take what is there, against its contract."""
    block = b"\r\n+IPD,0,60000:" + bytes(60000)
    faults = []
    for _ in range(20):
        rig.session.receive_data(block, rig.now)
        for _ in range(10):
            event = rig.session.next_event()
            if type(event).__name__ == "LinkFault":
                faults.append(event)
    assert_events(faults, [Fault(0, 1, "its receive buffer is full")])
    assert rig.session.demux.buffered(0) == 0


def test_silence_is_counted_while_a_command_is_in_flight(rig: Rig) -> None:
    rig.send(Raw(b"AT+CIPSTATUS"))
    rig.feed(b"\r\n+IPD,0,10:hello")
    rig.wait(PAYLOAD_SILENCE_S)
    rig.feed(b"\r\nOK\r\n")
    assert isinstance(rig.events[-1], CommandDone)
