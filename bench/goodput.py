"""What share of the line one stream gets, up and down, over baud rate, turn-around, firmware and mode.

In virtual time, on a paced line, on one link without a competitor. The ceiling of a cell is a bare host's
figure on the same simulated module: it sends the largest chunk that the module takes at once, or asks for the
largest piece, and knows every answer in advance. Up, that is the module's send buffer of 5760 bytes where
CIPSEND takes as much (performance-facts 2.4). Content is checked, not only counted.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import trio

from bench._report import Criterion, Report
from bench._virtual import HOST, PORT, BareHost, Line, Sink, attached, content, in_virtual_time, module

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from esp32sock.engine.options import Receive
    from esp32sock.simulator import Connection

    Measure = Callable[[Line], Awaitable[float]]

BAUDS = (115200, 921600, 3_000_000, 5_000_000)
TURN_AROUNDS_MS = (0.0, 1.0, 4.0, 16.0)
"""A quick run has the cells of 921600 baud at 16 ms, where a short chunk costs most."""
LEAST_SHARE = 0.97
COUNT = 288_000
"""Bytes of a transfer."""
LONG = "up, long sends"
LONG_COUNT = 1_000_000
LEAST_LONG_SHARE = {4.0: 0.95, 16.0: 0.88}
"""By turn-around: a long send is as long as 100 of them, but at most a second and 256 KiB. At 115200 baud a
second is less than two chunks, so that there is none."""


async def upload(line: Line, write_bytes: int = 65536, count: int = COUNT) -> float:
    """Seconds from the first write to the last byte at the peer."""
    async with attached(line) as world:
        sink = world.sink(count)
        stream = await world.connect()
        data = content(count)
        started = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send, data, write_bytes)
            await sink.done.wait()
        seconds = trio.current_time() - started
        assert sink.arrived == data, "bytes were lost or changed on the way up"
        return seconds


async def bare_upload(line: Line, chunk: int) -> float:
    async with module(line) as (opened, network):
        sink = Sink(COUNT, bytearray(), trio.Event())
        network.listen(HOST, PORT, sink.serve)
        host = BareHost(opened)
        await _open(host)
        data = content(COUNT)
        started = trio.current_time()
        for start in range(0, COUNT, chunk):
            piece = data[start : start + chunk]
            await host.command(f"AT+CIPSEND=0,{len(piece)}", b">")
            await host.write(piece)
            await host.until(b"SEND OK\r\n")
        return trio.current_time() - started


async def bare_long(line: Line) -> float:
    """Everything in one CIPSENDL."""
    async with module(line) as (opened, network):
        sink = Sink(LONG_COUNT, bytearray(), trio.Event())
        network.listen(HOST, PORT, sink.serve)
        host = BareHost(opened)
        await _open(host)
        await host.command(f"AT+UART_CUR={line.baud},8,1,0,3")
        started = trio.current_time()
        await host.command(f"AT+CIPSENDL=0,{LONG_COUNT}", b">")
        await host.write(content(LONG_COUNT))
        await host.until(b"SEND OK\r\n")
        return trio.current_time() - started


async def download(line: Line) -> float:
    """Seconds from the first byte of the peer to the last at the application."""
    async with attached(line) as world:
        data = content(COUNT)
        world.network.listen(HOST, PORT, (pour := Pour(data)).serve)
        stream = await world.connect()
        received = await stream.receive(COUNT)
        assert received == data, "bytes were lost or changed on the way down"
        return trio.current_time() - pour.started


async def bare_pull(line: Line, piece: int) -> float:
    async with module(line) as (opened, network):
        network.listen(HOST, PORT, (pour := Pour(content(COUNT))).serve)
        host = BareHost(opened)
        await _open(host, passive=True)
        await host.until(b"+IPD,0,")
        left = COUNT
        while left:
            await host.write(f"AT+CIPRECVDATA=0,{piece}\r\n".encode())
            await host.until(b"+CIPRECVDATA:")
            count = int((await host.until(b","))[:-1])
            await host.take(count)
            await host.until(b"OK\r\n")
            left -= count
        return trio.current_time() - pour.started


async def bare_active(line: Line) -> float:
    async with module(line) as (opened, network):
        network.listen(HOST, PORT, (pour := Pour(content(COUNT))).serve)
        host = BareHost(opened)
        await _open(host)
        left = COUNT
        while left:
            await host.until(b"+IPD,0,")
            count = int((await host.until(b":"))[:-1])
            await host.take(count)
            left -= count
        return trio.current_time() - pour.started


async def _open(host: BareHost, *, passive: bool = False) -> None:
    await host.command("ATE0")
    await host.command("AT+CIPMUX=1")
    if passive:
        await host.command("AT+CIPRECVMODE=1")
    await host.command(f'AT+CIPSTART=0,"TCP","{HOST}",{PORT}')


class Pour:
    """A peer that sends everything, a second after it was connected to."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.started = 0.0

    async def serve(self, connection: Connection) -> None:
        await connection.sleep(1.0)
        self.started = trio.current_time()
        connection.send(self._data)
        await connection.receive()


def run(*, quick: bool = False) -> Report:
    report = Report("goodput")
    for name, profile, receive, measure, bare in CELLS:
        is_long = name == LONG
        count = LONG_COUNT if is_long else COUNT
        for baud in BAUDS[1:2] if quick else BAUDS:
            for turn_around_ms in TURN_AROUNDS_MS[-1:] if quick else TURN_AROUNDS_MS:
                line = Line(profile, baud, turn_around_ms, receive, rtscts=is_long)
                took_s = in_virtual_time(partial(measure, line))
                share = in_virtual_time(partial(bare, line)) / took_s
                row = f"{name}, {baud} baud, {turn_around_ms:g} ms"
                report.rows.append(
                    {
                        "cell": row,
                        "firmware": profile,
                        "kb_per_s": round(count / took_s / 1000, 2),
                        "of_line_percent": round(100 * count / took_s / line.bytes_per_s, 2),
                        "of_ceiling_percent": round(100 * share, 2),
                    }
                )
                least = LEAST_LONG_SHARE.get(turn_around_ms, LEAST_SHARE) if is_long else LEAST_SHARE
                report.criteria.append(Criterion(f"of the ceiling, {row}", round(share, 4), least))
    return report


CELLS: tuple[tuple[str, str, Receive | None, Measure, Measure], ...] = (
    ("up by 2048", "2.0", None, upload, partial(bare_upload, chunk=2048)),
    ("up by 5760", "4.1", None, upload, partial(bare_upload, chunk=5760)),
    (LONG, "4.1", None, partial(upload, count=LONG_COUNT), bare_long),
    ("down, passive by 2048", "2.0", "passive", download, partial(bare_pull, piece=2048)),
    ("down, passive", "4.1", "passive", download, partial(bare_pull, piece=5760)),
    ("down, active", "2.0", None, download, bare_active),
)
"""Name, firmware, receive mode, the measurement, and its ceiling."""
