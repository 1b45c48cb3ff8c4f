"""How long an interactive link waits beside a bulk transfer on another, and what the transfer loses by it.

In virtual time at 115200 baud, 1 ms turn-around. The interactive application sends 64 bytes and waits for as
many from its peer, which echoes; 60 times, with pauses of 0.2 s. A turn behind an upload may cost 1.2
of the chunks that a contended line carries; active receive needs one turn for an exchange, passive receive
(the default from 3.4 on) two. Beside a download the bound is 350 ms where receiving is passive, and before
that what the module's transmit ring of 8192 bytes takes (performance-facts 2.4): it stands before the prompt
and before the answer. The first exchange has a column of its own: it may find a whole chunk in its way.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import trio

from bench._report import Criterion, Report
from bench._virtual import BLOCK, HOST, PORT, Line, World, attached, content, in_virtual_time
from esp32sock.engine.chunk_sizes import SHARED_BYTES

if TYPE_CHECKING:
    from esp32sock.simulator import Connection

BAUD = 115200
TURN_S = 0.001
BETWEEN_S = 0.2
EXCHANGES = 60
MESSAGE = content(64)
BULK_PORT = PORT + 1
RING_BYTES = 8192
LEAST_SHARE = 0.90
"""Of what the bulk transfer has alone."""
CHUNK_S = (SHARED_BYTES + 58) / (BAUD / 10)
EXCHANGE_S = (len(MESSAGE) + 58) / (BAUD / 10)


async def echo(connection: Connection) -> None:
    while data := await connection.receive():
        connection.send(data)


async def flood(connection: Connection) -> None:
    connection.send(BLOCK * 2000)
    await connection.receive()


@dataclass
class Bulk:
    """A transfer that never ends; how many bytes have arrived."""

    direction: str
    count: int = 0

    async def run(self, world: World) -> None:
        world.network.listen(HOST, BULK_PORT, self._drain if self.direction == "up" else flood)
        stream = await world.connect(BULK_PORT)
        while True:
            if self.direction == "up":
                await stream.send(BLOCK * 64)
            else:
                self.count += len(await stream.end.recv(65536))

    async def _drain(self, connection: Connection) -> None:
        while data := await connection.receive():
            self.count += len(data)


async def measure(line: Line, direction: str, *, interactive: bool) -> tuple[list[float], float]:
    """The round trips in seconds, and the bytes a second of the bulk transfer."""
    async with attached(line) as world, trio.open_nursery() as nursery:
        world.network.listen(HOST, PORT, echo)
        bulk = Bulk(direction)
        nursery.start_soon(bulk.run, world)
        stream = await world.connect()
        await trio.sleep(1)
        before, started = bulk.count, trio.current_time()
        trips = []
        for _ in range(EXCHANGES):
            if interactive:
                asked = trio.current_time()
                await stream.send(MESSAGE)
                assert await stream.receive(len(MESSAGE)) == MESSAGE
                trips.append(trio.current_time() - asked)
            await trio.sleep(BETWEEN_S)
        rate = (bulk.count - before) / (trio.current_time() - started)
        nursery.cancel_scope.cancel()
    return trips, rate


def run(*, quick: bool = False) -> Report:
    report = Report("fairness")
    for profile, direction, most_s, least_share in CELLS[1::2] if quick else CELLS:
        line = Line(profile, BAUD, 1000 * TURN_S)
        _, alone = in_virtual_time(partial(measure, line, direction, interactive=False))
        trips, beside = in_virtual_time(partial(measure, line, direction, interactive=True))
        name = f"bulk {direction}, firmware {profile}"
        first, *others = trips
        p50, p99 = (statistics.quantiles(others, n=100)[at - 1] for at in (50, 99))
        share = beside / alone
        report.rows.append(
            {
                "beside": name,
                "first_ms": round(1000 * first, 1),
                "p50_ms": round(1000 * p50, 1),
                "p99_ms": round(1000 * p99, 1),
                "bulk_alone_kb_per_s": round(alone / 1000, 2),
                "bulk_beside_kb_per_s": round(beside / 1000, 2),
            }
        )
        report.criteria.append(
            Criterion(f"p99 in ms, {name}", round(1000 * p99, 1), 1000 * most_s, at_most=True)
        )
        report.criteria.append(Criterion(f"share that the bulk keeps, {name}", round(share, 3), least_share))
    return report


CELLS = (
    ("2.4", "up", 1.2 * CHUNK_S + EXCHANGE_S + 4 * TURN_S, LEAST_SHARE),
    ("4.1", "up", 2 * 1.2 * CHUNK_S + EXCHANGE_S + 6 * TURN_S, LEAST_SHARE),
    ("2.4", "down", 2 * 1.2 * RING_BYTES / (BAUD / 10), LEAST_SHARE),
    ("4.1", "down", 0.350, LEAST_SHARE),
)
"""Firmware, direction, the most that 99 of 100 exchanges may take, the least share that the bulk keeps."""
