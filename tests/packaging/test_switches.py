"""The switches of the build, and what contradicts itself in them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PURE, REQUIRE = "ESP32SOCK_PUREPYTHON", "ESP32SOCK_REQUIRE_EXT"
ASK = "from esp32sock._build import BUILD; print(BUILD)"


def python(*words: str, **switches: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in (PURE, REQUIRE)}
    return subprocess.run(
        [sys.executable, *words],
        env=environment | switches, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "words", [("setup.py", "--version"), ("-c", "import esp32sock._build")], ids=["build", "run"]
)
def test_both_at_once_is_an_error(words: tuple[str, ...]) -> None:
    done = python(*words, **{PURE: "1", REQUIRE: "1"})
    assert done.returncode != 0
    assert PURE in done.stderr
    assert REQUIRE in done.stderr
    assert "contradict" in done.stderr


def test_pure_is_pure_even_where_there_is_a_compiled_part() -> None:
    done = python("-c", ASK, **{PURE: "1"})
    assert (done.returncode, done.stdout) == (0, "pure\n"), done.stderr


def test_required_is_compiled_or_an_import_error() -> None:
    there = python("-c", ASK)
    assert there.stdout in ("compiled\n", "pure\n"), there.stderr
    done = python("-c", ASK, **{REQUIRE: "1"})
    if there.stdout == "compiled\n":
        assert (done.returncode, done.stdout) == (0, "compiled\n"), done.stderr
    else:
        assert done.returncode != 0
        assert "ImportError" in done.stderr or "ModuleNotFoundError" in done.stderr


@pytest.mark.parametrize("value", ["", "0", "yes"])
def test_only_1_switches_anything(value: str) -> None:
    assert python("-c", ASK, **{PURE: value, REQUIRE: value}).stdout == python("-c", ASK).stdout
