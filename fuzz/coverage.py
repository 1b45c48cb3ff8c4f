"""Which blocks have been entered: of Python code by `sys.monitoring`, of the compiled framing by counters.

`sys.monitoring` (Python 3.12) lets a place that has nothing new to tell be switched off, so what is known
costs nothing, and nothing is missed. A block begins at a function, at the target of a jump and behind one.
Way and other way of a branch are two blocks, because `instrument` gives every `if` and every loop that has no
`else` an empty one. An older Python has no such thing: the search is blind there.
"""

from __future__ import annotations

import ast
import ctypes
import dis
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder, SourceFileLoader
from typing import TYPE_CHECKING, Any

from fuzz import extension

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from pathlib import Path
    from types import CodeType, ModuleType

PACKAGE = f"{extension.ROOT}/esp32sock/"
OF_ELSE = 1 << 20
"""Added to the line of an `if` or a loop: the line of the `else` that it was given."""

LEAVING = {"RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE"}
"""What stands behind one of these is entered by a jump or by an exception."""

OF_COMPILER = -1
"""The block of what no line of source asks for: the end of a wait whose coroutine is thrown away, and what
turns a StopIteration into a RuntimeError. Each `await` has both, and only chance decides which are entered.
"""


def instrument() -> None:
    """Compile esp32sock so from now on; call it before anything of it is imported."""
    if any(name.startswith("esp32sock.") for name in sys.modules):
        raise RuntimeError("esp32sock is imported already")
    sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != "esp32sock":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        tree = ast.parse(self.get_data(self.path), self.path)
        for node in ast.walk(tree):
            if isinstance(node, ast.If | ast.For | ast.AsyncFor | ast.While) and not node.orelse:
                line = node.lineno + OF_ELSE
                empty = ast.Pass(lineno=line, end_lineno=line, col_offset=0, end_col_offset=4)
                node.orelse = [empty]
        code: CodeType = compile(tree, self.path, "exec", dont_inherit=True)
        return code


class PythonCoverage:
    """The blocks of esp32sock."""

    def __init__(self) -> None:
        self._blocks: dict[CodeType, dict[int, int]] = {}
        """Of functions that were called: the block of each instruction."""
        self._entered: dict[CodeType, set[int]] = {}
        self.known = 0
        monitoring: Any = getattr(sys, "monitoring", None)
        if monitoring is None:
            return
        self._disable: object = monitoring.DISABLE
        tool = monitoring.COVERAGE_ID
        monitoring.use_tool_id(tool, "fuzz")
        monitoring.register_callback(tool, monitoring.events.INSTRUCTION, self._instruction)
        monitoring.set_events(tool, monitoring.events.INSTRUCTION)

    def frontier(self) -> list[str]:
        """Lines that were not reached, of functions that were called: file, line, function."""
        found = set()
        for code, blocks in self._blocks.items():
            reached: set[int] = set()
            missed: set[int] = set()
            for offset, block in blocks.items():
                if block == OF_COMPILER:
                    continue
                (reached if block in self._entered[code] else missed).add(_line(code, offset))
            name = code.co_filename.removeprefix(PACKAGE)
            for line in missed - reached - {0}:
                way = f"{line - OF_ELSE} not" if line > OF_ELSE else f"{line}"
                found.add(f"{name}:{way} {code.co_qualname}")
        return sorted(found)

    def _instruction(self, code: CodeType, offset: int) -> object:
        if not code.co_filename.startswith(PACKAGE):
            return self._disable
        blocks = self._blocks.get(code)
        if blocks is None:
            blocks = self._blocks[code] = _blocks(code)
            self._entered[code] = set()
        entered, block = self._entered[code], blocks.get(offset, 0)
        if block not in entered and block != OF_COMPILER:
            entered.add(block)
            self.known += 1
        return self._disable


def _blocks(code: CodeType) -> dict[int, int]:
    """Of every instruction, by its offset, where its block begins."""
    found, start, begins = {}, 0, True
    for instruction in dis.get_instructions(code):
        if begins or instruction.is_jump_target:
            cleans_up = instruction.opname == "CLEANUP_THROW" or not _line(code, instruction.offset)
            start = OF_COMPILER if cleans_up else instruction.offset
        found[instruction.offset] = start
        jumps = instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs
        begins = jumps or instruction.opname in LEAVING
    return found


def _line(code: CodeType, offset: int) -> int:
    return next((line or 0 for start, end, line in code.co_lines() if start <= offset < end), 0)


class CompiledCoverage:
    """The basic blocks of the compiled framing, in a build of its own."""

    def __init__(self, folder: Path) -> None:
        library = extension.build(folder, extension.COVERED, extension.COVERAGE)
        extension.use(library)
        counted = ctypes.CDLL(str(library))
        counted.fuzz_counters.restype = ctypes.c_void_p
        slots = counted.fuzz_slots()
        self._counters = (ctypes.c_uint8 * slots).from_address(counted.fuzz_counters())

    @property
    def known(self) -> int:
        """How many were entered since the start."""
        return len(self._counters) - bytes(self._counters).count(0)
