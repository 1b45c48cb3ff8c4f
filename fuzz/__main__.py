"""Fuzz a target: `python -m fuzz TARGET [--units N] [--seconds S]`, or run inputs: `... TARGET FILE...`.

The targets are the files of `fuzz/targets`; their docstrings say what holds. Two engines search, on one
corpus:

atheris     libFuzzer, guided by branches and comparisons; needs the extra `fuzz`
monitored   our own, guided by `sys.monitoring` (Python 3.12), several times as fast

A search goes on where it was stopped: corpus, counts and findings are in build/fuzz/TARGET. At the end it
prints how much went through and when coverage grew last; the exit status is 1 for a finding.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from fuzz.shrinking import shrink
from fuzz.state import State

TARGETS = sorted(path.stem for path in Path(__file__).with_name("targets").glob("[!_]*.py"))
ENGINES = {"atheris": "fuzz.libfuzzer", "monitored": "fuzz.monitored"}
FOLDER = Path("build/fuzz")
SHOWN_BYTES = 400
SHOWN_SHARES = (0, 1, 10, 40, 70)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("inputs", nargs="*", type=Path, metavar="FILE", help="run these inputs and end")
    parser.add_argument(
        "--engine", choices=ENGINES, default="monitored" if sys.version_info >= (3, 12) else "atheris"
    )
    parser.add_argument("--units", type=float, default=float("inf"), help="bytes or lines in all")
    parser.add_argument("--seconds", type=int, default=0, help="of this run at most; 0: no limit")
    parser.add_argument("--seed", type=int, default=0, help="of the search; 0: another one each time")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where corpus, counts and findings are")
    parser.add_argument("--shrink", action="store_true", help="make the given inputs small first")
    parser.add_argument(
        "--distill",
        action="store_true",
        help="keep what was found in fuzz/corpora; print the frontier",
    )
    arguments = parser.parse_intermixed_args()
    if arguments.shrink:
        return shrink_all(arguments.target, arguments.inputs)
    if arguments.inputs:
        return replay(arguments.target, arguments.inputs)
    state = State((arguments.folder / arguments.target).resolve(), arguments.engine)
    if arguments.distill:
        return distill(arguments.target, state)
    engine: Any = import_module(ENGINES[arguments.engine])
    found = engine.search(
        arguments.target, state, units=arguments.units, seconds=arguments.seconds, seed=arguments.seed
    )
    print(summary(arguments.target, state))
    if found is None:
        return 0
    print(f"found: {found}\n  again with: python -m fuzz {arguments.target} {found}")
    print(f"  {found.read_bytes()[:SHOWN_BYTES]!r}")
    return 1


def distill(name: str, state: State) -> int:
    """Inputs that reach more than the seeds go into the tree; where the search turned back is printed."""
    monitored: Any = import_module("fuzz.monitored")
    count, frontier = monitored.distill(name, state)
    print(*frontier, f"{name}: {count} inputs kept", sep="\n")
    return 0


def replay(name: str, paths: list[Path]) -> int:
    """Run these inputs without an engine; what they raise is shown."""
    target: Any = import_module(f"fuzz.targets.{name}")
    for path in paths:
        print(f"{path}: {target.run(path.read_bytes())} {target.UNIT}")
    return 0


def shrink_all(name: str, paths: list[Path]) -> int:
    """Beside each input, a smaller one that raises the same."""
    target: Any = import_module(f"fuzz.targets.{name}")
    for path in paths:
        small = path.with_suffix(".small")
        small.write_bytes(shrink(target.run, path.read_bytes()))
        print(f"{small}: {small.read_bytes()[:SHOWN_BYTES]!r}")
    return 0


def summary(name: str, state: State) -> str:
    """What went through in all runs, and when coverage grew last."""
    target: Any = import_module(f"fuzz.targets.{name}")
    counts = state.counts
    share = 100 * counts.grew_at / counts.executions if counts.executions else 0
    curve = ", ".join(f"{state.covered_after(part / 100):,} at {part} %" for part in SHOWN_SHARES)
    return (
        f"{name}, {state.engine}: {counts.units:,} {target.UNIT}, {counts.executions:,} executions, "
        f"{counts.seconds:,.0f} s; {counts.covered:,} covered ({curve}), the last after {share:.1f} % of the "
        "executions"
    )


if __name__ == "__main__":
    sys.exit(main())
