"""Which tests reach which line: one run of the tests of the rooms, with a coverage context for each test."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from coverage import CoverageData

if TYPE_CHECKING:
    from pathlib import Path

    from tests.mutants.mutations import Mutant
    from tests.mutants.workshop import Workshop

ROOMS = ("at", "engine", "net")
"""The rooms whose code is broken, and whose tests must notice."""

MOST_TESTS = 150
"""So many of the tests that reach a line are tried, spread over all files that have some."""


def record(workshop: Workshop, to: Path, workers: int) -> None:
    """Run the tests of the rooms and write what each reaches; RuntimeError if one fails."""
    settings = workshop.root / "reach.ini"
    settings.write_text(f"[run]\nsource = esp32sock\nrelative_files = true\ndata_file = {to}\n")
    cover = (f"--cov-config={settings}", "--cov", "--cov-context=test", "--cov-report=")
    status, output = workshop.test(
        *(f"tests/{room}" for room in ROOMS), *cover, "-n", str(workers), "--dist", "loadfile"
    )
    if status != 0:
        to.unlink(missing_ok=True)
        raise RuntimeError(f"the tests fail without any mutant:\n{output}")


class Reach:
    """The tests by the lines that they reach, as `record` wrote them."""

    def __init__(self, file: Path) -> None:
        self._data = CoverageData(str(file))
        self._data.read()
        self._lines: dict[str, dict[int, list[str]]] = {}

    def tests(self, mutant: Mutant) -> list[str]:
        """Those that reach the line, or, if it runs at import only, the file; those of its room first."""
        lines = self._of_file(mutant.path)
        reaching = lines.get(mutant.line, []) or [name for names in lines.values() for name in names]
        return _spread(set(reaching), first=f"tests/{mutant.path.split('/')[1]}/")

    def _of_file(self, path: str) -> dict[int, list[str]]:
        if path not in self._lines:
            by_line = self._data.contexts_by_lineno(path)
            self._lines[path] = {
                line: [name for context in contexts if (name := context.partition("|")[0])]
                for line, contexts in by_line.items()
            }
        return self._lines[path]


def _spread(tests: set[str], *, first: str) -> list[str]:
    """At most MOST_TESTS, taken in turn from each file, then put together by file again."""
    by_file: defaultdict[str, list[str]] = defaultdict(list)
    for test in sorted(tests):
        by_file[test.partition("::")[0]].append(test)
    files = sorted(by_file, key=lambda file: (not file.startswith(first), len(by_file[file]), file))
    share = dict.fromkeys(files, 0)
    left = MOST_TESTS
    while left and (open_files := [file for file in files if share[file] < len(by_file[file])]):
        for file in open_files[:left]:
            share[file] += 1
            left -= 1
    return [test for file in files for test in by_file[file][: share[file]]]
