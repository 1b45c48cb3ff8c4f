"""The sdist and the wheel that the tests of this folder look into.

By default both are built here, without a compiler's help, from a copy of the tree. With ESP32SOCK_DIST naming
a folder, the sdist and the wheel in it are judged instead, and that wheel must hold the compiled part.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOT_COPIED = shutil.ignore_patterns(
    ".*",
    "build",
    "dist",
    "*.egg-info",
    "__pycache__",
    "*.so",
    "_framing_c.c",
    "*.html",
    "PKG-INFO",
    "setup.cfg",
)


@dataclass(frozen=True)
class Dist:
    wheel: Path
    sdist: Path
    compiled: bool

    def wheel_names(self) -> set[str]:
        with zipfile.ZipFile(self.wheel) as archive:
            return set(archive.namelist())

    def sdist_names(self) -> set[str]:
        with tarfile.open(self.sdist) as archive:
            return {name.partition("/")[2] for name in archive.getnames()}

    def wheel_text(self, name: str) -> str:
        with zipfile.ZipFile(self.wheel) as archive:
            return archive.read(next(one for one in archive.namelist() if one.endswith(name))).decode()


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Dist:
    ready = os.environ.get("ESP32SOCK_DIST")
    if ready:
        folder = Path(ready)
    else:
        tree = tmp_path_factory.mktemp("tree") / "esp32sock"
        shutil.copytree(ROOT, tree, ignore=NOT_COPIED, symlinks=True)
        folder = tmp_path_factory.mktemp("dist")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ESP32SOCK_")}
        done = subprocess.run(
            [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(tree)],
            env=environment | {"ESP32SOCK_PUREPYTHON": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    return Dist(wheel, sdist, compiled=bool(ready))
