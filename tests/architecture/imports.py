"""What every file of the product imports, read from its syntax tree.

Every import counts, wherever it stands: at the top, in a function, under TYPE_CHECKING (a type that is taken
from another file is the same knowledge as an import), or as a name given to `import_module`.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

ROOT = Path(__file__).resolve().parents[2]

# Folder on disk to the name it is imported by.
PRODUCT = {"esp32sock": "esp32sock", "_speedups": "esp32sock._speedups", "shims": "esp32sock.shims"}
NOT_PRODUCT = ("bench", "examples")

CYTHON_IMPORT = re.compile(r"^[ \t]*((?:from[ \t]+[\w.]+[ \t]+)?c?import[ \t]+(?:\([^)]*\)|[^(#\n]+))", re.M)


@dataclass(frozen=True)
class Module:
    """A file, by the name it is imported under."""

    name: str
    text: str
    is_package: bool = False
    is_cython: bool = False
    path: str = "<example>"

    @property
    def package(self) -> str:
        return self.name if self.is_package else self.name.rpartition(".")[0]


@cache
def modules_on_disk() -> list[Module]:
    """Every file of the product (sources and stubs), of the benches and of the examples."""
    found = []
    for folder, package in [*PRODUCT.items(), *((name, name) for name in NOT_PRODUCT)]:
        for path in sorted((ROOT / folder).rglob("*.py*")):
            if path.suffix in (".py", ".pyi", ".pyx", ".pxd"):
                inner = path.relative_to(ROOT / folder).with_suffix("").parts
                is_package = inner[-1] == "__init__"
                name = ".".join((package, *(inner[:-1] if is_package else inner)))
                is_cython = path.suffix in (".pyx", ".pxd")
                text = path.read_text("utf-8")
                found.append(Module(name, text, is_package, is_cython, str(path.relative_to(ROOT))))
    return found


def absolute(name: str, level: int, package: str) -> str:
    """`name` said with `level` leading dots inside `package`."""
    if not level:
        return name
    base = package.split(".")[: len(package.split(".")) - level + 1]
    return ".".join([*base, name] if name else base)


def python_of(module: Module) -> str:
    """What can be parsed: a Cython file reduced to its imports, line for line."""
    if not module.is_cython:
        return module.text
    lines = [""] * (module.text.count("\n") + 1)
    for match in CYTHON_IMPORT.finditer(module.text):
        code = re.sub(r"\bcimport\b", "import", re.sub(r"#[^\n]*", "", match[1]))
        lines[module.text.count("\n", 0, match.start(1))] = " ".join(code.split())
    return "\n".join(lines)


def imports(module: Module, known: Collection[str]) -> Iterator[tuple[int, str]]:
    """Line and absolute name of everything the module imports; `known` tells submodules from attributes."""
    tree = ast.parse(python_of(module))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node.module or "", node.level, module.package)
            for alias in node.names:
                submodule = f"{base}.{alias.name}"
                yield node.lineno, submodule if submodule in known else base
        elif isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__"):
                for name in _computed(node.args[0], tree, known):
                    level = len(name) - len(name.lstrip("."))
                    yield node.lineno, absolute(name.lstrip("."), level, module.package)


def _computed(argument: ast.expr, tree: ast.AST, known: Collection[str]) -> Iterator[str]:
    """What `import_module(argument)` may import.

    That is the constant, or every module whose name begins as the f-string does, or else every module that a
    string of the file names.
    """
    match argument:
        case ast.Constant(value=str(name)):
            yield name
        case ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]):
            yield from (name for name in known if name.startswith(start))
        case _:
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in known:
                    yield node.value
