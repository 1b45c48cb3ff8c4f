"""A module that says nothing: noticed on an idle line, every wait ended, and found again when it answers."""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import trio

from esp32sock.at.commands import basic
from esp32sock.errors import Error
from esp32sock.simulator import Settings
from tests.engine.harness import Harness, echo, network, running
from tests.engine.line_proxy import LineProxy

if TYPE_CHECKING:
    from trio.testing import MockClock

HEARTBEAT = b"AT+CIPMUX?\r\n"
NOTICED_S = 45.0
"""A heartbeat after 30 s, and three barriers with growing patience."""
BACK_S = 5.0
"""From the module's first answer until new work succeeds."""


async def works(harness: Harness) -> None:
    user = await harness.connect(7000)
    await user.end.send_all(b"works")
    assert await user.end.receive_some(100) == b"works"
    await user.end.aclose()
    await user.over.wait()


async def test_a_module_that_dies_is_noticed_on_an_idle_line(autojump_clock: MockClock) -> None:
    line = LineProxy()
    async with running(network=network(p7000=echo), opener=line.opener) as harness:
        user = await harness.connect(7000)
        line.replies[b""] = None
        with trio.fail_after(NOTICED_S):
            await user.over.wait()
        assert user.error is not None
        assert user.error.errno == errno.ETIMEDOUT
        line.replies.clear()
        with trio.fail_after(BACK_S):
            await works(harness)
        assert harness.engine.stats()["silences"] == 1


@pytest.mark.parametrize(("seconds", "questions"), [(None, 0), (10.0, 10)])
async def test_how_often_an_idle_module_is_asked(
    seconds: float | None, questions: int, autojump_clock: MockClock
) -> None:
    line = LineProxy()
    # before 3.4 receive is active, so that nothing else is said on the line
    async with running(
        Settings(profile="2.0"), network(p7000=echo), line.opener, heartbeat_s=seconds
    ) as harness:
        await trio.sleep(60)
        assert HEARTBEAT not in line.written[10:]  # nothing is open
        user = await harness.connect(7000)
        line.written.clear()
        await trio.sleep(100)
        assert line.written == [HEARTBEAT, b"AT+CIPSTATUS\r\n"] * questions
        await user.end.aclose()


@pytest.mark.parametrize("silent_s", [5.0, 60.0, 600.0])
async def test_everything_that_waits_ends_and_new_work_succeeds_after_any_silence(
    silent_s: float, autojump_clock: MockClock
) -> None:
    line = LineProxy()
    async with running(network=network(p7000=echo), opener=line.opener) as harness:
        ended: list[int] = []

        async def try_one(begin_s: float, kind: int) -> None:
            await trio.sleep(begin_s)
            with suppress(Error):
                if kind == 0:
                    await works(harness)
                elif kind == 1:
                    await harness.engine.resolve("example.test")
                else:
                    await harness.engine.execute(basic.Test())
            ended.append(kind)

        async with trio.open_nursery() as nursery:
            line.replies[b""] = None
            for number in range(24):
                nursery.start_soon(try_one, 0.7 * number, number % 3)
            await trio.sleep(silent_s)
            line.replies.clear()
            await trio.sleep(BACK_S if silent_s > 20 else 20)
            with trio.fail_after(1):
                await works(harness)
            nursery.cancel_scope.deadline = trio.current_time() + 60
        assert len(ended) == 24


async def test_a_restart_that_was_not_heard_is_noticed_by_the_heartbeat(autojump_clock: MockClock) -> None:
    line = LineProxy()
    async with running(network=network(p7000=echo), opener=line.opener) as harness:
        user = await harness.connect(7000)
        line.replies[HEARTBEAT] = b"+CIPMUX:0\r\n\r\nOK\r\n"
        with trio.fail_after(31):
            await user.over.wait()
        assert user.error is not None
        assert user.error.errno == errno.ECONNRESET
        line.replies.clear()
        with trio.fail_after(BACK_S):
            await works(harness)
