"""One seed: a module in memory under virtual time, faults for a while, then everything must be well again.

Deterministic: trio's scheduler is seeded, time is virtual, chance comes from seeds. The socket pairs are real
descriptors, but both of their ends are in this thread: what is written to one makes the other readable at
once, so a poll that finds nothing means that nothing is under way, and only then does the clock jump.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import trio
import trio.testing
from trio._core import _run as trio_run

from esp32sock.engine.engine import Engine
from esp32sock.engine.options import Options
from esp32sock.errors import Error, PortError
from esp32sock.simulator import MemoryNetwork, Settings, open_module
from tests.chaos import probes, questions, tcp_users, udp_users
from tests.chaos.bounds import SETTLE_S, listener_full_s, recover_s
from tests.chaos.ledger import Ledger, Violation
from tests.chaos.line import ChaosFaults, ChaosPort, FaultWindow
from tests.chaos.peers import set_peers
from tests.chaos.trace import Trace
from tests.chaos.world import NAMES, World

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator

    from esp32sock.engine.transports import Port
    from esp32sock.simulator.runtime.runner import Opened
    from tests.chaos.plan import Dose, Plan

ATTACH_S = 90.0
"""The longest that an attach may take until it works or says why not."""
LINKS_S = 10.0
"""No link is left on the module so long after the last socket was closed."""
BLOCK_S = 1.0
"""How long a pause of the host waits for a block to fall into."""
PROBE_PAUSE_S = 1.0
RUN_S = 3600.0
DAMAGING = frozenset(
    f"{name}-{way}" for name in ("drop", "flip", "overrun") for way in ("up", "down")
) | frozenset({"garbage", "debug-in-ipd"})
"""They change bytes, so an answer can be wrong and look right."""
HARMLESS = frozenset(
    {
        "pause",
        "urc",
        "ipd-in-gap",
        "lost-notice",
        "trailing-comma",
        "no-blank",
        "double-closed",
        "datagram-loss",
    }
)
"""They cost time alone: no socket may fail for them."""
UNSEEN_ENDS = frozenset({"peer-reset", "black-hole", "no-gateway", "reset", "wifi-loss", "wifi-off"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a seed."""

    plan: Plan
    digest: str
    violations: tuple[Violation, ...]
    counts: Counter[str]
    trace: Trace
    seconds: float
    """Of virtual time."""

    def report(self, lines: int = 60, selection: str = "") -> str:
        """What went wrong, with the trace that leads to it; `selection`: the options that chose the kinds."""
        if not self.violations:
            return f"{self.plan}\nnothing wrong; digest {self.digest}"
        first = self.violations[0]
        shown = self.trace.lines(until=first.when)[-lines:]
        wrong = "\n".join(f"  {violation}" for violation in self.violations[:8])
        return (
            f"{self.plan}\n"
            + "\n".join(shown)
            + f"\n{wrong}\nreplay: python -m tests.chaos {self.plan.seed}{selection}"
        )


class _Errors(logging.Handler):
    """What the library logs as an exception is a fault of ours."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(logging.ERROR)
        self._ledger = ledger

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._ledger.violate("internal", f"{record.getMessage()}: {error!r}")


@contextmanager
def scheduling(seed: int) -> Iterator[None]:
    """Inside, `trio.run` takes tasks in an order that the seed decides; and no collector comes between."""
    was = trio_run._ALLOW_DETERMINISTIC_SCHEDULING
    trio_run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    trio_run._r.seed(seed)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        trio_run._ALLOW_DETERMINISTIC_SCHEDULING = was  # type: ignore[misc]


def run(plan: Plan) -> Outcome:
    """Run one plan. Raises nothing for what goes wrong inside: that is in the outcome."""
    trace = Trace()
    ledger = Ledger(trace)
    handler, log = _Errors(ledger), logging.getLogger("esp32sock")
    descriptors = _descriptors()
    clock = trio.testing.MockClock(autojump_threshold=0)
    seconds = 0.0

    async def main() -> None:
        nonlocal seconds
        with trio.move_on_after(RUN_S) as scope:
            try:
                await _run(plan, trace, ledger, clock)
            except Exception as error:
                ledger.violate("engine-ended", "; ".join(map(repr, _leaves(error))))
        seconds = trio.current_time()
        if scope.cancelled_caught:
            ledger.violate("deadlock", _waits(ledger))

    log.addHandler(handler)
    propagates, log.propagate = log.propagate, False
    try:
        with scheduling(plan.seed):
            trio.run(main, clock=clock)
    finally:
        log.removeHandler(handler)
        log.propagate = propagates
    left = _descriptors() - descriptors
    if left:
        ledger.violations.append(Violation(seconds, "descriptors", f"{left} are left open"))
    return Outcome(plan, trace.digest, tuple(ledger.violations), trace.counts, trace, seconds)


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in _leaves(each)]
    return [error]


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _waits(ledger: Ledger) -> str:
    waits = ", ".join(f"{what} since {since:.1f} s" for what, since in ledger.waits.values())
    return waits or "nobody waits"


async def _run(plan: Plan, trace: Trace, ledger: Ledger, clock: trio.testing.MockClock) -> None:
    network = MemoryNetwork(names=dict(NAMES))
    window = FaultWindow()
    faults = ChaosFaults(plan.doses, plan.seed, trace, window)
    settings = Settings(
        profile=plan.profile, seed=plan.seed, paced=plan.paced, latency_ms=1000 * plan.latency_s
    )
    async with open_module(settings, network, faults=faults) as opened:
        faults.table = opened.module.firmware.table
        for line in plan.left_over:
            await opened.stream.send_all(line + b"\r\n")
            await trio.sleep(0.05)

        async def opener(url: str, baud: int) -> Port:
            if opened.module.uart.unplugged:
                raise PortError("the line is unplugged", errno=errno.ENODEV)
            return ChaosPort(opened, plan.doses, plan.seed, trace, window)

        engine = Engine(Options("memory", receive=plan.receive), opener)
        async with trio.open_nursery() as nursery:
            with ledger.waiting("attach", ATTACH_S):
                if not await _attach(engine, nursery, ledger):
                    return
            trace.note("attached")
            async with trio.open_nursery() as users:
                world = World(plan, trace, ledger, engine, opened, network, users, trio.current_time())
                world.holes = faults.holes
                await _work(world, faults, window, clock)
            await _end(world)
            nursery.cancel_scope.cancel()


async def _attach(engine: Engine, nursery: trio.Nursery, ledger: Ledger) -> bool:
    try:
        await nursery.start(engine.run)
    except (Error, ExceptionGroup) as error:
        ledger.violate("attach", "; ".join(map(str, _leaves(error))))
        return False
    return True


async def _work(
    world: World, faults: ChaosFaults, window: FaultWindow, clock: trio.testing.MockClock
) -> None:
    plan, ledger, trace = world.plan, world.ledger, world.trace
    set_peers(world.network, world)
    await trio.sleep(1.0)
    world.started_s = trio.current_time()
    if plan.listens:
        await tcp_users.listen(world)
    world.text_damaged = bool(plan.faults & DAMAGING)
    window.is_open = True
    trace.note("the faults begin")
    async with trio.open_nursery() as outer:
        outer.start_soon(_watch, world, outer.cancel_scope)
        async with trio.open_nursery() as nursery:
            for tcp in plan.tcp:
                begin = tcp_users.tcp_accepted if tcp.accepted else tcp_users.tcp_client
                nursery.start_soon(begin, world, tcp)
            for udp in plan.udp:
                nursery.start_soon(udp_users.udp_user, world, udp)
            for asks in plan.asks:
                nursery.start_soon(questions.ask, world, asks)
            for dose in plan.doses:
                if dose.kind.where == "event":
                    nursery.start_soon(_happen, world, dose, clock)
            await trio.sleep(plan.faults_s)
            window.is_open = False
            world.opened.controls.clear_faults()
            trace.note("the faults end")
            if faults.is_locked:
                trace.note("its button is pressed")
                world.opened.controls.restart()
            await _probe(world)
            await _until_quiet(world)
        outer.cancel_scope.cancel()
    world.nursery.cancel_scope.cancel()
    damaged = faults.payload_damaged or "garbage" in plan.faults
    for number, conversation in world.conversations.items():
        unseen = bool(plan.faults & UNSEEN_ENDS)
        conversation.judge(
            ledger,
            damaged=damaged or number in world.holes,
            mixed=number in faults.mixed,
            unseen=unseen,
        )
    for number, record in world.datagrams.items():
        record.judge(ledger, damaged=damaged or number in world.holes)
    for dose in plan.doses:
        if dose.kind.where == "setting":
            trace.counts[dose.kind.name] += 1
    if plan.faults <= HARMLESS:
        _judge_undisturbed(world)


def _judge_undisturbed(world: World) -> None:
    """Without faults, or with such as cost time alone, nothing fails."""
    for conversation in world.conversations.values():
        plan = conversation.plan
        willing = not plan.refused and plan.gives_up_s is None and plan.connect_timeout_s is None
        if (
            conversation.error
            and not conversation.error.startswith("EMFILE")
            and "the peer closed before" not in conversation.error
            and willing
            and plan.closing in ("peer", "user", "half")
        ):
            world.ledger.violate("disturbed", str(conversation))
    for record in world.datagrams.values():
        failed = record.error and not record.error.startswith("EMFILE")
        if failed or (record.doubtful and world.plan.profile != "1.0"):
            world.ledger.violate("disturbed", f"{record.name}: {record.error}, {record.doubtful} doubtful")


# -- what happens at a moment --------------------------------------------------------------------------------


async def _happen(world: World, dose: Dose, clock: trio.testing.MockClock) -> None:
    await world.until(dose.at_s)
    opened, trace = world.opened, world.trace
    trace.fault(dose.kind.name, dose.dose.encode())
    amount = float(dose.dose)
    match dose.kind.name:
        case "pause":
            await _inside_a_block(world)
            before = trio.current_time()
            pause_host(opened, clock, amount)
            world.ledger.paused_s += trio.current_time() - before
        case "restart-at":
            opened.controls.restart()
        case "silent":
            silence(opened, amount)
        case "garbage":
            random = Random(world.plan.seed ^ 0x6A)
            opened.runner.perform(lambda: opened.module.uart.write(random.randbytes(int(amount))))
        case "unplug-at":
            opened.controls.unplug(amount)
        case "wifi-off":
            opened.controls.disable_ap()
            await trio.sleep(amount)
            opened.controls.enable_ap()
        case "false-wifi":
            opened.runner.perform(lambda: opened.module.uart.write(b"WIFI DISCONNECT\r\n"))
        case name:
            raise AssertionError(f"nothing is known of {name}")


async def _inside_a_block(world: World) -> None:
    """Until a part of a block has been read, for a while: there a pause does most."""
    context = world.engine.context
    with trio.move_on_after(BLOCK_S):
        while not (context.is_open and context.channel.session.demux.missing_bytes):  # noqa: ASYNC110
            await trio.sleep(0.002)


def pause_host(opened: Opened, clock: trio.testing.MockClock, seconds: float) -> None:
    """The whole program stands still, as by SIGSTOP, while the module and its network go on."""
    runner, module = opened.runner, opened.module
    until = runner.now + seconds
    while (now := runner.now) < until:
        deadlines = [d for d in (module.deadline(), module.output_deadline()) if d is not None]
        clock.jump(min(max(min(deadlines, default=until), now + 1e-3), until) - now)
        runner.perform(lambda: None)


def silence(opened: Opened, seconds: float) -> None:
    """The module hangs and then goes on: it reads nothing and says nothing meanwhile."""

    def hang() -> None:
        uart = opened.module.uart
        uart.pause_output(seconds)
        opened.module.kernel.call_later(seconds, partial(uart.release, uart.hold()))

    opened.runner.perform(hang)


# -- afterwards ----------------------------------------------------------------------------------------------


async def _probe(world: World) -> None:
    """New work succeeds, soon enough: a stream there and back, a look-up, the listener."""
    until = trio.current_time() + recover_s(world.plan)
    for name, attempt in (("stream", probes.stream), ("look-up", _probe_name), ("listener", _probe_listener)):
        why = "never tried"
        if name == "listener":
            until += listener_full_s(world.plan)
        while trio.current_time() < until:
            with trio.move_on_at(until):
                why = "it did not end"
                why = await attempt(world)
            if not why:
                break
            await trio.sleep(PROBE_PAUSE_S)
        if why:
            world.ledger.violate("not-recovered", f"{name}: {why}")
        else:
            world.trace.note(f"probe: {name} works")


async def _probe_name(world: World) -> str:
    try:
        found = await world.engine.resolve("two.test")
    except Error as error:
        return str(error)
    return "" if found == ["10.0.2.9"] else f"{found!r}"


async def _probe_listener(world: World) -> str:
    if world.listener is None or world.listener.over.is_set():
        return ""
    return await probes.client(world)


async def _watch(world: World, scope: trio.CancelScope) -> None:
    """What has not ended in time never will."""
    await world.until(world.plan.faults_s + recover_s(world.plan) + listener_full_s(world.plan) + SETTLE_S)
    world.ledger.violate("hang", _waits(world.ledger))
    scope.cancel()


async def _until_quiet(world: World) -> None:
    """Until all that applications began has ended; `_watch` bounds it."""
    await _poll(lambda: not world.ledger.waits)


async def _poll(holds: Callable[[], bool]) -> None:
    """Until this holds, looked at twice a second: much of it is the simulator's, which sets no event."""
    while not holds():  # noqa: ASYNC110
        await trio.sleep(0.5)


async def _end(world: World) -> None:
    """The interface ends: nothing may be left, neither in the engine nor on the module."""
    if world.listener is not None:
        world.listener.close()
    with world.ledger.waiting("drain", 15.0):
        await world.engine.drain()
    with trio.move_on_after(LINKS_S):
        await _poll(lambda: not _left(world))
    if left := _left(world):
        world.ledger.violate("left", left)


def _left(world: World) -> str:
    stats = world.engine.stats()
    links = world.opened.module.firmware.table.all()
    parts = [f"link {link.link_id} ({link.kind})" for link in links]
    if stats["links_open"]:
        parts.append(f"{stats['links_open']} pumps")
    if stats["unread_bytes"]:
        parts.append(f"{stats['unread_bytes']} unread bytes")
    return ", ".join(parts)
