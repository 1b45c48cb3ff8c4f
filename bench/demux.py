"""How fast the framing takes a stream apart, in both builds, next to a plain copy of the same bytes.

The stream is what AT 2.0 and later send: `\\r\\n+IPD,<l>,<n>:<n bytes>\\r\\n`, five links in turn, fed in
pieces of 4 KiB; after each piece the buffers are emptied. The rows called 1.x are without the CR LF behind
the payload. The criteria are on the former form. "Copy" assigns the same pieces to slices of a bytearray.
Runs take turns, the best of each counts: the machine is shared.
"""

from __future__ import annotations

import time
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bench._report import Criterion, Report
from esp32sock._build import BUILD

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench._report import Figure

RUNS = 9
PIECE_BYTES = 4096
STREAM_BYTES = 2 << 20
BUILDS = {"compiled": "esp32sock._speedups._framing_c", "pure": "esp32sock.at._framing_py"}

# Payload size: least MB/s of the compiled build, or least share of the copy, whichever is less.
CRITERIA = {16: (1000.0, 0.06), 1460: (4000.0, 0.30)}
DIALECTS = {"2.0": b"\r\n", "1.x": b""}


def stream(payload_bytes: int, trailer: bytes) -> tuple[list[bytes], int]:
    """The pieces, and how many frames are in them."""
    frame_bytes = len(b"\r\n+IPD,0,%d:" % payload_bytes) + payload_bytes + len(trailer)
    count = STREAM_BYTES // frame_bytes
    frames = (
        b"\r\n+IPD,%d,%d:%s%s" % (n % 5, payload_bytes, bytes([n % 256]) * payload_bytes, trailer)
        for n in range(count)
    )
    data = b"".join(frames)
    return [data[n : n + PIECE_BYTES] for n in range(0, len(data), PIECE_BYTES)], count


def demultiplex(framing: Any, pieces: list[bytes], payload_bytes: int) -> float:
    """Seconds that it takes."""
    demux = framing.Demux()
    for link_id in range(framing.LINKS):
        demux.set_sink(link_id, framing.STREAM)
    receive_data, next_frame, need_data = demux.receive_data, demux.next_frame, framing.NEED_DATA
    take = demux.take
    acknowledged_bytes = 0
    start = time.perf_counter()
    for piece in pieces:
        receive_data(piece)
        while next_frame() is not need_data:
            pass
        acknowledged_bytes += len(take(0)) + len(take(1)) + len(take(2)) + len(take(3)) + len(take(4))
    elapsed_s = time.perf_counter() - start
    if acknowledged_bytes != payload_bytes:
        raise AssertionError(f"{acknowledged_bytes} bytes came out, not {payload_bytes}")
    return elapsed_s


def copy(pieces: list[bytes]) -> float:
    """Seconds that a plain copy takes."""
    target = bytearray(len(pieces) * PIECE_BYTES)
    start = time.perf_counter()
    at = 0
    for piece in pieces:
        target[at : at + PIECE_BYTES] = piece
        at += PIECE_BYTES
    return time.perf_counter() - start


def best_of_interleaved(measures: dict[str, Callable[[], float]]) -> dict[str, float]:
    best = dict.fromkeys(measures, float("inf"))
    for _ in range(RUNS):
        for name, measure in measures.items():
            best[name] = min(best[name], measure())
    return best


def run() -> Report:
    if BUILD != "compiled":
        raise SystemExit(
            "this bench compares both builds: there is no compiled one, see the log of the build"
        )
    report = Report("demux")
    for payload_bytes in CRITERIA:
        for dialect, trailer in DIALECTS.items():
            measure(report, payload_bytes, dialect, trailer)
    return report


def measure(report: Report, payload_bytes: int, dialect: str, trailer: bytes) -> None:
    pieces, frames = stream(payload_bytes, trailer)
    wire_bytes = sum(map(len, pieces))
    measures: dict[str, Callable[[], float]] = {"copy": partial(copy, pieces)}
    for build, module in BUILDS.items():
        framing = import_module(module)
        measures[build] = partial(demultiplex, framing, pieces, frames * payload_bytes)
    seconds = best_of_interleaved(measures)
    rate = {name: wire_bytes / elapsed_s / 1e6 for name, elapsed_s in seconds.items()}
    for build in BUILDS:
        row: dict[str, Figure] = {
            "payload_bytes": payload_bytes,
            "dialect": dialect,
            "build": build,
            "wire_mb_per_s": round(rate[build], 1),
            "ns_per_frame": round(seconds[build] / frames * 1e9, 1),
            "copy_mb_per_s": round(rate["copy"], 1),
            "share_of_copy": round(rate[build] / rate["copy"], 4),
        }
        report.rows.append(row)
    if dialect == "2.0":
        absolute, share = CRITERIA[payload_bytes]
        bound = min(absolute, share * rate["copy"])
        name = f"MB/s of wire, frames of {payload_bytes} bytes, compiled"
        report.criteria.append(Criterion(name, round(rate["compiled"], 1), round(bound, 1)))
