"""What an sdist and a wheel hold: everything they should, and nothing else."""

from __future__ import annotations

import re
import subprocess
from email.parser import Parser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.packaging.conftest import Dist

ROOT = Path(__file__).resolve().parents[2]
PLACES = {"esp32sock": "esp32sock", "_speedups": "esp32sock/_speedups", "shims": "esp32sock/shims"}
COMPILED = re.compile(r"esp32sock/_speedups/_framing_c\.[\w.-]+\.(so|pyd)")

# In the repository for those who work on it there, and of no use in an sdist, or links, which it cannot hold.
REPOSITORY_ONLY = re.compile(r"\.(ci|github)/.*|\.[\w.-]+|esp32sock/(_speedups|shims)")

# Building takes seconds, more on a busy machine.
pytestmark = pytest.mark.timeout(300)


def product_files() -> set[str]:
    """Every file of the product under the name it has once installed; sources of the compiled part apart."""
    found = set()
    for folder, place in PLACES.items():
        for path in (ROOT / folder).rglob("*"):
            generated = "__pycache__" in path.parts or path.suffix in (".so", ".pyd", ".c", ".html", ".pyc")
            if path.is_file() and not generated and path.suffix not in (".pyx", ".pxd"):
                found.add(f"{place}/{path.relative_to(ROOT / folder).as_posix()}")
    return found


def test_the_wheel_holds_the_product_and_nothing_else(dist: Dist) -> None:
    held = {name for name in dist.wheel_names() if ".dist-info/" not in name}
    compiled = {name for name in held if COMPILED.fullmatch(name)}
    assert held - compiled == product_files()
    assert len(compiled) == (1 if dist.compiled else 0)


def test_the_wheel_says_what_it_is(dist: Dist) -> None:
    assert ("-none-any." in dist.wheel.name) is not dist.compiled
    names = {name.partition(".dist-info/")[2] for name in dist.wheel_names() if ".dist-info/" in name}
    assert names == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "top_level.txt", "licenses/LICENSE"}
    assert dist.wheel_text("top_level.txt").split() == ["esp32sock"]
    assert "esp32sock = esp32sock.cli:main" in dist.wheel_text("entry_points.txt")


def test_the_metadata(dist: Dist) -> None:
    version = re.search(r'"(.+)"', (ROOT / "esp32sock/_version.py").read_text("utf-8"))
    metadata = Parser().parsestr(dist.wheel_text("METADATA"))
    assert version is not None
    assert metadata["Version"] == version[1]
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"
    needed = {
        re.split(r"[<>=;]", line)[0] for line in metadata.get_all("Requires-Dist", []) if "extra" not in line
    }
    assert needed == {"pyserial", "trio", "rich"}


def test_the_sdist_holds_what_git_tracks(dist: Dist) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no repository here: this is an unpacked sdist")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    tracked = {name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).exists()}
    missing = {name for name in tracked - dist.sdist_names() if not REPOSITORY_ONLY.fullmatch(name)}
    assert not missing


def test_the_sdist_holds_the_source_of_the_compiled_part_and_nothing_built(dist: Dist) -> None:
    names = dist.sdist_names()
    assert {"pyproject.toml", "setup.py", "LICENSE", "README.md", "_speedups/_framing_c.pyx"} <= names
    built = re.compile(r".*\.(so|pyd|c|pyc|html)|(.*/)?(__pycache__|build|dist|\..*)(/.*)?")
    assert {name for name in names if built.fullmatch(name)} == {
        "fuzz/coverage.c",
        "tests/programs/get.c",
        "tests/shims/host_calls.c",
    }  # written by hand
