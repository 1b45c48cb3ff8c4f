"""Any bytes give frames or RemoteProtocolError; both builds agree; how the input is cut makes no difference.

Run by hand: `python fuzz/fuzz_framing.py --seconds 60 [--seed N]`. A finding names the seed that leads there
again and shows the input, the calls and what the two sides made of it. Two kinds of round take turns:

- *cutting*: what the caller does depends on the frames alone, so whole, byte by byte and in random pieces
  must give the same frames, payload, counters and error, on both builds.
- *meddling*: the caller also calls anything between any two pieces. Then only the builds must agree.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from importlib import import_module
from typing import Any

from esp32sock.at import _framing_py
from esp32sock.errors import LocalProtocolError, RemoteProtocolError

BUILDS: tuple[Any, ...] = (_framing_py, import_module("esp32sock._speedups._framing_c"))
LINKS = range(_framing_py.LINKS)

WORDS = [
    b"\r\n", b"\r", b"\n", b"OK\r\n", b"\r\nOK\r\n\r\n>", b">", b"> ", b" ", b'"', b'\\"', b"\\", b"+",
    b",", b":", b"\r\n+IPD,", b"+IPD,", b"+IPD,0,", b"+IPD,4,3:", b"+IPD,9,4:", b"+IPD,3:", b"+IPD,0,0:",
    b"+IPD,,:", b"+IPD,abc", b'"10.0.2.2",7000', b"10.0.2.2,7000", b'"fe80::1",1:', b'"1.2.3.4",99999:',
    b"+CIPRECVDATA:", b"+CIPRECVDATA,3:", b"+CIPRECVDATA:4,", b'+CIPRECVDATA:2,"10.0.2.2",80,', b"x" * 50,
    b"0,CLOSED\r\n", b"0,CONNECT\r\n", b"\r\nready\r\n", b"WIFI DISCONNECT\r\n", b"busy p...\r\n",
    b"Recv 5 bytes\r\n", b"\r\nSEND OK\r\n", b"+++", b"0", b"1", b"12", b"255", b"00000000",
    b"+MQTTSUBRECV:0,\"", b'+MQTTSUBRECV:0,"a",', b"+WRITE:0,1,1,,", b"+NOTIFY:0,1,1,2,", b"+SYSMFG:",
    b"+HTTPCGET:3,", b"+FS:READ,1,", b"+BLEGATTCRD:0,",
    b"99999999999999999999", b'+CWLAP:(3,"+IPD,0,9:",-40)\r\n', b"AT+CIPSEND=0,5\r\n",
]  # fmt: skip


def block(rng: random.Random) -> bytes:
    """A header and payload that mostly fit together."""
    payload = stream(rng, 3) if rng.random() < 0.4 else rng.randbytes(rng.choice((0, 1, 5, 16, 60, 300)))
    length = b"%d" % (len(payload) + (rng.randrange(-2, 3) if rng.random() < 0.1 and len(payload) > 2 else 0))
    if rng.random() < 0.1:
        length = b"0" * rng.randrange(1, 80) + length
    if rng.random() < 0.02:
        length = rng.choice((b"401", b"65537", b"2147483648", b"9" * rng.randrange(3, 60)))
    address = rng.choice((b"", b"", b',"10.0.2.2",7000', b",10.0.2.2,80", b',"2001:db8::1",1', b',"",1'))
    if rng.random() < 0.2:
        beginning = rng.choice((b'+MQTTSUBRECV:0,"a/b",', b"+WS_DATA:1,", b"+WRITE:0,1,1,,", b"+HTTPCGET:"))
        return beginning + length + b"," + payload + b"\r\n"
    if rng.random() < 0.2:
        return b"+CIPRECVDATA:" + length + address + b"," + payload + b"\r\nOK\r\n"
    link = b"%d," % rng.randrange(6) if rng.random() < 0.8 else b""
    return b"\r\n+IPD," + link + length + address + b":" + payload + rng.choice((b"", b"\r\n"))


def stream(rng: random.Random, size: int) -> bytes:
    parts = []
    for _ in range(rng.randrange(size + 1)):
        kind = rng.random()
        if kind < 0.35:
            parts.append(block(rng) if size > 3 else b"+IPD,0,5:hello")
        elif kind < 0.95:
            parts.append(rng.choice(WORDS))
        else:
            parts.append(rng.randbytes(rng.randrange(8)))
    data = bytearray(b"".join(parts))
    while data and rng.random() < 0.3:  # noise
        at = rng.randrange(len(data))
        if rng.random() < 0.5:
            del data[at : at + rng.randrange(4)]
        else:
            data[at : at + 1] = rng.randbytes(1)
    return bytes(data)


def cut(rng: random.Random, data: bytes) -> list[bytes]:
    mean = rng.choice((2, 8, 40, 300))
    pieces, start = [], 0
    while start < len(data):
        stop = start + rng.randrange(1, 2 * mean)
        pieces.append(data[start:stop])
        start = stop
    return pieces


def plan_calls(rng: random.Random, count: int, *, meddling: bool) -> list[tuple[str, tuple[Any, ...]]]:
    """Calls to make, one after each frame or, when meddling, between pieces."""
    link = rng.randrange(len(LINKS))
    table: list[tuple[str, tuple[Any, ...]]] = [
        ("set_sink", (link, rng.randrange(3))),
        ("take", (link, rng.choice((-1, -1, 0, 1, 7)))),
        ("take_datagram", (link,)),
        ("expect_prompt", ()),
        ("cancel_prompt", ()),
        ("expect_recvdata", (rng.choice((None, link)),)),
        ("ready", ()),
        ("buffered", (link,)),
        ("peer", (link,)),
    ]
    if meddling:
        table += [
            ("abandon_block", ()), ("reset", ()), ("pending_text", ()), ("buffered", (7,)),
            ("set_sink", (0, 5)), ("enter_passthrough", (link,)), ("leave_passthrough", ()),
        ]  # fmt: skip
    return [rng.choice(table) for _ in range(count)]


class Run:
    """One Demux, everything that it said, and what must hold of it at any time."""

    def __init__(self, build: Any, settings: dict[str, Any], sinks: list[int]) -> None:
        self.build = build
        self.demux = build.Demux(**settings)
        self.said: list[object] = []
        self.taken = [0 for _ in LINKS]
        for link_id, sink in zip(LINKS, sinks, strict=True):
            self.demux.set_sink(link_id, sink)
        self.demux.expect_recvdata(1)
        self.demux.expect_prompt()

    def call(self, name: str, arguments: tuple[Any, ...]) -> None:
        try:
            result = getattr(self.demux, name)(*arguments)
        except LocalProtocolError as error:
            result = f"{error}"
        if name == "take" and isinstance(result, bytes):
            self.taken[arguments[0]] += len(result)
        elif name == "take_datagram" and isinstance(result, tuple):
            self.taken[arguments[0]] += len(result[2])
        self.said.append((name, result))

    def feed(self, pieces: list[bytes], calls: list[tuple[str, tuple[Any, ...]]], most: int = -1) -> bool:
        """Reads the frames of these pieces, all or at most so many; False after a RemoteProtocolError."""
        try:
            for piece in pieces:
                self.demux.receive_data(piece)
            while most and (frame := self.demux.next_frame()) is not self.build.NEED_DATA:
                most -= 1
                token = frame is self.build.PROMPT
                self.said.append(repr(frame) if token else (frame.text, frame.follows))
                if calls:
                    self.call(*calls.pop())
        except RemoteProtocolError as error:
            self.said.append(f"{error}")
            return False
        return True

    def state(self) -> list[object]:
        demux = self.demux
        state: list[object] = [
            demux.pending_text(), demux.receiving, demux.missing_bytes, demux.prompt_expected,
            demux.passthrough, demux.overflowed, demux.stray_bytes, demux.ready(),
        ]  # fmt: skip
        for n in LINKS:
            received, discarded = demux.received_bytes(n), demux.discarded_bytes(n)
            state.append((demux.blocks(n), received, discarded, demux.buffered(n), demux.peer(n)))
            partial = received - discarded - self.taken[n] - demux.buffered(n)
            assert partial == 0 or (partial > 0 and demux.receiving == n), (n, partial)
        return state


def read_lazily(
    rng: random.Random, run: Run, pieces: list[bytes], calls: list[tuple[str, tuple[Any, ...]]]
) -> list[object]:
    """Stores more before all is read."""
    good = True
    for piece in pieces:
        good = good and run.feed([piece], calls, rng.choice((0, 1, -1)))
    if good and run.feed([], calls):
        run.said.append(run.state())
    return run.said


def check_cutting(rng: random.Random, settings: dict[str, Any], sinks: list[int]) -> int:
    data = stream(rng, 30)
    plan = plan_calls(rng, rng.randrange(10), meddling=False)
    cuttings = [[data], [data[n : n + 1] for n in range(len(data))], cut(rng, data), cut(rng, data)]
    results = []
    for build in BUILDS:
        for pieces in cuttings:
            run = Run(build, settings, sinks)
            calls = plan.copy()
            if all(run.feed([piece], calls) for piece in pieces):
                run.said.append(run.state())
            results.append(run.said)
        results.append(read_lazily(rng, Run(build, settings, sinks), cuttings[2], plan.copy()))
    for other in results[1:]:
        if other != results[0]:
            raise AssertionError(f"{settings}, {sinks}, {plan}, {cuttings}:\n{results[0]}\n{other}")
    return len(data) * len(results)


def check_meddling(rng: random.Random, settings: dict[str, Any], sinks: list[int]) -> int:
    data = stream(rng, 30)
    pieces = cut(rng, data)
    runs = [Run(build, settings, sinks) for build in BUILDS]
    for piece in pieces:
        calls = plan_calls(rng, rng.randrange(4), meddling=True)
        mux = rng.random() < 0.9
        most = rng.choice((-1, -1, 0, 1, 2))
        for run in runs:
            for call in calls:
                run.call(*call)
            run.demux.mux = mux
            run.feed([piece], [], most)
            run.said.append(run.state())
        if runs[0].said != runs[1].said:
            raise AssertionError(f"{settings}, {sinks}, {calls}, {piece!r}:\n{runs[0].said}\n{runs[1].said}")
        for run in runs:
            run.said.clear()
    return len(data) * len(runs)


def one_round(seed: int) -> int:
    """Returns the bytes that went through a Demux."""
    rng = random.Random(seed)
    settings = {
        "mux": rng.random() < 0.8,
        "recvdata_has_peer": rng.random() < 0.4,
        "max_block_bytes": rng.choice((400, 65536)),
        "max_line_bytes": rng.choice((5, 60, 200, 16384, 16384, 16384)),
        "max_link_bytes": rng.choice((1, 70, 200, 1 << 20)),
    }
    sinks = [rng.randrange(3) for _ in LINKS]
    return (check_cutting if seed % 2 else check_meddling)(rng, settings, sinks)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 48))
    arguments = parser.parse_args()
    seed, rounds, total_bytes = arguments.seed, 0, 0
    deadline = time.monotonic() + arguments.seconds
    while time.monotonic() < deadline:
        try:
            total_bytes += one_round(seed)
        except Exception:
            print(f"found with --seed {seed}")
            raise
        seed, rounds = seed + 1, rounds + 1
    print(f"{rounds} rounds, {total_bytes} bytes, nothing found; last seed {seed - 1}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
