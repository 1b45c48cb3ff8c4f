"""`make mutants`: break at/, engine/ and net/ in random places, and count how often a test fails.

    python -m tests.mutants [--sample 300] [--seed 18] [--jobs 1] [--floor 92] [--again] [--state DIR]

Each mutant runs the tests that reach its line (at most 150, see reach.py) in a copy of the tree; those of the
framing run on both builds. Results are kept in the state folder: a run that was stopped goes on, as long as
the sources are the same. Exit status 1 if fewer than FLOOR percent were killed, 0 otherwise.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import queue
import random
import sys
import threading
import time
from pathlib import Path

from tests.mutants.mutations import Mutant, compiles, mutants
from tests.mutants.reach import ROOMS, Reach, record
from tests.mutants.workshop import Workshop

TREE = Path(__file__).parents[2]
ALIVE = ("survived", "unreached")
LIMIT_S = 300.0
"""A mutant whose tests are not through by then hangs, which counts as killed."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants", description="Sample mutants of the code."
    )
    parser.add_argument("--sample", type=int, default=300, metavar="N", help="how many mutants")
    parser.add_argument("--seed", type=int, default=18, metavar="N", help="seed of the sample")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="how many at a time")
    parser.add_argument("--floor", type=float, default=92.0, metavar="PERCENT", help="killed at least")
    parser.add_argument("--again", action="store_true", help="try those again that survived")
    parser.add_argument("--state", type=Path, default=Path("build/mutants"), metavar="DIR")
    arguments = parser.parse_args()

    sources = sorted(path for room in ROOMS for path in (TREE / "esp32sock" / room).rglob("*.py"))
    texts = {str(path.relative_to(TREE)): path.read_bytes() for path in sources}
    state = arguments.state.absolute() / hashlib.sha256(b"".join(texts.values())).hexdigest()[:12]
    state.mkdir(parents=True, exist_ok=True)
    workshops = [Workshop(state / f"tree-{number}", TREE) for number in range(arguments.jobs)]
    reach = state / "reach.data"
    if not reach.exists():
        print("recording which tests reach which line", flush=True)
        record(workshops[0], reach, arguments.jobs)

    everything = [mutant for path, text in texts.items() for mutant in mutants(path, text)]
    random.Random(arguments.seed).shuffle(everything)
    compiling = (mutant for mutant in everything if compiles(mutant.apply(texts[mutant.path])))
    chosen = list(itertools.islice(compiling, arguments.sample))
    print(f"{len(everything)} mutants of {len(texts)} files; a sample of {len(chosen)}", flush=True)
    log = state / "results.jsonl"
    results = _known(log, without_survivors=arguments.again)
    _try_all(chosen, results, Reach(reach), workshops, log)
    return _report(chosen, results, arguments.floor)


def _known(log: Path, *, without_survivors: bool) -> dict[str, str]:
    """The results of earlier runs on the same sources, by the names of the mutants."""
    entries = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    results = {entry["mutant"]: entry["result"] for entry in entries}
    return {name: result for name, result in results.items() if not (without_survivors and result in ALIVE)}


def _try_all(
    chosen: list[Mutant], results: dict[str, str], reach: Reach, workshops: list[Workshop], log: Path
) -> None:
    """Try those that have no result yet, and add theirs to `results` and to the log."""
    waiting: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
    for mutant in chosen:
        if mutant.name not in results:
            waiting.put(mutant)
    lock = threading.Lock()

    def work(workshop: Workshop) -> None:
        while True:
            try:
                mutant = waiting.get_nowait()
            except queue.Empty:
                return
            with lock:
                tests = reach.tests(mutant)
            begun = time.monotonic()
            result = workshop.try_mutant(mutant, tests, LIMIT_S) if tests else "unreached"
            taken = round(time.monotonic() - begun, 1)
            entry = {"mutant": mutant.name, "result": result, "tests": len(tests), "s": taken}
            with lock, log.open("a") as file:
                results[mutant.name] = result
                file.write(json.dumps(entry) + "\n")
                print(f"{len(results):4} {result:9} {taken:6} s  {mutant.name}", flush=True)

    threads = [threading.Thread(target=work, args=(workshop,)) for workshop in workshops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _report(chosen: list[Mutant], results: dict[str, str], floor: float) -> int:
    survivors = [mutant for mutant in chosen if results[mutant.name] in ALIVE]
    killed = 100 * (1 - len(survivors) / len(chosen))
    print(f"\nsurvivors, {len(survivors)} of {len(chosen)}:" if survivors else "\nno survivors")
    for mutant in sorted(survivors, key=lambda one: (one.path, one.line)):
        print(f"  {mutant.name} ({results[mutant.name]})")
    print(f"{killed:.1f} % killed; the floor is {floor:g} %")
    return 0 if killed >= floor else 1


if __name__ == "__main__":
    sys.exit(main())
