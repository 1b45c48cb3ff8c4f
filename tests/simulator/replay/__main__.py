"""`python -m tests.simulator.replay [-q] [FILE ...]`: replay captures and print what differs.

FILE is a path, or a word that the name of a capture contains; without any, all are replayed. `-q` prints the
figures only.
"""

from __future__ import annotations

import sys
from pathlib import Path

from .capture import available
from .reporting import Figures, describe, figures, replay


def main(arguments: list[str]) -> None:
    quiet = "-q" in arguments
    words = [word for word in arguments if word != "-q"]
    paths = [Path(word) for word in words if Path(word).is_file()]
    paths += [path for path in available() if not words or any(word in path.name for word in words)]
    results = [replay(path) for path in paths]
    if not quiet:
        for result in results:
            for line in describe(result):
                print(line)
        print()
    for result in results:
        one = Figures()
        one.add(result)
        print(f"{result.firmware:8} {result.topic:18} {one}")
    print()
    for firmware, made in figures(results).items():
        print(f"{firmware:8} {made}")


if __name__ == "__main__":
    main(sys.argv[1:])
