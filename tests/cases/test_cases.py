"""Programs that show a fault, each by itself: exit status 0 when the product does what the program says.

A case that still fails names the issue that mends it and what its output shows today: a failure that looks
otherwise is another fault, and the test fails. The mark comes off with the mending.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
AT_ONCE = 5
"""Most of them sleep most of the time."""


@dataclass(frozen=True)
class Open:
    """A case that fails today: the issue that mends it, and a pattern that its output shows until then."""

    issue: int
    shows: str


OPEN: dict[str, Open] = {}
BOUND_S = {"hang-module-silent": 240, "pools-of-five": 60}
OTHERS_BOUND_S = 120


class StillFailsError(Exception):
    """The fault is there, and looks as its issue says."""


@dataclass(frozen=True)
class Outcome:
    """How a case ended; no status when it had to be killed."""

    status: int | None
    output: str


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*-*.py"))


def bound_s(name: str) -> float:
    return BOUND_S.get(name, OTHERS_BOUND_S)


def run(name: str) -> Outcome:
    """Run a case in a session of its own, which ends with it."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ESP32SOCK_")}
    process = subprocess.Popen(
        [sys.executable, str(FOLDER / f"{name}.py")],
        cwd=ROOT,
        env=environment | {"PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, status = process.communicate(timeout=bound_s(name))[0], process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, status = process.communicate()[0], None
    return Outcome(status, output.decode(errors="replace"))


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Outcome]]]:
    """All cases that were asked for, running some at once, the longest first."""
    wanted = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    chosen = sorted(wanted & set(names()), key=bound_s, reverse=True)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(run, name) for name in chosen}
        pool.shutdown(cancel_futures=True)


def cases() -> list[object]:
    """Those that run longest come last: by then they have run for a while beside the others."""
    return [pytest.param(name, marks=marks(name)) for name in sorted(names(), key=bound_s)]


def marks(name: str) -> tuple[pytest.MarkDecorator, ...]:
    if name not in OPEN:
        return ()
    reason = f"issue {OPEN[name].issue}: see the case"
    return (pytest.mark.xfail(strict=True, raises=StillFailsError, reason=reason),)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", cases())
def test_case(name: str, outcomes: dict[str, Future[Outcome]]) -> None:
    outcome = outcomes[name].result()
    if outcome.status == 0:
        return
    if name in OPEN and re.search(OPEN[name].shows, outcome.output, re.M):
        raise StillFailsError(outcome.output)
    end = f"status {outcome.status}" if outcome.status is not None else f"killed after {bound_s(name)} s"
    pytest.fail(f"{name}: {end}\n{outcome.output}", pytrace=False)


def test_every_open_case_is_there() -> None:
    assert set(OPEN) <= set(names())
