"""An outage is written once, then ever more rarely, and its end; one that comes and goes does not flood."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from esp32sock.engine.outage_log import FIRST_PAUSE_S, LONGEST_PAUSE_S, OutageLog
from esp32sock.errors import PortError

if TYPE_CHECKING:
    from collections.abc import Callable

ERROR = PortError("cannot open the port 'x'")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outage(clock: Callable[[], float]) -> OutageLog:
    return OutageLog("the module on x", clock)


def fail_for(outage: OutageLog, clock: Clock, seconds: float, *, every_s: float = 0.5) -> None:
    for _ in range(int(seconds / every_s)):
        outage.failed(ERROR)
        clock.now += every_s


def test_the_first_is_written_at_once(
    outage: OutageLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fail_for(outage, clock, FIRST_PAUSE_S)
    assert caplog.messages == ["cannot open the port 'x'"]


def test_pauses_double_up_to_an_hour(
    outage: OutageLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fail_for(outage, clock, 7 * 24 * 3600, every_s=5)
    doubling = range(10)  # 10, 20, 40 ... 2560, 3600 s
    assert len(caplog.messages) <= len(doubling) + 7 * 24 * 3600 / LONGEST_PAUSE_S + 1
    assert caplog.messages[1] == "cannot open the port 'x' (for 10 s, 3 attempts)"


def test_the_end_is_written(outage: OutageLog, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    outage.ended()
    assert caplog.messages == []
    fail_for(outage, clock, 12)
    outage.ended()
    outage.ended()
    assert caplog.messages[-1] == "the module on x is back after 12 s"
    assert len(caplog.messages) == 3


def test_another_outage_much_later_is_written_at_once(
    outage: OutageLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fail_for(outage, clock, 100)
    outage.ended()
    clock.now += 1000
    caplog.clear()
    outage.failed(ERROR)
    assert caplog.messages == ["cannot open the port 'x'"]


def test_a_module_that_comes_and_goes_does_not_flood(
    outage: OutageLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(600):
        outage.failed(ERROR)
        clock.now += 1
        outage.ended()
        clock.now += 1
    assert len(caplog.messages) < 16
