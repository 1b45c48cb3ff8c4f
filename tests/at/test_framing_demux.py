"""What the caller of a Demux may do between two frames, and what it is told when it may not."""

from __future__ import annotations

import tracemalloc
from functools import partial
from inspect import cleandoc
from typing import TYPE_CHECKING, Any

import pytest

from esp32sock.errors import LocalProtocolError, RemoteProtocolError

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture
def demux(framing: ModuleType) -> Any:
    """Links 0 and 1 are streams, link 4 takes datagrams, 2 and 3 have no owner."""
    demux = framing.Demux()
    demux.set_sink(0, framing.STREAM)
    demux.set_sink(1, framing.STREAM)
    demux.set_sink(4, framing.DATAGRAM)
    return demux


def feed(framing: ModuleType, demux: Any, data: bytes | bytearray) -> list[bytes]:
    """The texts that come of it; there must be no prompt."""
    demux.receive_data(data)
    return [frame.text for frame in iter(demux.next_frame, framing.NEED_DATA)]


# Frames


def test_frames_have_value_and_stay_as_they_are(framing: ModuleType) -> None:
    line = framing.Line(b"OK", 3)
    assert line == framing.Line(b"OK", 3)
    assert hash(line) == hash(framing.Line(b"OK", 3))
    assert line != framing.Line(b"OK")
    assert line != framing.Line(b"OK!", 3)
    assert line != (b"OK", 3)
    assert repr(line) == "Line(text=b'OK', follows=3)"
    assert framing.Line(b"OK").follows is None
    match line:
        case framing.Line(text, follows):
            assert (text, follows) == (b"OK", 3)
        case _:
            pytest.fail("Line does not match itself")
    with pytest.raises(AttributeError):
        line.text = b"ERROR"
    with pytest.raises((AttributeError, TypeError)):
        line.note = ""


def test_tokens_are_the_same_in_both_builds(both_framings: tuple[ModuleType, ModuleType]) -> None:
    pure, compiled = both_framings
    assert pure.PROMPT is compiled.PROMPT
    assert pure.NEED_DATA is compiled.NEED_DATA
    assert repr(pure.PROMPT) == "PROMPT"
    assert repr(pure.NEED_DATA) == "NEED_DATA"


def test_both_builds_offer_the_same(both_framings: tuple[ModuleType, ModuleType]) -> None:
    pure, compiled = both_framings

    def public(thing: object) -> set[str]:
        return {name for name in dir(thing) if not name.startswith("_")}

    assert public(pure.Demux) == public(compiled.Demux)
    assert public(pure.Line) == public(compiled.Line)
    assert public(pure.Chunk) == public(compiled.Chunk)
    for name in public(pure.Demux):
        assert own_words(getattr(pure.Demux, name)) == own_words(getattr(compiled.Demux, name)), name


def own_words(thing: object) -> str:
    """The docstring without the signature that Cython puts in front."""
    head, _, rest = (thing.__doc__ or "").partition("\n")
    return cleandoc(rest if head.startswith("Demux.") else thing.__doc__ or "")


# The pull model


def test_buffers_can_be_emptied_between_two_owners(framing: ModuleType, demux: Any) -> None:
    demux.receive_data(b"+IPD,0,3:old0,CLOSED\r\n0,CONNECT\r\n+IPD,0,3:new")
    assert demux.next_frame() == framing.Line(b"0,CLOSED", 0)
    assert demux.take(0) == b"old"
    demux.set_sink(0, framing.DISCARD)
    assert demux.next_frame() == framing.Line(b"0,CONNECT")
    demux.set_sink(0, framing.STREAM)
    assert demux.buffered(0) == 0
    assert demux.next_frame() is framing.NEED_DATA
    assert demux.take(0) == b"new"


def test_the_text_before_a_header_comes_before_its_payload(framing: ModuleType, demux: Any) -> None:
    demux.receive_data(b"AT+CIP+IPD,0,5:hello")
    assert demux.next_frame() == framing.Line(b"AT+CIP")
    assert (demux.receiving, demux.missing_bytes, demux.blocks(0), demux.buffered(0)) == (None, 0, 0, 0)
    assert demux.next_frame() is framing.NEED_DATA
    assert (demux.blocks(0), demux.take(0)) == (1, b"hello")


def test_a_stream_is_there_before_its_block_is_complete(framing: ModuleType, demux: Any) -> None:
    assert feed(framing, demux, b"+IPD,0,5:he") == []
    assert (demux.receiving, demux.missing_bytes) == (0, 3)
    assert (demux.ready(), demux.buffered(0), demux.take(0)) == (0b1, 2, b"he")
    assert feed(framing, demux, b"llo") == []
    assert (demux.receiving, demux.missing_bytes, demux.take(0)) == (None, 0, b"llo")


def test_a_datagram_is_there_when_it_is_complete(framing: ModuleType, demux: Any) -> None:
    assert feed(framing, demux, b'+IPD,4,5,"1.2.3.4",80:he') == []
    assert (demux.ready(), demux.buffered(4), demux.take_datagram(4)) == (0, 0, None)
    assert demux.peer(4) == ("1.2.3.4", 80)
    assert feed(framing, demux, b"llo+IPD,4,0:") == []
    assert (demux.ready(), demux.buffered(4)) == (0b10000, 5)
    assert demux.take_datagram(4) == ("1.2.3.4", 80, b"hello")
    assert (demux.ready(), demux.buffered(4)) == (0b10000, 0)
    assert demux.take_datagram(4) == (None, 0, b"")
    assert (demux.ready(), demux.take_datagram(4)) == (0, None)
    assert demux.peer(4) == ("1.2.3.4", 80)


def test_data_may_be_stored_before_the_last_was_read(framing: ModuleType, demux: Any) -> None:
    for byte in b"\r\nOK\r\n+IPD,0,5:hello0,CLOSED\r\n":
        demux.receive_data(bytes([byte]))
    assert demux.next_frame() == framing.Line(b"OK")
    demux.receive_data(b"1,CLOSED\r\n")
    assert demux.next_frame() == framing.Line(b"0,CLOSED", 0)
    demux.receive_data(b"")
    assert demux.next_frame() == framing.Line(b"1,CLOSED")
    assert demux.next_frame() is framing.NEED_DATA
    assert demux.take(0) == b"hello"


# Input


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: memoryview(bytearray(data))[:]])
def test_any_contiguous_buffer_will_do(framing: ModuleType, demux: Any, kind: Any) -> None:
    assert feed(framing, demux, kind(b"OK\r\n")) == [b"OK"]
    demux.receive_data(kind(b"A\r\n"))
    demux.receive_data(kind(b"B\r\n"))
    assert feed(framing, demux, kind(b"C\r\n")) == [b"A", b"B", b"C"]


def test_the_buffer_is_free_again_when_all_is_read(framing: ModuleType, demux: Any) -> None:
    data = bytearray(b"OK\r\n+CIPSTA")
    assert feed(framing, demux, data) == [b"OK"]
    data.clear()
    assert demux.pending_text() == b"+CIPSTA"
    data += b"+IPD,0,9:hello"
    assert feed(framing, demux, data) == [b"+CIPSTA"]
    data.clear()
    assert demux.take(0) == b"hello"


def test_the_buffer_is_free_again_after_an_error(framing: ModuleType, demux: Any) -> None:
    data = bytearray(b"+IPD,0,999999:OK\r\n")
    with pytest.raises(RemoteProtocolError):
        feed(framing, demux, data)
    data.clear()


def test_what_is_no_buffer_is_refused(framing: ModuleType, demux: Any) -> None:
    demux.receive_data(b"A\r\n")
    for _ in range(2):
        with pytest.raises(TypeError):
            demux.receive_data("OK\r\n")
        with pytest.raises(TypeError):
            demux.receive_data(7)
        with pytest.raises(BufferError, match="not C-contiguous"):
            demux.receive_data(memoryview(b"O-K-\r-\n-")[::2])
        demux.next_frame()
        assert demux.next_frame() is framing.NEED_DATA
    assert feed(framing, demux, b"OK\r\n") == [b"OK"]


# Links


def test_take_in_portions(framing: ModuleType, demux: Any) -> None:
    feed(framing, demux, b"+IPD,0,10:0123456789")
    assert [demux.take(0, size) for size in (0, 1, 4, 2)] == [b"", b"0", b"1234", b"56"]
    feed(framing, demux, b"+IPD,0,3:abc")
    assert demux.buffered(0) == 6
    assert [demux.take(0, 99), demux.take(0), demux.take(0, 1)] == [b"789abc", b"", b""]


def test_much_is_taken_in_order_whatever_the_portions(framing: ModuleType, demux: Any) -> None:
    expected, taken, size = bytearray(), bytearray(), 1
    for n in range(600):
        payload = bytes([n % 251]) * (n * 7 % 900)
        expected += payload
        feed(framing, demux, b"+IPD,0,%d:%s" % (len(payload), payload))
        size = size * 31 % 997
        taken += demux.take(0, size)
        assert demux.buffered(0) == len(expected) - len(taken)
    assert taken + demux.take(0) == expected


def test_many_datagrams_keep_order_and_borders(framing: ModuleType, demux: Any) -> None:
    sent, taken = [], []
    for n in range(300):
        payload = bytes([n % 251]) * (n * 7 % 1400)
        sent.append((f"10.0.0.{n % 256}", n, payload))
        feed(framing, demux, b"+IPD,4,%d,10.0.0.%d,%d:%s" % (len(payload), n % 256, n, payload))
        if n % 3:
            taken.append(demux.take_datagram(4))
    taken += iter(partial(demux.take_datagram, 4), None)
    assert taken == sent


def test_a_datagram_may_be_taken_while_the_next_one_comes(framing: ModuleType, demux: Any) -> None:
    feed(framing, demux, b"+IPD,4,3:abc+IPD,4,3:de")
    assert demux.take_datagram(4) == (None, 0, b"abc")
    assert demux.take_datagram(4) is None
    feed(framing, demux, b"f")
    assert demux.take_datagram(4) == (None, 0, b"def")


def test_a_new_owner_gets_nothing_of_the_old(framing: ModuleType, demux: Any) -> None:
    feed(framing, demux, b'+IPD,0,8,"1.2.3.4",80:abcd')
    demux.set_sink(0, framing.STREAM)
    assert (demux.buffered(0), demux.ready(), demux.peer(0)) == (0, 0, None)
    assert (demux.receiving, demux.missing_bytes) == (0, 4)
    assert feed(framing, demux, b"efghOK\r\n+IPD,0,1:i") == [b"OK"]
    assert (demux.received_bytes(0), demux.discarded_bytes(0), demux.take(0)) == (9, 8, b"i")


@pytest.mark.parametrize("complete", [True, False])
def test_a_new_owner_gets_no_datagram_of_the_old(framing: ModuleType, demux: Any, complete: bool) -> None:
    feed(framing, demux, b"+IPD,4,1:a+IPD,4,4:ab" + b"cd" * complete)
    demux.set_sink(4, framing.DATAGRAM)
    feed(framing, demux, b"cd" * (not complete) + b"+IPD,4,2:xy")
    assert demux.take_datagram(4) == (None, 0, b"xy")
    assert demux.take_datagram(4) is None
    assert (demux.received_bytes(4), demux.discarded_bytes(4), demux.blocks(4)) == (7, 5, 3)


def test_each_kind_is_asked_in_its_own_way(framing: ModuleType, demux: Any) -> None:
    with pytest.raises(LocalProtocolError, match=r"link 4 takes datagrams, ask with take_datagram\(\)"):
        demux.take(4)
    with pytest.raises(LocalProtocolError, match=r"link 0 is a stream, ask with take\(\)"):
        demux.take_datagram(0)
    assert demux.take(2) == b""
    assert demux.take_datagram(2) is None


@pytest.mark.parametrize("link_id", [-1, 5, 1 << 80])
def test_link_ids_are_checked(framing: ModuleType, demux: Any, link_id: int) -> None:
    calls = [demux.take, demux.take_datagram, demux.buffered, demux.peer, demux.blocks, demux.received_bytes]
    calls += [demux.discarded_bytes, demux.enter_passthrough, demux.expect_recvdata]
    calls.append(lambda link_id: demux.set_sink(link_id, framing.STREAM))
    for call in calls:
        with pytest.raises(LocalProtocolError, match=f"link id {link_id} is not one of 0 to 4"):
            call(link_id)


def test_sinks_are_checked(demux: Any) -> None:
    with pytest.raises(LocalProtocolError, match="sink 3 is none of DISCARD, STREAM, DATAGRAM"):
        demux.set_sink(0, 3)


@pytest.mark.parametrize("name", ["max_block_bytes", "max_line_bytes", "max_link_bytes"])
@pytest.mark.parametrize("value", [0, -1, 1 << 31, 1 << 80])
def test_limits_are_checked(framing: ModuleType, name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name} must be 1 to 2147483647, not {value}"):
        framing.Demux(**{name: value})


def test_counters(framing: ModuleType, demux: Any) -> None:
    feed(framing, demux, b"+IPD,0,3:abc+IPD,0,0:+IPD,2,4:abcd+IPD,9,6:abcdef+IPD,4,5:ab")
    assert [demux.blocks(n) for n in range(5)] == [2, 0, 1, 0, 1]
    assert [demux.received_bytes(n) for n in range(5)] == [3, 0, 4, 0, 2]
    assert [demux.discarded_bytes(n) for n in range(5)] == [0, 0, 4, 0, 0]
    assert demux.stray_bytes == 6


# Prompt, read, mux


def test_the_expectation_of_a_prompt_can_be_withdrawn(framing: ModuleType, demux: Any) -> None:
    assert not demux.prompt_expected
    demux.expect_prompt()
    assert demux.prompt_expected
    demux.cancel_prompt()
    assert not demux.prompt_expected
    assert feed(framing, demux, b">\r\n") == [b">"]


def test_a_prompt_comes_at_once_and_once(framing: ModuleType, demux: Any) -> None:
    demux.expect_prompt()
    demux.receive_data(b"\r\n>")
    assert demux.next_frame() is framing.PROMPT
    assert not demux.prompt_expected
    assert demux.next_frame() is framing.NEED_DATA


def test_mux_can_change(framing: ModuleType, demux: Any) -> None:
    assert demux.mux is True
    demux.mux = 0
    assert demux.mux is False
    assert feed(framing, demux, b"+IPD,2:ab+IPD,0,2:\r\n") == [b"+IPD,0,2:"]
    demux.mux = True
    assert feed(framing, demux, b"+IPD,1,2:cd+IPD,2:\r\n") == [b"+IPD,2:"]
    assert (demux.take(0), demux.take(1)) == (b"ab", b"cd")


def test_the_owner_of_a_read_can_change(framing: ModuleType, demux: Any) -> None:
    for link_id in (0, 1, None):
        demux.expect_recvdata(link_id)
        feed(framing, demux, b"+CIPRECVDATA:2,ab\r\n")
    assert (demux.take(0), demux.take(1), demux.stray_bytes) == (b"ab", b"ab", 2)


# Passthrough


def test_passthrough(framing: ModuleType, demux: Any) -> None:
    demux.expect_prompt()
    demux.receive_data(b"\r\nOK\r\n\r\n>")
    assert demux.next_frame() == framing.Line(b"OK")
    assert demux.next_frame() is framing.PROMPT
    demux.enter_passthrough(0)
    assert demux.passthrough == 0
    assert feed(framing, demux, b" +IPD,1,5:\r\nOK\r\n>") == []  # its first blank is payload, too
    assert (demux.receiving, demux.missing_bytes) == (None, 0)
    assert (demux.take(0), demux.received_bytes(0), demux.blocks(0)) == (b" +IPD,1,5:\r\nOK\r\n>", 17, 0)
    demux.leave_passthrough()
    demux.leave_passthrough()
    assert demux.passthrough is None
    assert feed(framing, demux, b"\r\n+QUITT\r\n") == [b"+QUITT"]


def test_passthrough_begins_where_reading_is(framing: ModuleType, demux: Any) -> None:
    demux.receive_data(b"OK\r\nabcOK\r\n")
    assert demux.next_frame() == framing.Line(b"OK")
    demux.enter_passthrough(1)
    assert demux.next_frame() is framing.NEED_DATA
    assert demux.take(1) == b"abcOK\r\n"


def test_passthrough_drops_an_unfinished_line(framing: ModuleType, demux: Any) -> None:
    feed(framing, demux, b"abc")
    demux.enter_passthrough(1)
    demux.leave_passthrough()
    assert feed(framing, demux, b"OK\r\n") == [b"OK"]


def test_passthrough_of_an_unowned_link(framing: ModuleType, demux: Any) -> None:
    demux.enter_passthrough(2)
    feed(framing, demux, b"abc")
    demux.set_sink(2, framing.STREAM)
    feed(framing, demux, b"def")
    assert (demux.take(2), demux.discarded_bytes(2)) == (b"def", 3)


def test_passthrough_has_no_borders_for_datagrams(framing: ModuleType, demux: Any) -> None:
    with pytest.raises(LocalProtocolError, match="link 4 takes datagrams"):
        demux.enter_passthrough(4)
    demux.enter_passthrough(0)
    with pytest.raises(LocalProtocolError, match="link 0 is in passthrough and cannot take datagrams"):
        demux.set_sink(0, framing.DATAGRAM)
    assert demux.passthrough == 0


@pytest.mark.parametrize("data", [b"+IPD,0,5:he", b"a+IPD,0,5:he"])
def test_passthrough_does_not_begin_in_a_block(demux: Any, data: bytes) -> None:
    demux.receive_data(data)
    demux.next_frame()
    with pytest.raises(LocalProtocolError, match="in the middle of a block"):
        demux.enter_passthrough(0)


# Trouble


def test_a_block_can_be_abandoned(framing: ModuleType, demux: Any) -> None:
    assert demux.abandon_block() is None
    feed(framing, demux, b"x+IPD,0,1:y+IPD,1,5:he")
    assert demux.abandon_block() == 1
    assert (demux.receiving, demux.missing_bytes, demux.take(1)) == (None, 0, b"he")
    demux.receive_data(b"OK\r\n")
    assert demux.next_frame() == framing.Line(b"OK")


def test_an_abandoned_datagram_is_lost(framing: ModuleType, demux: Any) -> None:
    feed(framing, demux, b"+IPD,4,1:a+IPD,4,5:he")
    assert demux.abandon_block() == 4
    feed(framing, demux, b"+IPD,4,1:b")
    assert [demux.take_datagram(4) for _ in range(3)] == [(None, 0, b"a"), (None, 0, b"b"), None]
    assert (demux.received_bytes(4), demux.discarded_bytes(4)) == (4, 2)


def test_a_stray_block_can_be_abandoned(framing: ModuleType, demux: Any) -> None:
    feed(framing, demux, b"+IPD,7,5:he")
    assert (demux.receiving, demux.missing_bytes) == (None, 3)
    assert demux.abandon_block() is None
    assert demux.missing_bytes == 0
    assert feed(framing, demux, b"OK\r\n") == [b"OK"]


@pytest.mark.parametrize("data", [b"abc", b'"ab\\', b"+IPD,0", b"+IPD,0,9:he", b"+IPD,4,9:he", b"a+IPD,0,2:"])
def test_reset_forgets_what_was_under_way(framing: ModuleType, demux: Any, data: bytes) -> None:
    feed(framing, demux, data)
    demux.expect_prompt()
    demux.expect_recvdata(0)
    demux.reset()
    assert (demux.pending_text(), demux.receiving, demux.missing_bytes) == (b"", None, 0)
    assert not demux.prompt_expected
    assert feed(framing, demux, b">+IPD,1,2:ab+CIPRECVDATA:2,cd\r\nOK\r\n") == [b">", b"OK"]
    assert (demux.take(1), demux.stray_bytes, demux.take_datagram(4)) == (b"ab", 2, None)


def test_reset_drops_half_a_datagram(framing: ModuleType, demux: Any) -> None:
    feed(framing, demux, b"+IPD,4,1:a+IPD,4,9:he")
    demux.reset()
    feed(framing, demux, b"+IPD,4,1:b")
    assert [demux.take_datagram(4) for _ in range(3)] == [(None, 0, b"a"), (None, 0, b"b"), None]
    assert (demux.received_bytes(4), demux.discarded_bytes(4)) == (4, 2)


def test_reset_ends_passthrough(framing: ModuleType, demux: Any) -> None:
    demux.enter_passthrough(0)
    demux.reset()
    assert feed(framing, demux, b"\r\nready\r\n") == [b"ready"]


def test_reset_keeps_what_has_come_and_what_is_not_read(framing: ModuleType, demux: Any) -> None:
    demux.mux = False
    demux.receive_data(b"+IPD,2,1.2.3.4,5:ab\r\nready\r\n+IPD,1:c\r\n")
    demux.receive_data(b"WIFI CONNECTED\r\n")
    assert demux.next_frame() == framing.Line(b"ready")
    demux.reset()
    assert demux.next_frame() == framing.Line(b"WIFI CONNECTED")
    assert (demux.take(0), demux.peer(0), demux.mux) == (b"abc", ("1.2.3.4", 5), False)


def test_reset_between_a_text_and_its_header(framing: ModuleType, demux: Any) -> None:
    demux.receive_data(b"AT+CIP+IPD,0,5:hello\r\n")
    assert demux.next_frame() == framing.Line(b"AT+CIP")
    demux.reset()
    assert demux.next_frame() == framing.Line(b"hello")


def test_an_absurd_length_is_an_error_until_reset(framing: ModuleType, demux: Any) -> None:
    message = "b'+IPD,0,65537:' announces more than 65536 bytes"
    demux.receive_data(b"+IPD,0,2:abAT+IPD,0,65537:hello\r\n")
    demux.receive_data(b"world\r\n")
    assert demux.next_frame() == framing.Line(b"AT", 0)
    for _ in range(2):
        with pytest.raises(RemoteProtocolError) as caught:
            demux.next_frame()
        assert str(caught.value) == message
    with pytest.raises(RemoteProtocolError, match="announces more than 65536"):
        demux.receive_data(b"OK\r\n")
    assert (demux.take(0), demux.blocks(0), demux.pending_text()) == (b"ab", 1, b"")
    demux.reset()
    assert feed(framing, demux, b"OK\r\n") == [b"OK"]


@pytest.mark.parametrize("length", [b"65537", b"4294967296", b"18446744073709551616", b"9" * 70])
@pytest.mark.parametrize(
    "header",
    [b"+IPD,9,%s:", b'+IPD,0,%s,"::1",1:', b"+CIPRECVDATA:%s,", b"+CIPRECVDATA,%s:", b"+WRITE:0,1,1,,%s,"],
)
def test_no_absurd_length_is_believed(demux: Any, header: bytes, length: bytes) -> None:
    data = header % length
    demux.receive_data(data)
    with pytest.raises(RemoteProtocolError) as caught:
        demux.next_frame()
    assert str(caught.value) == f"{data!r} announces more than 65536 bytes"
    assert demux.missing_bytes == 0


def test_the_longest_block_is_believed(framing: ModuleType, demux: Any) -> None:
    assert feed(framing, demux, b"+IPD,0,65536:" + b"+" * 65536 + b"OK\r\n") == [b"OK"]
    assert demux.take(0) == b"+" * 65536


def test_a_counted_line_may_be_longer_than_others(framing: ModuleType) -> None:
    demux = framing.Demux(max_line_bytes=5)
    line = b"+BTDATA:1000," + b"x" * 1000 + b"abcde"
    assert feed(framing, demux, line + b"\r\nOK\r\n") == [line, b"OK"]
    with pytest.raises(RemoteProtocolError, match="a line is longer than 5 bytes"):
        feed(framing, demux, line + b"f\r\n")


def test_the_rest_of_a_counted_line_is_given_up(framing: ModuleType, demux: Any) -> None:
    assert feed(framing, demux, b"+BTDATA:9,abc") == []
    assert (demux.missing_bytes, demux.receiving) == (6, None)
    assert demux.abandon_block() is None
    assert feed(framing, demux, b"OK\r\n") == [b"OK"]


@pytest.mark.parametrize("tail", [b"", b"x", b"\r\n", b"\rx", b"\r\r\n", b"+IPD,0,1:x", b"+IPX"])
@pytest.mark.parametrize("limit", [3, 40])
@pytest.mark.parametrize("step", [1, 2, 1000])
def test_a_line_has_a_limit(framing: ModuleType, limit: int, tail: bytes, step: int) -> None:
    legal = b"y" * limit + tail
    for data, too_long in ((legal, tail in (b"x", b"\rx", b"\r\r\n", b"+IPX")), (b"y" + legal, True)):
        demux = framing.Demux(max_line_bytes=limit)
        error = ""
        try:
            for n in range(0, len(data), step):
                feed(framing, demux, data[n : n + step])
        except RemoteProtocolError as raised:
            error = str(raised)
        shown = data[: min(limit, 32)]
        expected = f"a line is longer than {limit} bytes, it begins with {shown!r}" if too_long else ""
        assert error == expected
        if error:
            assert demux.pending_text() == b""


# Memory


def test_a_stream_is_kept_up_to_its_limit_and_others_go_on(framing: ModuleType) -> None:
    demux = framing.Demux(max_link_bytes=10)
    demux.set_sink(0, framing.STREAM)
    demux.set_sink(1, framing.STREAM)
    feed(framing, demux, b"+IPD,0,10:0123456789")
    assert demux.overflowed == 0
    assert feed(framing, demux, b"+IPD,0,3:abc+IPD,1,2:xyOK\r\n") == [b"OK"]
    assert (demux.overflowed, demux.buffered(0), demux.discarded_bytes(0)) == (0b1, 10, 3)
    assert (demux.take(0), demux.take(1)) == (b"0123456789", b"xy")
    feed(framing, demux, b"+IPD,0,3:def")
    assert (demux.overflowed, demux.take(0), demux.discarded_bytes(0)) == (0b1, b"", 6)
    demux.set_sink(0, framing.STREAM)
    feed(framing, demux, b"+IPD,0,3:ghi")
    assert (demux.overflowed, demux.take(0)) == (0, b"ghi")


def test_a_datagram_over_the_limit_is_dropped_whole(framing: ModuleType) -> None:
    demux = framing.Demux(max_link_bytes=2 * 64 + 10)
    demux.set_sink(4, framing.DATAGRAM)
    feed(framing, demux, b"+IPD,4,5:01234+IPD,4,5:56789")
    assert demux.overflowed == 0
    feed(framing, demux, b"+IPD,4,0:")
    assert demux.overflowed == 0b10000
    assert demux.take_datagram(4) == (None, 0, b"01234")
    feed(framing, demux, b"+IPD,4,1:a")
    assert [demux.take_datagram(4) for _ in range(2)] == [(None, 0, b"56789"), None]
    demux.set_sink(4, framing.DATAGRAM)
    feed(framing, demux, b"+IPD,4,74:" + b"x" * 74 + b"+IPD,4,1:a")
    assert (demux.overflowed, demux.buffered(4), demux.discarded_bytes(4)) == (0b10000, 74, 2)


def test_passthrough_has_the_same_limit(framing: ModuleType) -> None:
    demux = framing.Demux(max_link_bytes=10)
    demux.set_sink(0, framing.STREAM)
    demux.enter_passthrough(0)
    feed(framing, demux, b"0123456789abc")
    assert (demux.overflowed, demux.take(0), demux.discarded_bytes(0)) == (0b1, b"0123456789", 3)


HOSTILE = {
    "streams": b"".join(b"+IPD,%d,1000:" % n + b"x" * 1000 for n in range(5)),
    "datagrams": b"".join(b'+IPD,%d,10,"1.2.3.4",5:0123456789' % n for n in range(5)),
    "empty datagrams": b"+IPD,4,0:" * 100,
    "unknown links": b"+IPD,77,1000:" + b"x" * 1000,
    "lines": b"x" * 999 + b"\r\n",
    "headers": b"+IPD,0,+IPD,0,5,+CIPRECVDATA:1" * 10 + b"\r\n",
    "counted lines": b"+BTDATA:60000," + b"+" * 60000 + b"\r\n",
    "quotes": b'"\\"' * 100 + b"\r\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_memory_is_bounded(framing: ModuleType, name: str) -> None:
    demux = framing.Demux(max_link_bytes=20_000)
    for link_id in range(framing.LINKS):
        demux.set_sink(link_id, framing.DATAGRAM if "datagrams" in name else framing.STREAM)
    tracemalloc.start()
    try:
        for _ in range(1_000_000 // len(HOSTILE[name])):
            demux.receive_data(HOSTILE[name])
            while demux.next_frame() is not framing.NEED_DATA:
                pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * 4 * 20_000


def test_an_emptied_buffer_goes_back(framing: ModuleType) -> None:
    demux = framing.Demux()
    demux.set_sink(0, framing.STREAM)
    tracemalloc.start()
    try:
        for _ in range(15):
            feed(framing, demux, b"+IPD,0,60000:" + b"x" * 60000)
        assert tracemalloc.get_traced_memory()[0] > 900_000
        assert len(demux.take(0)) == 900_000
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()


# Work


@pytest.mark.parametrize("step", [1, 7, 1_000_000])
@pytest.mark.parametrize(
    "unit",
    [
        b"x", b"+", b'"', b'"\\', b">", b"\r", b"\r\n", b"+IPD,", b"+IPD,0,", b"+IPD,0,0:", b"+IPD,0,1:+",
        b"+IPD,0," + b"0" * 80, b'+IPD,0,1,"' + b"1" * 45, b"+CIPRECVDATA:1,1.1.1.1,",
        b"+CIPRECVDATA:0,1.1.1.1,1x", b"+BTDATA:9,123456789\r\n", b"+WRITE:1,1,1,", b'+MQTTSUBRECV:0,"t',
    ],
)  # fmt: skip
def test_work_is_linear(framing: ModuleType, unit: bytes, step: int) -> None:
    """Counted in bytes looked at: twice the input, twice the work, never more than a header for each byte."""

    def work(size: int) -> int:
        demux = framing.Demux(recvdata_has_peer=True, max_line_bytes=1_000_000)
        data = unit * (size // len(unit))
        for n in range(0, len(data), step):
            feed(framing, demux, data[n : n + step])
        examined: int = demux.examined_bytes
        return examined

    once, twice = work(10_000), work(20_000)
    assert twice <= 2.1 * once + 200
    assert once <= 10_000 * (2 if step > 1000 else 96)
