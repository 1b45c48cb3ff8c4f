"""How many exchanges with the module an HTTP request costs, with a connection of its own and with keep-alive.

In virtual time at 921600 baud, 1 ms turn-around: 20 requests of 120 bytes, each answered with 1200 bytes. An
exchange is one command with its answer, the payload behind its prompt included. The peer closes after its
answer, or not (keep-alive). Connecting itself must take one exchange, from firmware 1.2 on, which announces
the peer and the port of a link; before, 1.0 is asked for the port. Content is checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import trio

from bench._report import Criterion, Report
from bench._virtual import HOST, PORT, Line, attached, content, in_virtual_time

if TYPE_CHECKING:
    from bench._virtual import Stream, World
    from esp32sock.simulator import Connection

REQUESTS = 20
REQUEST = b"GET / HTTP/1.1\r\n".ljust(118, b"x") + b"\r\n"
RESPONSE = content(1200)
MOST_A_CONNECT = 1
MOST_A_REQUEST = 4
MOST_KEPT_ALIVE = 2
"""One to send, and in passive receive one to fetch."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Exchanges of each connection and request, and seconds of each request."""

    connect: float
    request: float
    request_s: float


async def measure(line: Line, *, keep_alive: bool) -> Cost:
    async def answer(connection: Connection) -> None:
        received = b""
        while data := await connection.receive():
            received += data
            while len(received) >= len(REQUEST):
                assert received.startswith(REQUEST)
                received = received[len(REQUEST) :]
                connection.send(RESPONSE)
                if not keep_alive:
                    return

    async with attached(line) as world:
        world.network.listen(HOST, PORT, answer)
        for _ in range(5):  # what belongs to a link id is set at its first use
            await _close(await world.connect())
        connects = 0
        before, took_s = world.port.commands, 0.0
        stream: Stream | None = None
        for _ in range(REQUESTS):
            started = trio.current_time()
            if stream is None:
                stream, count = await _connect(world)
                connects += count
            await stream.send(REQUEST)
            assert await stream.receive(len(RESPONSE)) == RESPONSE
            took_s += trio.current_time() - started
            if not keep_alive:
                await _close(stream)
                stream = None
        opened = 1 if keep_alive else REQUESTS
        requests = world.port.commands - before - (connects if keep_alive else 0)
        return Cost(connects / opened, requests / REQUESTS, took_s / REQUESTS)


async def _connect(world: World) -> tuple[Stream, int]:
    before = world.port.commands
    stream = await world.connect()
    return stream, world.port.commands - before


async def _close(stream: Stream) -> None:
    stream.end.close()
    await trio.sleep(0.1)


def run(*, quick: bool = False) -> Report:
    report = Report("http")
    for profile in ("2.0", "4.1") if quick else ("1.0", "2.0", "2.4", "4.1"):
        for keep_alive in (False, True):
            cost = in_virtual_time(partial(measure, Line(profile, 921600, 1.0), keep_alive=keep_alive))
            name = f"{'keep-alive' if keep_alive else 'a connection each'}, firmware {profile}"
            report.rows.append(
                {
                    "requests": name,
                    "exchanges_a_connect": cost.connect,
                    "exchanges_a_request": cost.request,
                    "ms_a_request": round(1000 * cost.request_s, 2),
                }
            )
            if profile == "1.0":
                continue
            most = MOST_KEPT_ALIVE if keep_alive else MOST_A_REQUEST
            for what, figure, bound in (
                ("connect", cost.connect, MOST_A_CONNECT),
                ("request", cost.request, most),
            ):
                criterion = Criterion(f"exchanges a {what}, {name}", figure, bound, at_most=True)
                report.criteria.append(criterion)
    return report
