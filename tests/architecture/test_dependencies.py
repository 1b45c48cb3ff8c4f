"""Rooms import only to their right, and no file imports itself through others: every import counts."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.architecture.imports import NOT_PRODUCT, Module, imports, modules_on_disk

if TYPE_CHECKING:
    from collections.abc import Collection

ORDER = ("cli", "shims", "front", "gateway", "broker", "net", "engine", "at", "_speedups", "common")
"""A room may import itself and every room to its right."""

# Single files that are a room of their own or belong to one they do not lie in.
ROOM_OF_FILE = {
    "esp32sock": "top",
    "esp32sock.__main__": "cli",
    **{
        f"esp32sock.{name}": "front"
        for name in (
            "attach",
            "commands",
            "config",
            "config_files",
            "events",
            "pooling",
            "settings",
            "socket",
            "trio",
            "trio_network",
            "trio_socket",
        )
    },
    "esp32sock.diagnostics": "common",
    "esp32sock.errors": "common",
    "esp32sock._build": "common",
    "esp32sock._constants": "common",
    "esp32sock._ending": "common",
    "esp32sock._dataclass": "common",
    "esp32sock._answer": "common",
    "esp32sock._clock": "common",
    "esp32sock._monotonic": "common",
    "esp32sock._escaped": "common",
    "esp32sock._files": "common",
    "esp32sock._hangup": "common",
    "esp32sock._claim": "common",
    "esp32sock._address_text": "common",
    "esp32sock._latch": "common",
    "esp32sock._logging": "common",
    "esp32sock._pcapng": "common",
    "esp32sock._version": "common",
}
ROOMS = {*ORDER, "top", "simulator"}

# The top only re-exports. The simulator is the module's side of the serial line: with knowledge of the host's
# side it would prove nothing.
TO_THE_RIGHT: dict[str, set[str]] = {room: set(ORDER[place:]) for place, room in enumerate(ORDER)} | {
    "top": {"top", *ORDER} - {"cli", "simulator"},
    "simulator": {"simulator", "common"},
}
# What the order does not say. `_build` has to try the compiled part to know whether it is there.
ALSO = {
    "esp32sock.shims.pytest_plugin": {"simulator"},
    "esp32sock._build": {"_speedups"},
}
ALSO_ROOMS = {"cli": {"simulator"}}

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


def room(name: str) -> str | None:
    """The room a name of ours belongs to; None for a name that is not ours."""
    if name in ROOM_OF_FILE:
        return ROOM_OF_FILE[name]
    head, _, rest = name.partition(".")
    return rest.partition(".")[0] if head == "esp32sock" else None


def violations(module: Module, known: Collection[str]) -> list[str]:
    """Everything about the imports of one file that the architecture forbids."""
    here = room(module.name)
    if here is not None and here not in ROOMS:
        return [f"{module.path}: {module.name} is in no room of the architecture; see ORDER and ROOM_OF_FILE"]
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
            allowed = TO_THE_RIGHT[here] | ALSO_ROOMS.get(here, set()) | ALSO.get(module.name, set())
            if there not in allowed:
                found.append(f"{where}: {here} may not know {there}")
    if here in SIMULATOR_BLIND_ROOMS and module.name not in MAY_NAME_SIMULATOR and not module.is_cython:
        found += [
            f"{module.path}:{node.lineno}: {module.name} names the simulator"
            for node in ast.walk(ast.parse(module.text))
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and SIMULATOR_NAME.fullmatch(node.value)
        ]
    return list(dict.fromkeys(found))


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of names each of which leads to all others of its group, in order of their names."""
    reach = {name: _reachable(graph, name) for name in graph}
    groups = {
        frozenset({name} | {other for other in reach[name] if name in reach.get(other, ())})
        for name in graph
        if name in reach[name]
    }
    return sorted(sorted(group) for group in groups)


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    """What `start` leads to; itself only if there is a way back."""
    found: set[str] = set()
    ahead = [start]
    while ahead:
        new = graph.get(ahead.pop(), set()) - found
        found |= new
        ahead += new
    return found


@cache
def circles_on_disk() -> list[list[str]]:
    return circles(import_graph())


def import_graph() -> dict[str, set[str]]:
    modules = [module for module in modules_on_disk() if room(module.name) is not None]
    known = {module.name for module in modules}
    graph: dict[str, set[str]] = {name: set() for name in known}
    for module in modules:
        graph[module.name] |= {name for _, name in imports(module, known) if name in known} - {module.name}
    return graph


@pytest.mark.parametrize("name", sorted(ROOMS))
def test_every_import_points_to_the_right(name: str) -> None:
    modules = modules_on_disk()
    known = {module.name for module in modules}
    assert {"esp32sock.at.framing", "esp32sock.net.interface_api", "esp32sock.simulator"} <= known
    found = [line for module in modules if room(module.name) == name for line in violations(module, known)]
    assert not found, "\n" + "\n".join(found)


def test_every_file_is_in_a_room_and_no_bench_uses_a_test_tool() -> None:
    modules = [module for module in modules_on_disk() if room(module.name) not in ROOMS]
    found = [line for module in modules for line in violations(module, ())]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("name", sorted(ROOMS))
def test_no_circle_passes_through_a_room(name: str) -> None:
    found = [group for group in circles_on_disk() if name in map(room, group)]
    assert not found, "".join(f"\n{len(group)} files: {', '.join(group)}" for group in found)


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
    ("at.session", "from esp32sock import attach", "at may not know top"),
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
    ("net.interface", "import esp32sock", "net may not know top"),
    ("", "from esp32sock.cli import main", "top may not know cli"),
    ("at.session", "import_module(f'esp32sock.engine.{name}')", "imports esp32sock.engine.transports"),
    ("at.session", "NAMES = ['esp32sock.engine']\nimport_module(NAMES[0])", "at may not know engine"),
    ("shims.monkey", "from esp32sock.cli import main", "shims may not know cli"),
    ("shims.monkey", "from esp32sock.simulator import uart", "shims may not know simulator"),
    ("shims.monkey", "from esp32sock import attach", "shims may not know top"),
    ("net.interface", "import esp32sock.socket", "net may not know front"),
    ("socket", "import esp32sock.simulator", "front may not know simulator"),
    ("socket", "from esp32sock.shims import monkey", "front may not know shims"),
    ("simulator.uart", "from esp32sock.at import framing", "simulator may not know at"),
    ("simulator.uart", "from ..at.commands import wifi", "simulator may not know at"),
    ("simulator.uart", "from esp32sock._speedups import _framing_c", "simulator may not know _speedups"),
    ("simulator.uart", "import esp32sock.net.socket_methods", "simulator may not know net"),
    ("_speedups._framing_c", "from esp32sock.at import session", "_speedups may not know at"),
    ("_speedups._framing_c", "from esp32sock.at._framing_py import LINKS", "_speedups may not know at"),
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
    ("shims.pytest_plugin", "import pytest\nfrom esp32sock.simulator import uart"),
    ("cli", "from esp32sock.attach import attach\nfrom esp32sock.simulator import uart\nimport rich"),
    ("shims.monkey", "from esp32sock.attach import attach"),
    ("", "from esp32sock.attach import attach\nfrom esp32sock.shims.monkey import patch"),
    ("socket", "from esp32sock.net import local_interface"),
    ("shims.urllib3", "from esp32sock import socket"),
    ("_speedups._framing_c", "from esp32sock.errors import Error"),
]


@pytest.mark.parametrize(("name", "code", "complaint"), BAD, ids=lambda value: str(value)[:40])
def test_the_checker_finds(name: str, code: str, complaint: str) -> None:
    found = violations(Module(f"esp32sock.{name}".rstrip("."), code), KNOWN)
    assert any(complaint in line for line in found), found


@pytest.mark.parametrize(("name", "code"), GOOD, ids=lambda value: str(value)[:40])
def test_the_checker_lets_pass(name: str, code: str) -> None:
    assert violations(Module(f"esp32sock.{name}".rstrip("."), code), KNOWN) == []


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


def test_circles_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set(), "f": {"g"}, "g": {"f", "a"}}
    assert circles(graph) == [["a", "b", "c"], ["f", "g"]]
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
