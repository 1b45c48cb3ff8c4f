"""The recovery table: what happens to sockets, to new work and to the listener after each kind of mishap.

The module has what a program may have: a stream that exchanges a few bytes twice a second, a UDP socket, a
listener with an idle client; one link is left for new work. A row lets one thing happen to it and measures,
in virtual time.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import trio
import trio.testing

from esp32sock.errors import Error
from esp32sock.simulator import Settings
from tests.chaos import probes
from tests.chaos.plan import PROFILES
from tests.chaos.running import RUN_S, pause_host, scheduling, silence
from tests.chaos.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

from tests.chaos.harness import TRY_S, Rig, running_rig

EVIDENCE_S = 2.0
"""From the evidence to the error on the sockets concerned."""
HEARTBEAT_S = 30.0
"""So long an open interface may be silent before that is evidence."""
WORK_S = 5.0
"""From the moment that the module answers again until new work succeeds."""
AGAIN_S = 0.25
WATCHED_S = 100.0
"""How long behind the mishap the module is watched at least, where something is to end."""
BAUD = 115200


@dataclass(frozen=True, slots=True)
class Row:
    """One mishap, and what must hold behind it.

    `happen` does it and returns when the module answers again, in trio's time. `lost` are the sockets that
    must end, `kept` those that must not notice; the others may do either. Times count from the mishap.
    """

    name: str
    happen: Callable[[Rig], Awaitable[float]]
    lost: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    lost_within_s: float = EVIDENCE_S
    work_within_s: float = WORK_S
    faults: tuple[str, ...] = ()
    """Kinds of token and write faults: one is done once `happen` has opened the window."""
    orders: int = 1
    """In how many orders of the tasks it is tried, where the order matters."""
    paced: bool = False
    """Whether bytes take their time on the line, at 115200 baud."""
    raised_baud: int | None = None
    """The rate that a command chose before, and no restart keeps."""
    profiles: tuple[str, ...] = PROFILES


ALL = ("active", "udp", "accepted")


@dataclass(frozen=True, slots=True)
class Figures:
    """What a row came to, in seconds from the mishap or, for work and listener, from the module's answer."""

    ended_s: dict[str, float]
    errors: dict[str, str]
    wrong: str
    udp_works: bool
    work_s: float
    listener_s: float
    trace: Trace

    def complaints(self, row: Row) -> list[str]:
        """What does not hold."""
        found = [self.wrong] if self.wrong else []
        for name in row.lost:
            if name not in self.ended_s:
                found.append(f"{name} never ended")
            elif self.ended_s[name] > row.lost_within_s:
                found.append(
                    f"{name} ended after {self.ended_s[name]:.1f} s, more than {row.lost_within_s:.1f}"
                )
        for name in row.kept:
            if name in self.ended_s:
                found += [f"{name} ended: {self.errors.get(name) or 'cleanly'}"]
        if "udp" in row.kept and not self.udp_works:
            found.append("udp is deaf or dumb")
        for what, seconds in (("new work", self.work_s), ("the listener", self.listener_s)):
            if seconds > row.work_within_s:
                found.append(f"{what} took {seconds:.1f} s, more than {row.work_within_s:.1f}")
        return found


def run_row(row: Row, profile: str, order: int = 0) -> Figures:
    """The figures of one row on one firmware, with the tasks in one of the orders that are possible."""
    clock = trio.testing.MockClock(autojump_threshold=0)

    async def main() -> Figures:
        with trio.fail_after(RUN_S):
            return await measure(row, profile, clock)

    with scheduling(order):
        return trio.run(main, clock=clock)


async def measure(row: Row, profile: str, clock: trio.testing.MockClock) -> Figures:
    """Let it happen, and look."""
    trace = Trace()
    async with running_rig(
        row.faults, profile, clock, trace, paced=row.paced, raised_baud=row.raised_baud
    ) as harness:
        began = trio.current_time()
        trace.note("the mishap")
        answers_at = await row.happen(harness)
        await trio.sleep_until(answers_at)
        trace.note("the module answers")
        work_s = await _until_works(lambda: probes.stream(harness, TRY_S), answers_at)  # type: ignore[arg-type]
        trace.note("new work succeeds")
        listener_s = await _until_works(lambda: probes.client(harness, TRY_S), answers_at)  # type: ignore[arg-type]
        trace.note("the listener is back")
        udp_works = await harness.datagram_comes_back()
        if any(harness.sockets[name].ended_s is None for name in row.lost):
            await trio.sleep_until(max(began + row.lost_within_s, answers_at) + WATCHED_S)
        wrong = next((s.wrong for s in harness.sockets.values() if s.wrong), "")
        baud = harness.engine.context.channel.port.baudrate
        if row.raised_baud is not None and baud != row.raised_baud:
            wrong = wrong or f"the rate is {baud} baud"
        return Figures(
            {n: s.ended_s - began for n, s in harness.sockets.items() if s.ended_s is not None},
            {n: s.error for n, s in harness.sockets.items()},
            wrong,
            udp_works,
            work_s,
            listener_s,
            trace,
        )


async def _until_works(attempt: Callable[[], Awaitable[str]], since: float) -> float:
    """Seconds until it works; infinite if it does not in reasonable time."""
    with trio.move_on_after(WATCHED_S):
        while True:
            why = "no end"
            with trio.move_on_after(3 * TRY_S):
                why = await attempt()
            if not why:
                return trio.current_time() - since
            await trio.sleep(AGAIN_S)
    return float("inf")


# -- mishaps -------------------------------------------------------------------------------------------------


def _silent(seconds: float) -> Callable[[Rig], Awaitable[float]]:
    async def happen(harness: Rig) -> float:
        silence(harness.opened, seconds)
        return trio.current_time() + seconds

    return happen


def _suspended(seconds: float, *, module_too: bool = False) -> Callable[[Rig], Awaitable[float]]:
    async def happen(harness: Rig) -> float:
        if module_too:
            silence(harness.opened, seconds)
        pause_host(harness.opened, harness.clock, seconds)
        return trio.current_time()

    return happen


def _wifi_off(seconds: float) -> Callable[[Rig], Awaitable[float]]:
    async def happen(harness: Rig) -> float:
        harness.opened.controls.disable_ap()
        await trio.sleep(seconds)
        harness.opened.controls.enable_ap()
        with trio.move_on_after(60.0):
            while not any(  # noqa: ASYNC110
                kind == "<" and isinstance(what, bytes) and b"WIFI GOT IP" in what
                for _, kind, what in harness.trace.entries[-200:]
            ):
                await trio.sleep(0.1)
        return trio.current_time()

    return happen


def _unplugged(seconds: float) -> Callable[[Rig], Awaitable[float]]:
    async def happen(harness: Rig) -> float:
        harness.opened.controls.unplug(seconds)
        return trio.current_time() + seconds

    return happen


def _garbage(count: int) -> Callable[[Rig], Awaitable[float]]:
    async def happen(harness: Rig) -> float:
        noise = Random(7).randbytes(count)
        harness.opened.runner.perform(lambda: harness.opened.module.uart.write(noise))
        return trio.current_time()

    return happen


async def _restart(harness: Rig) -> float:
    harness.window.is_open = True
    harness.opened.controls.restart()
    return trio.current_time() + Settings().timing.boot_s


async def _traffic(harness: Rig) -> float:
    """The exchange of the active stream meets the fault."""
    harness.window.is_open = True
    await _until_used(harness)
    return trio.current_time()


def _wifi_line_lost(seconds: float) -> Callable[[Rig], Awaitable[float]]:
    async def happen(harness: Rig) -> float:
        harness.window.is_open = True
        return await _wifi_off(seconds)(harness)

    return happen


async def _until_used(harness: Rig) -> None:
    with trio.fail_after(40.0):
        while harness.window.is_open:  # noqa: ASYNC110
            await trio.sleep(0.05)


def _look_up(name: str) -> Callable[[Rig], Awaitable[float]]:
    async def happen(harness: Rig) -> float:
        at = trio.current_time()
        harness.window.is_open = True
        with trio.move_on_after(EVIDENCE_S):
            try:
                await harness.engine.resolve(name)
            except Error as error:
                harness.trace.note(f"look-up: {error}")
        harness.window.is_open = False
        return at

    return happen


async def _connects(harness: Rig) -> float:
    harness.window.is_open = True
    at = trio.current_time()
    await probes.stream(harness, TRY_S)  # type: ignore[arg-type]
    harness.window.is_open = False
    return at


def _suspended_in_a_block(seconds: float, *, module_too: bool = False) -> Callable[[Rig], Awaitable[float]]:
    async def happen(harness: Rig) -> float:
        harness.opened.runner.perform(lambda: harness.peers["accepted"].send(bytes(5000)))
        await trio.sleep(0.2)  # of the 0.45 s that the line needs
        if module_too:
            silence(harness.opened, seconds)
        pause_host(harness.opened, harness.clock, seconds)
        return trio.current_time()

    return happen


async def _client_comes(harness: Rig) -> float:
    harness.window.is_open = True
    await probes.client(harness, TRY_S)  # type: ignore[arg-type]
    await _until_used(harness)
    return trio.current_time()


async def _peer_closes(harness: Rig) -> float:
    harness.window.is_open = True
    harness.opened.runner.perform(harness.peers["accepted"].close)
    await _until_used(harness)
    return trio.current_time()


async def _peer_sends(harness: Rig) -> float:
    harness.window.is_open = True
    harness.opened.runner.perform(lambda: harness.peers["accepted"].send(bytes(700)))
    await _until_used(harness)
    return trio.current_time()


async def _overrun(harness: Rig) -> float:
    """Behind a header and what a new link is announced with, in the middle of the payload."""
    harness.window.is_open = True
    harness.opened.controls.inject("overrun-down@200=120")
    harness.opened.runner.perform(lambda: harness.peers["accepted"].send(bytes(700)))
    return trio.current_time()


SILENT_S = HEARTBEAT_S + EVIDENCE_S
OTHERS = ("udp", "accepted")

ROWS = (
    Row("ready-missed", _restart, lost=ALL, lost_within_s=0.5 + EVIDENCE_S, faults=("lost-ready",)),
    Row("restart", _restart, lost=ALL, lost_within_s=0.5 + EVIDENCE_S),
    Row("silent-5", _silent(5), kept=OTHERS),
    Row("silent-45", _silent(44.99), lost=ALL, lost_within_s=SILENT_S),
    Row("silent-60", _silent(60), lost=ALL, lost_within_s=SILENT_S),
    Row("silent-600", _silent(600), lost=ALL, lost_within_s=SILENT_S),
    Row("stuck-data-phase", _traffic, lost=("active",), kept=OTHERS, faults=("lost-payload",)),
    Row("garbage-1-mb", _garbage(1 << 20)),
    Row("lost-prompt", _traffic, kept=OTHERS, faults=("lost-prompt",)),
    Row("lost-recv", _traffic, kept=OTHERS, faults=("lost-recv",)),
    Row("lost-send-ok", _traffic, kept=OTHERS, faults=("lost-send-ok",)),
    Row("lost-ok-look-up", _look_up("two.test"), kept=ALL, faults=("lost-ok",)),
    Row("lost-error-look-up", _look_up("none.test"), kept=ALL, faults=("lost-error",)),
    Row("lost-answer-look-up", _look_up("two.test"), kept=ALL, faults=("lost-answer",)),
    Row("lost-connect", _connects, kept=ALL, faults=("lost-connect",)),
    Row("lost-ok-connect", _connects, kept=ALL, faults=("lost-ok",)),
    Row("lost-accept", _client_comes, kept=ALL, faults=("lost-connect",)),
    Row(
        "lost-closed",
        _peer_closes,
        lost=("accepted",),
        lost_within_s=SILENT_S,
        kept=("active", "udp"),
        faults=("lost-closed",),
    ),
    Row("lost-our-line", _traffic, kept=OTHERS, faults=("lost-line",)),
    Row("lost-our-line-end", _traffic, kept=OTHERS, faults=("lost-line-end",)),
    Row("overrun", _overrun, lost=("accepted",), kept=("active", "udp")),
    Row("port-gone-8", _unplugged(8), lost=ALL),
    Row("port-gone-600", _unplugged(600), lost=ALL),
    Row("rate-after-restart", _restart, lost=ALL, lost_within_s=0.5 + EVIDENCE_S, raised_baud=921600),
    Row("wifi-off-20", _wifi_off(20), lost=("active", "accepted")),
    Row(
        "lost-wifi-line",
        _wifi_line_lost(20),
        lost=("active", "accepted"),
        lost_within_s=SILENT_S,
        faults=("lost-wifi",),
    ),
    Row("wifi-off-300", _wifi_off(300), lost=("active", "accepted")),
    Row("both-stopped-6", _suspended(6, module_too=True), kept=ALL),
    Row("both-stopped-60", _suspended(60, module_too=True)),
    Row("host-suspended-60", _suspended(60), kept=ALL),
    Row("host-suspended-600", _suspended(600), kept=ALL),
    Row("host-suspended-in-block-6", _suspended_in_a_block(6), kept=ALL, orders=6, paced=True),
    Row("host-suspended-in-block-60", _suspended_in_a_block(60), kept=ALL, orders=6, paced=True),
    Row("both-stopped-in-block-6", _suspended_in_a_block(6, module_too=True), kept=ALL, orders=6, paced=True),
)
"""docs/robustness.md has the bounds of every row, from `recovery_page.py`."""
