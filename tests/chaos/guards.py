"""Eight guards of the engine, each taken away: the chaos must notice. `python -m tests.chaos.guards [SEEDS]`.

Nothing in the engine can be switched off: a guard is taken away here, by replacing what does it, for as long
as a run takes. A guard that can go without any seed noticing is not tested, or not needed.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest import mock

from esp32sock.at.command_transaction import CommandTransaction
from esp32sock.at.link_record import LinkRecord
from esp32sock.at.state import CommandInput
from esp32sock.engine import channel
from esp32sock.engine.channel import CommandChannel
from esp32sock.engine.receive_mode import ReceiveMode
from esp32sock.engine.reconcile import Reconciler
from esp32sock.engine.tcp_pump import StreamPump
from esp32sock.engine.udp_link import DatagramPump
from tests.chaos.kinds import BY_NAME, KINDS
from tests.chaos.plan import make_plan
from tests.chaos.running import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from esp32sock.at.framing import Demux
    from tests.chaos.running import Outcome

SEEDS = 20_000
"""So many of the soak are looked through, by default."""


@dataclass(frozen=True, slots=True)
class Guard:
    """What is taken away, and the kinds of faults that it is there for."""

    name: str
    kinds: tuple[str, ...]
    likely: int
    """The seed of these kinds alone that showed it when this was written: where to begin."""
    replaced: tuple[tuple[object, str, object], ...]

    @contextmanager
    def removed(self) -> Iterator[None]:
        """Within the block the engine is without it."""
        patches = [mock.patch.object(owner, name, new) for owner, name, new in self.replaced]
        for patch in patches:
            patch.start()
        try:
            yield
        finally:
            for patch in reversed(patches):
                patch.stop()


async def _nothing(*_: object) -> None:
    """In place of a coroutine that guards."""


_ask = CommandTransaction._ask


def _repeat_blindly(self: CommandTransaction, now: float) -> None:
    """After `busy p...` the line goes out again, without a barrier."""
    if not self._response.was_busy or not self._machine.allows(CommandInput.RESEND):
        _ask(self, now)
        return
    self._machine.feed(CommandInput.RESEND)
    self._context.links.command_repeated(self.command)
    self._begin(now)


def _from_anyone(self: DatagramPump, demux: Demux) -> None:
    """Every datagram is the peer's."""
    while (datagram := demux.take_datagram(self.link_id)) is not None:
        host, port, payload = datagram
        if host is not None:
            self._received(self._remote or (host, port), payload)


def _constant(value: Any) -> property:
    return property(lambda _: value, lambda *_: None)


GUARDS = (
    Guard("result shape", ("lost-answer",), 7, ((CommandTransaction, "_has_its_shape", _constant(True)),)),
    Guard("barrier after a repeat", ("slow-busy",), 5, ((CommandTransaction, "_ask", _repeat_blindly),)),
    Guard(
        "deadline after read",
        ("pause",),
        3,
        ((CommandChannel, "_read_what_is_there", _nothing), (channel, "PAUSE_S", float("inf"))),
    ),
    Guard("link generation", ("slow-busy", "accept-in-gap"), 56, ((LinkRecord, "generation", _constant(1)),)),
    Guard("half-close gate", ("slow-reader",), 11, ((StreamPump, "_is_behind", _constant(False)),)),
    Guard(
        "comparison", ("lost-closed",), 0, ((Reconciler, "compare", _nothing), (Reconciler, "look", _nothing))
    ),
    Guard("left-over set-up", ("left-over",), 14, ((ReceiveMode, "set_up", _nothing),)),
    Guard("UDP peer filter", ("udp-stranger",), 0, ((DatagramPump, "collect", _from_anyone),)),
)


def first_failure(guard: Guard, seeds: Iterable[int], *, only: bool = False) -> Outcome | None:
    """The first seed that has a violation without the guard and none with it.

    `only`: the seeds are of the guard's kinds of faults alone; else, of all, those that have one of them.
    """
    kinds = [BY_NAME[name] for name in guard.kinds] if only else KINDS
    for seed in seeds:
        plan = make_plan(seed, kinds)
        if not plan.faults.intersection(guard.kinds):
            continue
        with guard.removed():
            outcome = run(plan)
        if outcome.violations and not run(plan).violations:
            return outcome
    return None


def main() -> int:
    """Print a table: guard, seed of the soak, what it finds without the guard."""
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS)
    missed = 0
    for guard in GUARDS:
        outcome = first_failure(guard, seeds)
        missed += outcome is None
        found = "nothing found" if outcome is None else f"{outcome.plan.seed:6} | {outcome.violations[0]}"
        print(f"{guard.name:22} | {found}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
