"""The two builds are one: what hypothesis can think of, fed to both in the same pieces, gives the same."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from esp32sock.errors import LocalProtocolError, RemoteProtocolError

if TYPE_CHECKING:
    from types import ModuleType

numbers = st.one_of(st.integers(0, 12), st.sampled_from([255, 65535, 65536, 2**31, 2**64])).map(b"%d".__mod__)
addresses = st.sampled_from([b"", b'"10.0.2.2",', b"10.0.2.2,", b'"fe80::1",', b'"', b"1.2.3,", b'"x",'])
headers = st.one_of(
    st.builds(b"+IPD,%b,%b:".__mod__, st.tuples(numbers, numbers)),
    st.builds(b"+IPD,%b:".__mod__, st.tuples(numbers)),
    st.builds(b"+IPD,%b,%b,%b%b:".__mod__, st.tuples(numbers, numbers, addresses, numbers)),
    st.builds(b"+IPD,%b,%b%b:".__mod__, st.tuples(numbers, addresses, numbers)),
    st.builds(b"+CIPRECVDATA:%b,".__mod__, st.tuples(numbers)),
    st.builds(b"+CIPRECVDATA,%b:".__mod__, st.tuples(numbers)),
    st.builds(b"+CIPRECVDATA:%b,%b%b,".__mod__, st.tuples(numbers, addresses, numbers)),
    st.builds(b"+BTDATA:%b,".__mod__, st.tuples(numbers)),
    st.builds(b"+WRITE:0,1,%b,,%b,".__mod__, st.tuples(numbers, numbers)),
    st.builds(b'+MQTTSUBRECV:%b,"a%b",%b,'.__mod__, st.tuples(numbers, addresses, numbers)),
)
words = st.sampled_from([b"\r\n", b"\r", b"\n", b">", b"> ", b'"', b"\\", b"OK", b"+", b"0,CLOSED\r\n"])
streams = st.lists(st.one_of(headers, words, st.binary(max_size=12)), max_size=20).map(b"".join)
links = st.integers(0, 4)
names_with_link = ["take", "take_datagram", "expect_recvdata", "enter_passthrough"]
names_alone = ["expect_prompt", "cancel_prompt", "leave_passthrough", "abandon_block", "reset"]
calls = st.one_of(
    st.tuples(st.sampled_from(names_with_link), links),
    st.tuples(st.just("take"), links, st.integers(-1, 5)),
    st.tuples(st.just("set_sink"), links, st.integers(0, 3)),
    st.tuples(st.sampled_from(names_alone)),
)
settings = st.fixed_dictionaries(
    {
        "mux": st.booleans(),
        "recvdata_has_peer": st.booleans(),
        "max_block_bytes": st.sampled_from([9, 65536]),
        "max_line_bytes": st.sampled_from([4, 16, 16384]),
        "max_link_bytes": st.sampled_from([3, 70, 150, 1 << 20]),
    }
)


def attempt(call: Any, *arguments: object) -> object:
    """What the call returns or raises, in a form that compares across the builds."""
    try:
        result = call(*arguments)
    except (LocalProtocolError, RemoteProtocolError) as error:
        return type(error), str(error)
    return (result.text, result.follows) if hasattr(result, "follows") else result


def everything(demux: Any) -> list[object]:
    state = [demux.mux, demux.prompt_expected, demux.passthrough, demux.receiving, demux.missing_bytes]
    state += [demux.overflowed, demux.stray_bytes, demux.ready(), demux.pending_text()]
    for name in ("buffered", "peer", "blocks", "received_bytes", "discarded_bytes"):
        state += [getattr(demux, name)(link_id) for link_id in range(5)]
    return state


def transcript(
    framing: ModuleType,
    settings: dict[str, Any],
    sinks: list[int],
    steps: list[tuple[bytes, int, list[tuple[Any, ...]]]],
) -> list[object]:
    """Feeds each piece, reads that many frames, makes the calls, and notes all there is to see."""
    demux = framing.Demux(**settings)
    for link_id, sink in enumerate(sinks):
        demux.set_sink(link_id, sink)
    noted: list[object] = []
    for piece, frames, made in steps:
        noted.append(attempt(demux.receive_data, piece))
        for _ in range(frames):
            frame = attempt(demux.next_frame)
            noted.append(frame)
            if frame is framing.NEED_DATA:
                break
        noted += [attempt(getattr(demux, name), *arguments) for name, *arguments in made]
        noted.append(everything(demux))
    for link_id, sink in enumerate(sinks):
        noted.append(attempt(demux.take_datagram if sink == 2 else demux.take, link_id))
    return noted


@given(
    data=streams,
    cuts=st.lists(st.integers(0, 200), max_size=8),
    frames=st.lists(st.sampled_from([99, 99, 0, 1]), min_size=9, max_size=9),
    made=st.lists(st.lists(calls, max_size=2), min_size=9, max_size=9),
    sinks=st.lists(st.integers(0, 2), min_size=5, max_size=5),
    settings=settings,
)
def test_both_builds_say_the_same(
    both_framings: tuple[ModuleType, ModuleType],
    data: bytes,
    cuts: list[int],
    frames: list[int],
    made: list[list[tuple[Any, ...]]],
    sinks: list[int],
    settings: dict[str, Any],
) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    steps = list(zip((data[a:b] for a, b in pairwise(edges)), frames, made, strict=False))
    pure, compiled = both_framings
    assert transcript(pure, settings, sinks, steps) == transcript(compiled, settings, sinks, steps)


@given(data=streams, cuts=st.sets(st.integers(1, 200)), settings=settings, sink=st.integers(0, 2))
def test_cuts_make_no_difference(
    framing: ModuleType, data: bytes, cuts: set[int], settings: dict[str, Any], sink: int
) -> None:
    def played(pieces: list[bytes]) -> list[object]:
        demux = framing.Demux(**settings)
        for link_id in range(5):
            demux.set_sink(link_id, sink)
        demux.expect_recvdata(1)
        demux.expect_prompt()
        noted: list[object] = []
        try:
            for piece in pieces:
                demux.receive_data(piece)
                noted += iter(demux.next_frame, framing.NEED_DATA)
        except RemoteProtocolError as error:
            return [*noted, str(error)]
        return [*noted, everything(demux)]

    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    assert played([data[a:b] for a, b in pairwise(edges)]) == played([data])
