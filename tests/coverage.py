"""`make coverage`: which branches the tests reach, on both builds, and which lines of the compiled framing.

    python -m tests.coverage [--workers 2] [--floor PERCENT] [TEST ...]

Runs in a copy of the tree whose framing is compiled to be traced: the suite (or the tests named), then those
of both builds again without the compiled framing. Programs that tests start are not counted, so the command
line's programs and what runs in children have lower figures than they deserve. Writes build/coverage.txt and
build/coverage. Exit status 1 if a test fails, or if less than the floor of pyproject.toml is reached.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.mutants.workshop import Workshop

TREE = Path(__file__).parents[1]
SUITE = ["tests", "--ignore=tests/programs", "--ignore=tests/first_hour"]
PURE_AGAIN = ["tests/at", "tests/engine", "tests/net"]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.coverage", description="Count what the tests reach."
    )
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="test processes")
    parser.add_argument("--floor", type=float, metavar="PERCENT", help="instead of pyproject.toml's")
    parser.add_argument("tests", nargs="*", help="these, on both builds, instead of the suite")
    arguments = parser.parse_args()

    copy = Workshop(TREE / "build" / "coverage-tree", TREE)
    _compile_traced(copy.root)
    cover = (
        "-n",
        str(arguments.workers),
        "--dist",
        "loadfile",
        "--cov",
        "--cov-report=",
        "--cov-append",
        "--cov-fail-under=0",
    )
    switches = {"ESP32SOCK_REQUIRE_EXT": "1"}
    for build, tests in (("compiled", arguments.tests or SUITE), ("pure", arguments.tests or PURE_AGAIN)):
        print(f"the tests on the {build} build", flush=True)
        status, output = copy.test(*cover, "--timeout=300", *tests, switches=switches)
        if status != 0:
            print(output, file=sys.stderr)
            return 1
        switches = {"ESP32SOCK_PUREPYTHON": "1", "ESP32SOCK_REQUIRE_EXT": "0"}
    floor = [] if arguments.floor is None else [f"--fail-under={arguments.floor}"]
    with (TREE / "build/coverage.txt").open("w") as file:
        done = subprocess.run([*_coverage(), "report", *floor], cwd=copy.root, stdout=file, check=False)
    pages = ("html", "-q", "--fail-under=0", "-d", str(TREE / "build/coverage"))
    subprocess.run([*_coverage(), *pages], cwd=copy.root, check=True)
    print((TREE / "build/coverage.txt").read_text())
    print("the lines are shown in build/coverage/index.html")
    return done.returncode


def _coverage() -> list[str]:
    return [sys.executable, "-m", "coverage"]


def _compile_traced(tree: Path) -> None:
    """Replace the compiled framing of the copy; its C file stays beside the source, for the plugin."""
    for compiled in tree.glob("_speedups/*.so"):
        compiled.unlink()
    switches = {"ESP32SOCK_LINETRACE": "1", "ESP32SOCK_REQUIRE_EXT": "1", "PYTHONPATH": ""}
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=tree,
        env=os.environ | switches,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    shutil.rmtree(tree / "build", ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
