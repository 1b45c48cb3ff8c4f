"""Many seeds: in several processes, resumable, with counts of every kind of fault."""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from tests.chaos.kinds import BY_NAME, KINDS
from tests.chaos.plan import make_plan
from tests.chaos.running import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tests.chaos.kinds import Kind

ROOT = Path(__file__).parents[2]
BATCH = 25


def main(arguments: Sequence[str] | None = None) -> int:
    """The program."""
    options = _parser().parse_args(arguments)
    kinds = _kinds(options)
    if options.seeds:
        selection = f" --kinds {options.kinds}" if options.kinds else ""
        return _show(options.seeds, kinds, selection, lines=options.lines, check=options.twice)
    first, last = options.range
    return _soak(first, last, kinds, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("seeds", type=int, nargs="*", metavar="SEED")
    parser.add_argument("--range", type=int, nargs=2, default=(0, 200), metavar=("FIRST", "BEHIND_LAST"))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--state", type=Path, help="a file that keeps what is done, to go on from it")
    parser.add_argument("--kinds", help="only these kinds of faults, by name, with commas")
    parser.add_argument("--lines", type=int, default=60, help="of trace for a failing seed")
    parser.add_argument("--twice", action="store_true", help="run each seed twice and compare the bytes")
    return parser


def _kinds(options: argparse.Namespace) -> Sequence[Kind]:
    if options.kinds is not None:
        return [BY_NAME[name] for name in options.kinds.split(",")]
    return KINDS


def _show(seeds: Iterable[int], kinds: Sequence[Kind], selection: str, *, lines: int, check: bool) -> int:
    failed = 0
    for seed in seeds:
        outcome = run(make_plan(seed, kinds))
        print(outcome.report(lines, selection), flush=True)
        failed += bool(outcome.violations)
        if check and run(make_plan(seed, kinds)).digest != outcome.digest:
            print(f"seed {seed}: the second run differs", flush=True)
            failed += 1
    return int(failed > 0)


def _batch(seeds: range, names: tuple[str, ...]) -> dict[str, object]:
    """Run a batch in a worker; what is worth keeping, as data."""
    kinds = [BY_NAME[name] for name in names]
    counts: Counter[str] = Counter()
    wrong: list[tuple[int, str, list[str]]] = []
    digest = hashlib.sha256()
    for seed in seeds:
        outcome = run(make_plan(seed, kinds))
        counts += outcome.counts
        digest.update(outcome.digest.encode())
        if outcome.violations:
            wrong.append((seed, str(outcome.plan), [str(violation) for violation in outcome.violations]))
    return {
        "first": seeds.start,
        "seeds": len(seeds),
        "counts": dict(counts),
        "wrong": wrong,
        "digest": digest.hexdigest()[:16],
    }


def _soak(first: int, last: int, kinds: Sequence[Kind], options: argparse.Namespace) -> int:
    names = tuple(kind.name for kind in kinds)
    key = _key(names)
    done = _done(options.state, key)
    batches = [range(n, min(n + BATCH, last)) for n in range(first, last, BATCH)]
    left = [batch for batch in batches if batch.start not in done]
    began = time.monotonic()
    with ProcessPoolExecutor(options.jobs) as pool:
        for result in _results(pool, left, names):
            done[result["first"]] = result
            for _, plan, violations in result["wrong"]:
                print(f"{plan}\n    {violations[0]}", flush=True)
            if options.state is not None:
                with options.state.open("a") as file:
                    file.write(json.dumps({"key": key, **result}) + "\n")
    seconds = time.monotonic() - began
    results = [done[batch.start] for batch in batches if batch.start in done]
    return _summary(results, kinds, seconds, sum(map(len, left)))


def _results(
    pool: ProcessPoolExecutor, batches: Sequence[range], names: tuple[str, ...]
) -> Iterator[dict[str, object]]:
    yield from pool.map(_batch, batches, [names] * len(batches))


def _key(names: tuple[str, ...]) -> str:
    """What a result depends on, apart from its seeds: these kinds, and the sources."""
    digest = hashlib.sha256(repr(names).encode())
    for folder in ("esp32sock", "_speedups", "tests/chaos"):
        for path in sorted((ROOT / folder).rglob("*.py*")):
            if path.suffix in (".py", ".pyx"):
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _done(state: Path | None, key: str) -> dict[int, dict[str, object]]:
    """What an earlier run has done already, with the same kinds and sources."""
    if state is None or not state.exists():
        return {}
    results = [json.loads(line) for line in state.read_text().splitlines()]
    return {result["first"]: result for result in results if result["key"] == key}


def _summary(results: Sequence[dict[str, object]], kinds: Sequence[Kind], seconds: float, ran: int) -> int:
    counts: Counter[str] = Counter()
    for result in results:
        counts.update(result["counts"])
    print("\nfaults done:")
    for kind in kinds:
        print(f"  {kind.name:16} {counts[kind.name]:7}")
    digest = hashlib.sha256("".join(str(result["digest"]) for result in results).encode()).hexdigest()[:16]
    print(f"\ndigest of all that happened: {digest}")
    wrong = [entry for result in results for entry in result["wrong"]]
    seeds = sum(result["seeds"] for result in results)
    by_kind = Counter(violations[0].split(": ")[1] for _, _, violations in wrong)
    print(
        f"\n{seeds} seeds ({ran} now, {ran / max(seconds, 1e-9):.1f} a second), {len(wrong)} with violations"
    )
    for name, count in by_kind.most_common():
        some = [seed for seed, _, violations in wrong if violations[0].split(": ")[1] == name]
        print(f"  {name:16} {count:5}: {', '.join(map(str, some[:12]))}")
    return int(bool(wrong))
