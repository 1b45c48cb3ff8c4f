"""A file has one idea: few files are long, each for a reason that the architecture page gives."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ("esp32sock", "_speedups", "shims")
PAGE = ROOT / "docs" / "architecture.md"
LONG_LINES = 400
MOST_LONG_FILES = 5
ENGINE = ROOT / "esp32sock" / "engine" / "engine.py"


def long_files() -> dict[str, int]:
    """Files of the package over the limit, with their number of lines."""
    files = (
        path for folder in PACKAGE for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".pyx"}
    )
    sizes = {str(path.relative_to(ROOT)): path.read_text("utf-8").count("\n") for path in files}
    return {path: lines for path, lines in sorted(sizes.items()) if lines > LONG_LINES}


def public_members(code: str, name: str) -> set[str]:
    """Methods, properties and attributes without a leading underscore of the class `name`."""
    found = next(
        node for node in ast.parse(code).body if isinstance(node, ast.ClassDef) and node.name == name
    )
    members = {node.name for node in found.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    for node in ast.walk(found):
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr=attribute, ctx=ast.Store()):
                members.add(attribute)
            case ast.AnnAssign(target=ast.Name(id=attribute)) if node in found.body:
                members.add(attribute)
    return {member for member in members if not member.startswith("_")}


def test_few_files_are_long() -> None:
    found = long_files()
    assert len(found) <= MOST_LONG_FILES, found


def test_the_architecture_page_gives_the_reason_for_each_long_file() -> None:
    page = PAGE.read_text("utf-8")
    assert not [path for path in long_files() if path not in page]


def test_the_engine_is_a_facade() -> None:
    code = ENGINE.read_text("utf-8")
    assert code.count("\n") < 300
    assert len(public_members(code, "Engine")) <= 20


def test_public_members() -> None:
    code = (
        "class A:\n x: int\n _y = 1\n def __init__(self):\n  self.a = self._b = 1\n def f(self): z: int = 1"
    )
    assert public_members(code, "A") == {"x", "a", "f"}
