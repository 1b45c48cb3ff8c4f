"""`python -m tests.simulator.replay [-v] [FILE ...]`: replay captures and print what differs.

FILE is a path, or a word that the name of a capture contains; without any, all are replayed. `-q` prints the
figures only.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from .capture import available, load
from .comparing import compare
from .replaying import Player


def main(arguments: list[str]) -> None:
    quiet = "-q" in arguments
    words = [word for word in arguments if word != "-q"]
    paths = [Path(word) for word in words if Path(word).is_file()]
    paths += [path for path in available() if any(word in path.name for word in words) or not words]
    totals: Counter[str] = Counter()
    equals: Counter[str] = Counter()
    figures = []
    for path in paths:
        capture = load(path)
        replay = Player(capture).run()
        compare(replay)
        counted = [exchange for exchange in replay.exchanges if exchange.counts]
        equal = [exchange for exchange in counted if exchange.equal]
        totals[capture.firmware] += len(counted)
        equals[capture.firmware] += len(equal)
        figures.append(f"{capture.firmware:8} {capture.topic:18} {len(equal):5} of {len(counted):5}")
        if quiet:
            continue
        section = ""
        for exchange in counted:
            if exchange.equal:
                continue
            if exchange.section != section:
                section = exchange.section
                print(f"\n{capture.name} | {section}")
            recorded, simulated = exchange.compared
            print(f"  {exchange.line:5} > {shown(exchange.written)}")
            print(f"        recorded  {shown(recorded)}")
            print(f"        simulated {shown(simulated)}")
    print()
    print("\n".join(figures))
    print()
    for firmware, total in totals.items():
        share = 100 * equals[firmware] / total
        print(f"{firmware:8} {equals[firmware]:5} of {total:5} exchanges equal, {share:.1f} %")


def shown(data: bytes, limit: int = 200) -> str:
    text = repr(data)[2:-1]
    return text if len(text) <= limit else f"{text[: limit - 40]} ... {text[-35:]} ({len(data)})"


main(sys.argv[1:])
