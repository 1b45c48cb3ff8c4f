"""Framing: both builds agree, and how the input is cut makes no difference.

Two kinds of run, chosen by a bit of the input:

- *cutting*: what the caller does depends on the frames alone, so whole, byte by byte, in pieces and read late
  must give the same frames, payload, counters and error, on both builds.
- *meddling*: the caller also calls anything between two pieces. Then only the builds must agree.

The work is linear: `examined_bytes` is bounded by the bytes and the pieces. Counted are the bytes that were
given to a Demux: each input goes through several.
"""

from __future__ import annotations

from importlib import import_module
from random import Random
from typing import TYPE_CHECKING, Any

from esp32sock._constants import (
    COUNTED_LINES,
    DATAGRAM,
    DISCARD,
    LINKS,
    MAX_COUNTED_HEADER_BYTES,
    MAX_HEADER_BYTES,
    STREAM,
)
from esp32sock.at import _framing_py
from esp32sock.errors import LocalProtocolError, RemoteProtocolError
from fuzz import corpus
from fuzz.controls import Controls

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

UNIT = "bytes"
MAX_BYTES = 1 << 16

PURE: Any = _framing_py
COMPILED: Any = import_module("esp32sock._speedups._framing_c")

CONTROL_BYTES = 12
BYTEWISE_BYTES = 600
"""Up to here an input is also given byte by byte; a longer one is cut at a few single places more."""
SINGLE_CUTS = 6
LONG_SEED_BYTES = 20_000

Call = tuple[str, tuple[Any, ...]]

SINKS = (STREAM, DATAGRAM, DISCARD, STREAM)
LINE_LIMITS = (16384, 16384, 200, 60, 5)
LINK_LIMITS = (1 << 20, 200, 70, 1)

CALLS: tuple[str, ...] = (
    "nothing", "take", "take_some", "take_datagram", "set_sink", "expect_prompt", "cancel_prompt",
    "expect_recvdata", "ready", "buffered", "peer",
)  # fmt: skip
MEDDLING: tuple[str, ...] = (
    *CALLS, "abandon_block", "reset", "pending_text", "no_such_link", "no_such_sink", "enter_passthrough",
    "leave_passthrough", "mux",
)  # fmt: skip


def dictionary() -> list[bytes]:
    words = [word.encode() for word, _ in COUNTED_LINES]
    return [
        *words, b"+IPD,", b"+IPD,0,5:hello", b"+CIPRECVDATA:3,", b"+CIPRECVDATA,3:", b'"10.0.2.2",7000:',
        b"10.0.2.2,7000:", b"\r\n", b"\r\n>", b"> ", b'\\"', b'"', b"OK\r\n", b"0,CLOSED\r\n", b"+++",
        b'0,"a",5,', b"0,1,1,,3,", b"99999999999999999999", b"65537:", b'"2001:db8::1",1:', b"00000000",
    ]  # fmt: skip


def seeds() -> Iterator[bytes]:
    words = [word.encode() for word, _ in COUNTED_LINES]
    headers = [b'0,"a/b",%d,', b"1,%d,", b"0,1,1,,%d,", b"%d,", b'"a",%d,', b"0,%d:", b"%d:"]
    blocks = [
        word + header % 7 + b"payload\r\nOK\r\n"
        for word in [*words, b"+IPD,", b"+CIPRECVDATA:"]
        for header in headers
    ]
    stream = (corpus.DATA / "stream-2.0.bin").read_bytes()
    long = [stream[at : at + LONG_SEED_BYTES] for at in range(0, len(stream), LONG_SEED_BYTES)]
    for number, piece in enumerate([*blocks, *corpus.said("M", 2000), *long]):
        flags = b"\0\x01\x02\x03\x04\x05\x06\x07"[number % 8]
        controls = bytes([flags, number % 5, number % 4, number % 256, number * 7 % 256])
        yield controls.ljust(CONTROL_BYTES, b"\1") + piece


def run(data: bytes) -> int:
    controls, stream = Controls(data[:CONTROL_BYTES]), data[CONTROL_BYTES:]
    flags = controls.byte()
    settings = {
        "mux": not flags & 1,
        "recvdata_has_peer": bool(flags & 2),
        "max_block_bytes": 400 if flags & 8 else 65536,
        "max_line_bytes": controls.choice(LINE_LIMITS),
        "max_link_bytes": controls.choice(LINK_LIMITS),
    }
    chosen = controls.word()
    sinks = [SINKS[chosen >> 2 * link & 3] for link in range(LINKS)]
    random = Random(controls.word())
    plan = [controls.byte() for _ in range(5)]
    check = _check_meddling if flags & 4 else _check_cutting
    return check(random, settings, sinks, plan, stream)


def cut(random: Random, data: bytes) -> list[bytes]:
    """Pieces of a length that varies from input to input."""
    mean = random.choice((2, 8, 40, 300))
    mean = max(mean, len(data) // 500)
    pieces, start = [], 0
    while start < len(data):
        stop = start + random.randrange(1, 2 * mean)
        pieces.append(data[start:stop])
        start = stop
    return pieces


class Run:
    """One Demux, everything that it said, and what must hold of it at any time."""

    def __init__(self, build: Any, settings: dict[str, Any], sinks: Sequence[int]) -> None:
        self.build = build
        self.demux = build.Demux(**settings)
        self.said: list[object] = []
        self.taken = [0] * LINKS
        self.fed_bytes = self.pieces = 0
        for link_id, sink in enumerate(sinks):
            self.demux.set_sink(link_id, sink)
        self.demux.expect_recvdata(1)
        self.demux.expect_prompt()

    def call(self, name: str, link: int, number: int) -> None:
        """One call of the table; a refusal is an answer too."""
        demux = self.demux
        before = demux.discarded_bytes(link)
        try:
            match name:
                case "nothing":
                    return
                case "take" | "take_some":
                    result: object = demux.take(link, -1 if name == "take" else number)
                    assert isinstance(result, bytes)
                    self.taken[link] += len(result)
                case "take_datagram":
                    result = demux.take_datagram(link)
                    self.taken[link] += len(result[2]) if result else 0  # type: ignore[index]
                case "set_sink":
                    result = demux.set_sink(link, number % 3)
                case "expect_recvdata":
                    result = demux.expect_recvdata(link if number % 2 else None)
                case "no_such_link":
                    result = demux.buffered(LINKS)
                case "no_such_sink":
                    result = demux.set_sink(link, 3)
                case "mux":
                    demux.mux = bool(number % 2)
                    result = None
                case "buffered" | "peer" | "enter_passthrough":
                    result = getattr(demux, name)(link)
                case _:
                    result = getattr(demux, name)()
        except LocalProtocolError as error:
            result = str(error)
        assert demux.discarded_bytes(link) >= before
        self.said.append((name, result))

    def feed(self, pieces: Sequence[bytes], plan: list[int], most: int = -1) -> bool:
        """Read the frames of these pieces, all or at most so many; False after a RemoteProtocolError."""
        demux, build, said = self.demux, self.build, self.said
        try:
            for piece in pieces:
                demux.receive_data(piece)
                self.fed_bytes += len(piece)
                self.pieces += 1
            while most and (frame := demux.next_frame()) is not build.NEED_DATA:
                most -= 1
                said.append(repr(frame) if frame is build.PROMPT else (frame.text, frame.follows))
                if plan:
                    number = plan.pop()
                    self.call(CALLS[number % len(CALLS)], number // len(CALLS) % LINKS, number >> 5)
        except RemoteProtocolError as error:
            said.append(str(error))
            return False
        return True

    def state(self) -> tuple[object, ...]:
        demux = self.demux
        links = []
        for link in range(LINKS):
            received, discarded = demux.received_bytes(link), demux.discarded_bytes(link)
            buffered = demux.buffered(link)
            links.append((demux.blocks(link), received, discarded, buffered, demux.peer(link)))
            partial = received - discarded - self.taken[link] - buffered
            assert partial == 0 or (partial > 0 and demux.receiving == link), (link, partial)
        again = self.pieces * max(MAX_HEADER_BYTES, MAX_COUNTED_HEADER_BYTES)
        assert demux.examined_bytes <= 4 * self.fed_bytes + again, "the work is not linear"
        return (
            demux.pending_text(), demux.receiving, demux.missing_bytes, demux.prompt_expected,
            demux.passthrough, demux.overflowed, demux.stray_bytes, demux.ready(), *links,
        )  # fmt: skip


def _check_cutting(
    random: Random, settings: dict[str, Any], sinks: Sequence[int], plan: list[int], data: bytes
) -> int:
    pieces = cut(random, data)
    cuttings = [(COMPILED, [data]), (PURE, [data]), (COMPILED, pieces), (PURE, pieces)]
    if len(data) <= BYTEWISE_BYTES:
        bytewise = [data[at : at + 1] for at in range(len(data))]
        cuttings += [(COMPILED, bytewise), (PURE, bytewise)]
    else:
        places = [random.randrange(len(data)) for _ in range(SINGLE_CUTS)]
        cuttings += [(COMPILED, [data[:at], data[at:]]) for at in places]
    expected: list[object] | None = None
    for build, cutting in cuttings:
        run = Run(build, settings, sinks)
        calls = plan.copy()
        if all(run.feed([piece], calls) for piece in cutting):
            run.said.append(run.state())
        expected = run.said if expected is None else expected
        _agree(expected, run.said, (build.__name__, len(cutting)))
    for build in (COMPILED, PURE):
        run = Run(build, settings, sinks)
        _read_late(Random(len(data)), run, pieces, plan.copy())
        assert expected is not None
        _agree(expected, run.said, (build.__name__, "late"))
    return len(data) * (len(cuttings) + 2)


def _read_late(random: Random, run: Run, pieces: Sequence[bytes], calls: list[int]) -> None:
    """Store more before all is read."""
    good = True
    for piece in pieces:
        good = good and run.feed([piece], calls, random.choice((0, 1, -1)))
    if good and run.feed([], calls):
        run.said.append(run.state())


def _check_meddling(
    random: Random, settings: dict[str, Any], sinks: Sequence[int], plan: list[int], data: bytes
) -> int:
    runs = [Run(build, settings, sinks) for build in (COMPILED, PURE)]
    for piece in cut(random, data):
        number = random.getrandbits(8) ^ plan[random.randrange(len(plan))]
        most = random.choice((-1, -1, 0, 1, 2))
        for run in runs:
            run.call(MEDDLING[number % len(MEDDLING)], number // 20 % LINKS, number >> 4)
            run.feed([piece], [], most)
            run.said.append(run.state())
        _agree(runs[0].said, runs[1].said, piece)
        for run in runs:
            run.said.clear()
    return 2 * len(data)


def _agree(one: list[object], other: list[object], where: object) -> None:
    if one == other:
        return
    pairs = zip(one, other, strict=False)
    at = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
    raise AssertionError(f"{where} differs at {at}:\n{one[at : at + 2]}\n{other[at : at + 2]}")
