"""The part of the compatibility run that `make test` has time for; `make compat` runs all of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.compat.expected import EXPECTED, MOST
from tests.compat.plan import QUICK, Unit, units
from tests.compat.running import run_unit

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(600)
def test_part_of_the_compatibility_run() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.compat", "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(EXPECTED)} failures are expected" in done.stdout


def test_the_quick_part_and_the_expectations_name_what_exists() -> None:
    known = {str(unit) for unit in units()}
    assert set(QUICK) <= known
    assert len(EXPECTED) <= MOST
    for name in EXPECTED:
        assert name.rpartition(".")[0] in known, name


def test_a_hung_test_is_named_and_the_rest_is_run_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = (
        "import threading, unittest\n"
        "class Case(unittest.TestCase):\n"
        "    def test_1(self): pass\n"
        "    def test_2(self): threading.Event().wait()\n"
        "    def test_3(self): self.fail('on purpose')\n"
        "    def test_4(self): self.skipTest('for a reason')\n"
    )
    (tmp_path / "hanging_tests.py").write_text(program)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("ESP32SOCK_COMPAT_HUNG_S", "1")
    outcomes = run_unit(Unit("hanging_tests", "Case"), profile=None)
    words = {name.rpartition(".")[2]: outcome.word for name, outcome in outcomes.items()}
    assert words == {"test_1": "ok", "test_2": "hung", "test_3": "failed", "test_4": "skipped"}
    assert "test_2" in outcomes["hanging_tests.Case.test_2"].text
    assert "on purpose" in outcomes["hanging_tests.Case.test_3"].text
