"""House rules that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("esp32sock", "_speedups", "shims")
GENERATED = re.compile(
    r"(^|/)(\.venv[^/]*|\.git|build|dist|__pycache__|\..*_cache|\.hypothesis|[^/]*\.egg-info)/"
)

# Somebody's machine, not everybody's. What real firmware printed (tests/data) is not ours to change.
MACHINE_PATH = re.compile(r"(?<![\w.~$})-])/(?:work|root|home|Users|opt)/[\w.-]")
NOT_OURS = "tests/data/"


def tracked_files() -> list[Path]:
    """What git tracks; in an unpacked sdist, what is there."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
        names = listed.stdout.decode().rstrip("\0").split("\0")
    else:
        names = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*")]
    return [
        ROOT / name for name in sorted(names) if not GENERATED.search(f"{name}/") and (ROOT / name).is_file()
    ]


def product_files(*suffixes: str) -> list[Path]:
    files = (path for folder in PRODUCT for path in (ROOT / folder).rglob("*"))
    return sorted(path for path in files if path.suffix in suffixes)


def machine_paths(text: str) -> list[str]:
    return [match[0] for match in MACHINE_PATH.finditer(text)]


def raised_not_implemented(code: str) -> list[int]:
    raised = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Raise)]
    exceptions = [node.exc.func if isinstance(node.exc, ast.Call) else node.exc for node in raised]
    return [exc.lineno for exc in exceptions if isinstance(exc, ast.Name) and exc.id == "NotImplementedError"]


def opening_docstring(text: str) -> bool:
    """Whether the first thing of a file, comments aside, is a docstring; good for Cython too."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return re.match(r'[rR]?"""\s*[^\s"]', " ".join(lines[:2])) is not None


def test_nothing_is_left_unimplemented() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in tracked_files()
        if path.suffix == ".py"
        for line in raised_not_implemented(path.read_text("utf-8"))
    ]
    assert not found


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    found = []
    for path in tracked_files():
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(NOT_OURS) or path == Path(__file__):
            continue
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{name}: {one}" for one in machine_paths(text)]
    assert not found


def test_every_file_says_what_it_is_for() -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in product_files(".py", ".pyx")
        if not opening_docstring(text := path.read_text("utf-8"))
        and not (path.name == "__init__.py" and not text.strip())
        and path.name != "_version.py"  # one line that says it all, read by the build
    ]
    assert not found


@pytest.mark.parametrize("name", ["fetch.py", "fetch_requests.py"])
def test_the_unmodified_programs_do_not_know_us(name: str) -> None:
    assert "esp32" not in (ROOT / "examples" / name).read_text("utf-8").lower()


# ---- the checks themselves


@pytest.mark.parametrize("text", ["open('/work/x')", "see /root/.cache", "PATH=/home/me", '"/opt/wheels"'])
def test_machine_paths_are_found(text: str) -> None:
    assert machine_paths(text)


@pytest.mark.parametrize(
    "text", ["../work/x", "http://h.example/home/x", "/usr/bin/env", "a/root/b", "/dev/tty0"]
)
def test_other_paths_are_not(text: str) -> None:
    assert not machine_paths(text)


@pytest.mark.parametrize(
    "code", ["raise NotImplementedError", "if x:\n    raise NotImplementedError('so') from e"]
)
def test_unimplemented_is_found(code: str) -> None:
    assert raised_not_implemented(code)


def test_naming_the_exception_is_no_crime() -> None:
    assert not raised_not_implemented("try:\n    f()\nexcept NotImplementedError:\n    raise")


@pytest.mark.parametrize("text", ['"""It is."""', '# cython: x\n\n"""\nIt.\n"""\nimport re', 'r"""raw"""'])
def test_docstrings_are_seen(text: str) -> None:
    assert opening_docstring(text)


@pytest.mark.parametrize("text", ["", "import re", "# only a comment", '""""""', "x = 1\n'''doc'''"])
def test_missing_docstrings_are_seen(text: str) -> None:
    assert not opening_docstring(text)
