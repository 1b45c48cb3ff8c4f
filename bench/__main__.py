"""`python -m bench NAME [--quick] [--json] [--plot FILE]`: runs one bench; the exit status is its verdict.

A bench is a module of this folder with `run() -> Report`, or `run(*, quick=False)` where it has a short form;
its docstring says what it measures.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, cast

from bench._plot import draw

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench._report import Report


def names() -> list[str]:
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures what esp32sock costs.")
    parser.add_argument("name", choices=names(), help="what to measure")
    parser.add_argument("--quick", action="store_true", help="only a part, in seconds, where a bench has one")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the rows, too; needs matplotlib")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    run = cast("Callable[..., Report]", import_module(f"bench.{arguments.name}").run)
    has_quick = "quick" in signature(run).parameters
    report = run(quick=True) if arguments.quick and has_quick else run()
    if arguments.plot is not None:
        draw(report, arguments.plot)
    print(report.as_json() if arguments.json else report.as_text())
    return 0 if report.holds else 1


if __name__ == "__main__":
    sys.exit(main())
