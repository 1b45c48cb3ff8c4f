"""What an upload and a download get beside each other, on two links, of what the line carries each way.

In virtual time at 921600 baud, 1 ms turn-around. Content is checked. What the physics allow:

* active receive, CIPSEND: the answers that an upload waits for, its prompt and its SEND OK, stand behind the
  module's transmit ring of 8192 bytes, which a download keeps full: two times 89 ms a chunk, and the time of
  the chunk itself. 5760 bytes in 62.5 + 178 ms are 26 % of the line, 2048 bytes (2.0) 11 %.
* active receive, long sends (from 2.4 on, with flow control): the same two waits for what a second carries.
* passive receive: a piece is fetched by a command, and the module runs one command at a time, so the two
  shares together are at most 100 %, less the turn-arounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import trio

from bench._report import Criterion, Report
from bench._virtual import BLOCK, HOST, PORT, Line, attached, in_virtual_time

if TYPE_CHECKING:
    from bench._virtual import Stream
    from esp32sock.simulator import Connection

BAUD, TURN_AROUND_MS = 921600, 1.0
WARM_S, MEASURED_S = 2.0, 6.0
DOWN_PORT = PORT + 1


@dataclass
class Counted:
    """The bytes of one direction, checked as they come."""

    count: int = 0

    def add(self, data: bytes) -> None:
        start = self.count % len(BLOCK)
        expected = (BLOCK * (len(data) // len(BLOCK) + 2))[start : start + len(data)]
        assert data == expected, f"bytes were lost or changed at {self.count}"
        self.count += len(data)


async def measure(line: Line) -> tuple[float, float]:
    """The shares of the line, up and down."""
    up, down = Counted(), Counted()

    async def drain(connection: Connection) -> None:
        while data := await connection.receive():
            up.add(data)

    async def pour(connection: Connection) -> None:
        connection.send(BLOCK * 3000)
        await connection.receive()

    async def send(stream: Stream) -> None:
        while True:
            await stream.send(BLOCK * 64)

    async def receive(stream: Stream) -> None:
        while True:
            down.add(await stream.end.recv(65536))

    async with attached(line) as world, trio.open_nursery() as nursery:
        world.network.listen(HOST, PORT, drain)
        world.network.listen(HOST, DOWN_PORT, pour)
        nursery.start_soon(send, await world.connect(PORT))
        nursery.start_soon(receive, await world.connect(DOWN_PORT))
        await trio.sleep(WARM_S)
        before = up.count, down.count
        await trio.sleep(MEASURED_S)
        shares = [
            (counted.count - earlier) / MEASURED_S / line.bytes_per_s
            for counted, earlier in zip((up, down), before, strict=True)
        ]
        nursery.cancel_scope.cancel()
    return shares[0], shares[1]


def run(*, quick: bool = False) -> Report:
    report = Report("duplex")
    for name, line, least_up, least_down in CELLS[1:2] if quick else CELLS:
        up, down = in_virtual_time(partial(measure, line))
        report.rows.append(
            {
                "link": name,
                "firmware": line.profile,
                "up_percent": round(100 * up, 1),
                "down_percent": round(100 * down, 1),
                "sum_percent": round(100 * (up + down), 1),
            }
        )
        report.criteria.append(Criterion(f"share up, {name}", round(up, 3), least_up))
        report.criteria.append(Criterion(f"share down, {name}", round(down, 3), least_down))
    return report


CELLS = (
    ("2.0, active", Line("2.0", BAUD, TURN_AROUND_MS), 0.09, 0.95),
    ("2.4, active", Line("2.4", BAUD, TURN_AROUND_MS), 0.23, 0.95),
    ("2.4, active, flow control", Line("2.4", BAUD, TURN_AROUND_MS, None, rtscts=True), 0.60, 0.60),
    ("2.4, passive", Line("2.4", BAUD, TURN_AROUND_MS, "passive"), 0.45, 0.45),
    ("4.1, passive", Line("4.1", BAUD, TURN_AROUND_MS), 0.45, 0.45),
)
"""Name, line, least share up and down: 9 of 10 of the physics, with flow control what is wanted."""
