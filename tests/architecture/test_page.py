"""The pages for contributors name files and folders that are there, and leave none of the package out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.docs.blocks import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGES = ("docs/architecture.md", "docs/glossary.md", "CONTRIBUTING.md")
ROOMS = ("esp32sock", "_speedups", "shims")
WHERE = ("", "esp32sock", "esp32sock/simulator", "esp32sock/at", "shims", "docs")
"""Where a name may start from."""

# In the text, a path has a folder or a suffix; in the picture of section 3, every name before the words.
PATH = re.compile(r"`((?:[\w.-]+/)*[\w.-]+(?:\.(?:py|md|pyx|txt|toml)|/))`|\]\(([\w./-]+\.md)")
PICTURED = re.compile(r"^ *((?:[\w./-]+[./][\w./]* ?)+)", re.M)
HOUSE = re.compile(r"## 3 .*?```text\n(.*?)```", re.S)


def exists(name: str) -> bool:
    """Whether it is in the tree, from one of the places that the pages start from."""
    return any((ROOT / start / name).exists() for start in WHERE)


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_exists(page: str) -> None:
    names = [a or b for a, b in PATH.findall((ROOT / page).read_text("utf-8"))]
    assert names or page == "docs/glossary.md"
    assert not [name for name in names if not exists(name) and not list(ROOT.glob(f"esp32sock/**/{name}"))]


def house() -> str:
    """The picture of section 3."""
    found = HOUSE.search((ROOT / PAGES[0]).read_text("utf-8"))
    assert found is not None
    return found[1]


def pictured() -> list[str]:
    return [name for line in PICTURED.findall(house()) for name in line.split()]


def test_the_picture_names_files_that_exist() -> None:
    names = pictured()
    assert len(names) > 40
    missing = [
        name for name in names if not exists(name) and not list((ROOT / "esp32sock").rglob(name.rstrip("/")))
    ]
    assert not missing


def test_the_picture_has_every_folder() -> None:
    folders = {
        path.parent.name
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if "__pycache__" not in path.parts
    }
    assert folders <= {name.rstrip("/") for name in pictured()}


# The folder's line says which file is which: one a subcommand, a command's chapter, a part of the simulator.
BY_RULE = ("esp32sock/cli/", "esp32sock/at/commands/", "esp32sock/simulator/")
LIBRARIES = {"aiohttp", "httpx", "pytest_plugin", "requests", "ssl", "trio", "urllib3", "uvloop"}
"""Shims that are named for what they serve."""


def test_the_picture_has_every_file() -> None:
    named = {name.rpartition("/")[2] for name in re.findall(r"[\w/]+\.pyx?", house())}
    missing = [
        path
        for path in tracked_sources()
        if path.name not in named and not str(path).startswith(BY_RULE)
        if not (path.parts[0] == "shims" and path.stem in LIBRARIES)
    ]
    assert not missing


def tracked_sources() -> list[Path]:
    """The Python files of the rooms, each once: inside the package, `shims` and `_speedups` are links."""
    found = (path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    return [path for path in found if not str(path).startswith(("esp32sock/shims/", "esp32sock/_speedups/"))]
