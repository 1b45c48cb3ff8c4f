"""Builds the manual of every released version and of this tree: `python docs/build_site.py build/site`.

A version is a tag vX.Y.Z; its pages are built from the tag, with the tools of today. The first page leads to
the latest version, or to `dev` before there is one, and each page lists the others in its side bar.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

TREE = Path(__file__).resolve().parents[1]
TAG = re.compile(r"v(\d+)\.(\d+)\.(\d+)")
FIRST_PAGE = """\
<!doctype html>
<meta charset="utf-8">
<title>esp32sock</title>
<meta http-equiv="refresh" content="0; url={latest}/index.html">
<a href="{latest}/index.html">esp32sock {latest}</a>
"""


def tags() -> list[str]:
    """The released versions, newest first; none outside a repository."""
    listed = subprocess.run(["git", "tag"], cwd=TREE, capture_output=True, text=True, check=False).stdout
    found = [match for line in listed.splitlines() if (match := TAG.fullmatch(line))]
    return [match[0] for match in sorted(found, key=lambda match: [int(part) for part in match.groups()])][
        ::-1
    ]


def build(tree: Path, target: Path, names: list[str]) -> None:
    """The pages of one tree; its own package is what they describe."""
    environment = os.environ | {"PYTHONPATH": str(tree), "ESP32SOCK_DOC_VERSIONS": " ".join(names)}
    command = [sys.executable, "-m", "sphinx", "-q", "-n", str(tree / "docs"), str(target)]
    with tempfile.TemporaryDirectory() as doctrees:
        subprocess.run([*command, "-d", doctrees], cwd=tree, env=environment, check=True)


def main(site: Path) -> None:
    shutil.rmtree(site, ignore_errors=True)
    site.mkdir(parents=True)
    released = tags()
    names = ["dev", *released]
    build(TREE, site / "dev", names)
    for tag in released:
        archive = subprocess.run(["git", "archive", tag], cwd=TREE, capture_output=True, check=True).stdout
        with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(folder, filter="tar")
            build(Path(folder), site / tag, names)
    (site / "index.html").write_text(FIRST_PAGE.format(latest=released[0] if released else "dev"), "utf-8")
    (site / ".nojekyll").touch()  # folders with an underscore are pages too


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
