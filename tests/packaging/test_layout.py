"""pyproject.toml says by hand what lies on disk; this compares the two."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
OUTER = {"esp32sock._speedups": "_speedups", "esp32sock.shims": "shims"}
DATA = {ROOT / "shims" / "children_site"}
"""Folders of Python files that are put on the path of children, and are no package."""


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def packages_on_disk() -> set[str]:
    found = set()
    for package, folder in {"esp32sock": "esp32sock", **OUTER}.items():
        for path in (ROOT / folder).rglob("*.py"):
            if path.parent in DATA:
                continue
            found.add(".".join((package, *path.parent.relative_to(ROOT / folder).parts)))
    return found


def test_the_packages_listed_are_the_folders_on_disk() -> None:
    listed = pyproject()["tool"]["setuptools"]["packages"]
    assert len(listed) == len(set(listed))
    assert set(listed) == packages_on_disk()


def test_the_outer_folders_are_mapped() -> None:
    assert pyproject()["tool"]["setuptools"]["package-dir"] == {"esp32sock": "esp32sock", **OUTER}


def test_every_package_has_an_init() -> None:
    for package in packages_on_disk():
        outer = next((folder for name, folder in OUTER.items() if package.startswith(name)), None)
        folder = ROOT / (outer or package.replace(".", "/"))
        assert (folder / "__init__.py").is_file(), package


def test_the_extras_that_the_makefile_installs() -> None:
    extras = pyproject()["project"]["optional-dependencies"]
    assert {"demo", "test", "bench", "docs"} <= set(extras)
    # The suite runs what the demo runs, so `make test` alone must be enough for it.
    assert set(extras["demo"]) <= set(extras["test"])
