"""Who may import whom: the arrows of the architecture page, checked on the syntax tree of every file.

Every import counts, wherever it stands: at the top, in a function, under TYPE_CHECKING (a type that a lower
room takes from a higher one is the same knowledge as an import), or as a constant given to `import_module`.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

ROOT = Path(__file__).resolve().parents[2]

# Folder on disk to the name it is imported by.
PRODUCT = {"esp32sock": "esp32sock", "_speedups": "esp32sock._speedups", "shims": "esp32sock.shims"}
NOT_PRODUCT = ("bench", "examples")

# Single files that are a room of their own or belong to one they do not lie in. `common` is open to all.
ROOM_OF_FILE = {
    "esp32sock": "front",
    "esp32sock.socket": "namespace",
    "esp32sock.trio": "front",
    "esp32sock.__main__": "cli",
    "esp32sock.errors": "common",
    "esp32sock._build": "common",
    "esp32sock._version": "common",
}

# Room to the rooms below it. Its own room and `common` are always allowed. `common` sees `_speedups` because
# `_build` has to try the compiled part to know whether it is there.
BELOW: dict[str, set[str]] = {
    "common": {"_speedups"},
    "_speedups": set(),
    "at": {"_speedups"},
    "engine": {"_speedups", "at"},
    "net": {"_speedups", "at", "engine"},
    "namespace": {"_speedups", "at", "engine", "net"},
    "shims": {"_speedups", "at", "engine", "net", "namespace"},
    "front": {"_speedups", "at", "engine", "net", "namespace", "shims"},
    "cli": {"_speedups", "at", "engine", "net", "namespace", "shims", "front", "simulator"},
    # The other half of the wire: what it knew of ours would be proved by nothing.
    "simulator": set(),
}
ALSO = {"esp32sock.shims.pytest_plugin": {"simulator", "front"}}

# The one arrow upwards: the compiled twin takes constants, tokens and patterns from the Python one, so that
# there is one of each. It brings nothing else along: the Python twin may import nothing but `common`.
TWINS = {"esp32sock._speedups._framing_c": "esp32sock.at._framing_py"}

# What lies below the engine knows no clock, no thread and no input or output.
SANS_IO_ROOMS = {"at", "_speedups"}
NOT_SANS_IO = {
    "_socket", "_thread", "anyio", "asyncio", "concurrent", "multiprocessing", "queue", "sched", "select",
    "selectors", "serial", "signal", "socket", "ssl", "subprocess", "threading", "time", "trio",
}  # fmt: skip
TEST_TOOLS = {"pytest", "_pytest", "hypothesis", "pytest_trio", "pytest_timeout"}
TEST_TOOLS_ALLOWED = {"esp32sock.shims.pytest_plugin"}

# pyserial is told the simulator's name and loads it by the scheme; nobody else below may even spell it.
SIMULATOR_BLIND_ROOMS = {"at", "engine", "net", "_speedups"}
MAY_NAME_SIMULATOR = {"esp32sock.engine.transports"}
SIMULATOR_NAME = re.compile(r"esp32sock\.simulator(\.\w+)*")


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


def room(name: str) -> str | None:
    """The room a name of ours belongs to; None for a name that is not ours."""
    if name in ROOM_OF_FILE:
        return ROOM_OF_FILE[name]
    head, _, rest = name.partition(".")
    return rest.partition(".")[0] if head == "esp32sock" else None


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
    for node in ast.walk(ast.parse(python_of(module))):
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
            named = node.args[0]
            if called in ("import_module", "__import__") and isinstance(named, ast.Constant):
                name = str(named.value)
                level = len(name) - len(name.lstrip("."))
                yield node.lineno, absolute(name.lstrip("."), level, module.package)


def violations(module: Module, known: Collection[str]) -> list[str]:
    """Everything about the imports of one file that the architecture forbids."""
    here = room(module.name)
    if here is not None and here not in BELOW:
        return [f"{module.path}: {module.name} is in no room of the architecture; see BELOW and ROOM_OF_FILE"]
    found = []
    for line, name in imports(module, known):
        where = f"{module.path}:{line}: {module.name} imports {name}"
        top = name.partition(".")[0]
        there = room(name)
        if top in TEST_TOOLS and module.name not in TEST_TOOLS_ALLOWED:
            found.append(f"{where}: a test tool outside the tests")
        if top in {"tests", *NOT_PRODUCT} and here is not None:
            found.append(f"{where}: not part of the package")
        if top in NOT_SANS_IO and here in SANS_IO_ROOMS:
            found.append(f"{where}: this room does no I/O and knows no clock and no thread")
        if here is not None and there is not None:
            allowed = {here, "common"} | BELOW[here] | ALSO.get(module.name, set())
            if there not in allowed and TWINS.get(module.name) != name:
                found.append(f"{where}: {here} may not know {there}")
            if there != "common" and module.name in TWINS.values():
                found.append(f"{where}: the compiled twin takes from it, so it may know nothing but `common`")
    if here in SIMULATOR_BLIND_ROOMS and module.name not in MAY_NAME_SIMULATOR and not module.is_cython:
        found += [
            f"{module.path}:{node.lineno}: {module.name} names the simulator"
            for node in ast.walk(ast.parse(module.text))
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and SIMULATOR_NAME.fullmatch(node.value)
        ]
    return list(dict.fromkeys(found))


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


def test_every_import_points_down() -> None:
    modules = modules_on_disk()
    known = {module.name for module in modules}
    assert {"esp32sock.at.framing", "esp32sock.net.interface_api", "esp32sock.simulator"} <= known
    found = [line for module in modules for line in violations(module, known)]
    assert not found, "\n" + "\n".join(found)


# ---- the checker itself

KNOWN = {
    "esp32sock", "esp32sock.errors", "esp32sock.socket", "esp32sock.at", "esp32sock.at.session",
    "esp32sock.at._framing_py",
    "esp32sock.at.commands.wifi", "esp32sock.engine", "esp32sock.engine.engine",
    "esp32sock.engine.transports", "esp32sock.net.local_interface", "esp32sock.simulator",
    "esp32sock.simulator.serial.uart", "esp32sock.shims.monkey",
    "esp32sock.cli",
}  # fmt: skip

# Importers are named without the leading `esp32sock.`.
BAD = [
    # importer, code, what the complaint says
    ("at.session", "import esp32sock.engine.engine", "at may not know engine"),
    ("at.session", "from esp32sock.net import local_interface", "at may not know net"),
    ("at.session", "from ..net.local_interface import attach", "at may not know net"),
    ("at.commands.wifi", "from ... import engine", "at may not know engine"),
    ("at.commands.wifi", "from ...engine import transports", "imports esp32sock.engine.transports"),
    ("at.session", "from esp32sock import attach", "at may not know front"),
    ("at.session", "import socket", "no I/O"),
    ("at.session", "from socket import AF_INET", "no I/O"),
    ("at.session", "import concurrent.futures", "no I/O"),
    ("at.session", "import trio, json", "no I/O"),
    ("at.session", "def f():\n    from time import monotonic", ":2: "),
    ("at.session", "if TYPE_CHECKING:\n    from threading import Lock", "no I/O"),
    ("at.session", "if TYPE_CHECKING:\n    from esp32sock.engine import M", "at may not know engine"),
    ("at.session", "import_module('esp32sock.simulator')", "at may not know simulator"),
    ("at.session", "i.import_module('..simulator.uart', __package__)", "may not know simulator"),
    ("engine.engine", "__import__('esp32sock.simulator.serial.uart')", "engine may not know simulator"),
    ("engine.engine", "from esp32sock.net import interface_api", "engine may not know net"),
    ("engine.engine", "HANDLERS = ['esp32sock.simulator']", "names the simulator"),
    ("engine.transports", "from esp32sock import simulator", "engine may not know simulator"),
    ("net.interface", "from esp32sock.simulator import uart", "net may not know simulator"),
    ("net.interface", "from esp32sock.shims.monkey import patch", "net may not know shims"),
    ("net.interface", "import esp32sock", "net may not know front"),
    ("shims.monkey", "from esp32sock.cli import main", "shims may not know cli"),
    ("shims.monkey", "from esp32sock.simulator import uart", "shims may not know simulator"),
    ("shims.monkey", "from esp32sock import attach", "shims may not know front"),
    ("net.interface", "import esp32sock.socket", "net may not know namespace"),
    ("socket", "import esp32sock.simulator", "namespace may not know simulator"),
    ("socket", "from esp32sock.shims import monkey", "namespace may not know shims"),
    ("simulator.uart", "from esp32sock.at import framing", "simulator may not know at"),
    ("simulator.uart", "from ..at.commands import wifi", "simulator may not know at"),
    ("simulator.uart", "from esp32sock._speedups import _framing_c", "simulator may not know _speedups"),
    ("simulator.uart", "import esp32sock.net.socket_methods", "simulator may not know net"),
    ("_speedups._framing_c", "from esp32sock.at import session", "_speedups may not know at"),
    ("_speedups._other", "from esp32sock.at._framing_py import LINKS", "_speedups may not know at"),
    ("at._framing_py", "from esp32sock.at.session import x", "nothing but `common`"),
    ("errors", "from esp32sock.at import session", "common may not know at"),
    ("attic.thing", "", "in no room"),
    ("net.interface", "import pytest", "a test tool"),
    ("net.interface", "import tests.helpers", "not part of the package"),
]

GOOD = [
    ("at.session", "from . import urcs\nfrom ..errors import Error\nimport re"),
    ("at.session", "from esp32sock._build import BUILD\nfrom esp32sock._speedups import _framing_c"),
    ("at.session", "TEXT = 'no time for the esp32sock.simulator or a socket'"),
    ("at.session", "from .timeouts import x\nfrom .serial import y"),
    ("engine.transports", "import serial, trio\nHANDLERS = ['esp32sock.simulator']"),
    ("net.interface", "import socket\nfrom esp32sock import errors\nfrom ..engine import engine"),
    ("simulator.uart", "import socket\nfrom esp32sock.errors import Error\nfrom .firmware import core"),
    ("shims.pytest_plugin", "import pytest, esp32sock\nfrom esp32sock.simulator import uart"),
    ("cli", "from esp32sock import attach\nfrom esp32sock.simulator import uart\nimport rich"),
    ("socket", "from esp32sock.net import local_interface"),
    ("shims.urllib3", "from esp32sock import socket"),
    ("_speedups._framing_c", "from esp32sock.at import _framing_py\nfrom esp32sock.errors import Error"),
    ("_speedups._framing_c", "from esp32sock.at._framing_py import LINKS"),
]


@pytest.mark.parametrize(("name", "code", "complaint"), BAD, ids=lambda value: str(value)[:40])
def test_the_checker_finds(name: str, code: str, complaint: str) -> None:
    found = violations(Module(f"esp32sock.{name}", code), KNOWN)
    assert len(found) >= 1
    assert any(complaint in line for line in found), found


@pytest.mark.parametrize(("name", "code"), GOOD, ids=lambda value: str(value)[:40])
def test_the_checker_lets_pass(name: str, code: str) -> None:
    assert violations(Module(f"esp32sock.{name}", code), KNOWN) == []


def test_relative_imports_of_a_package_start_at_the_package() -> None:
    code = "from .session import Session\nfrom ..net import local_interface"
    found = violations(Module("esp32sock.at", code, is_package=True), KNOWN)
    assert found == ["<example>:2: esp32sock.at imports esp32sock.net.local_interface: at may not know net"]


@pytest.mark.parametrize(
    "code",
    [
        "cdef int x = 1\nfrom esp32sock.at.session cimport thing\n",
        "from esp32sock.at import (\n    session,  # a remark\n    urcs,\n)\ncdef class A:\n    cdef int y\n",
        "def f():\n    import esp32sock.at.session as s  # late\n",
    ],
)
def test_cython_files_are_read_too(code: str) -> None:
    found = violations(Module("esp32sock._speedups._framing_c", code, is_cython=True), KNOWN)
    assert found
    assert all("_speedups may not know at" in line for line in found)


def test_cython_imports_that_are_fine() -> None:
    code = "cimport cython\nfrom libc.string cimport memcpy\nfrom cpython.bytes cimport (\n  x,\n)\nimport re"
    assert violations(Module("esp32sock._speedups._framing_c", code, is_cython=True), KNOWN) == []


def test_benches_may_use_everything_but_test_tools() -> None:
    assert violations(Module("bench.demux", "from hypothesis import given"), KNOWN)
    assert not violations(Module("bench.demux", "from esp32sock.simulator import uart\nimport time"), KNOWN)
