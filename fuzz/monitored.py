"""A search of our own: mutations guided by `fuzz.coverage`, as fast as the code itself.

    python -m fuzz TARGET --engine monitored

starts it. An input that enters a block never entered before is kept. One that raises, or that takes longer
than INPUT_S, is a finding and ends the search. Before Python 3.12 the search is blind to Python
code.
"""

from __future__ import annotations

import signal
import time
import traceback
from importlib import import_module
from random import Random
from typing import TYPE_CHECKING, Any, NoReturn

from fuzz import kept
from fuzz.coverage import CompiledCoverage, PythonCoverage, instrument
from fuzz.mutation import Mutator

if TYPE_CHECKING:
    from pathlib import Path

    from fuzz.state import State

INPUT_S = 60.0


class Hang(AssertionError):
    """An input takes too long."""


def search(name: str, state: State, *, units: float, seconds: float, seed: int) -> Path | None:
    """Search until so many units are through in all, or for so long; the input of a finding, or None."""
    target, parts = watched(name, state)
    corpus = [*target.seeds(), *kept.read(name), *state.corpus()]
    random = Random(seed or time.time_ns())
    mutator = Mutator(random, target.dictionary(), target.MAX_BYTES)
    signal.signal(signal.SIGALRM, _hangs)
    until = time.monotonic() + (seconds or float("inf"))
    known, first = 0, iter(corpus.copy())
    try:
        while state.counts.units < units and time.monotonic() < until:
            data = next(first, None)
            is_new = data is None
            if data is None:
                data = mutator.draw(corpus)
            signal.setitimer(signal.ITIMER_REAL, INPUT_S)
            try:
                done = target.run(data)
            except Exception:
                traceback.print_exc()
                return state.found(data)
            if is_new:
                state.add(done)
            if (now := sum(part.known for part in parts)) > known:
                known = now
                if is_new:
                    corpus.append(data)
                    state.keep(data)
                if known > state.counts.covered:
                    state.grew(known)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        state.save()
    return None


def watched(name: str, state: State) -> tuple[Any, list[Any]]:
    """The target, and what tells its coverage: that of Python last."""
    instrument()
    parts: list[Any] = [CompiledCoverage(state.folder / "extension")] if name == "framing" else []
    target: Any = import_module(f"fuzz.targets.{name}")
    return target, [*parts, PythonCoverage()]


def distill(name: str, state: State) -> tuple[int, list[str]]:
    """Keep in `fuzz/corpora` the inputs that reach more than the seeds; how many, and the frontier."""
    target, parts = watched(name, state)
    for data in target.seeds():
        target.run(data)
    known, chosen = sum(part.known for part in parts), []
    for data in sorted({*kept.read(name), *state.corpus()}, key=lambda data: (len(data), data)):
        target.run(data)
        if (now := sum(part.known for part in parts)) > known:
            known = now
            chosen.append(data)
    kept.write(name, chosen)
    return len(chosen), parts[-1].frontier()


def _hangs(number: int, frame: object) -> NoReturn:
    raise Hang(f"an input takes longer than {INPUT_S} s")
