"""Where a source can be broken, and how: one edit a mutant, found in the syntax tree.

Left alone, because a change there is no fault that a test should find: text (messages), log calls,
annotations, `__repr__`, blocks for type checkers, lines that coverage is told to leave out, and durations
that are constants of a module (`..._S`): one second more is a choice, and no fault.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "//",
    ast.FloorDiv: "*",
    ast.Div: "*",
    ast.BitAnd: "|",
    ast.BitOr: "&",
    ast.LShift: ">>",
    ast.RShift: "<<",
}
DURATION = re.compile(r"_?[A-Z][A-Z0-9_]*_S")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One edit: the bytes from `start` to `end` of the file at `path` become `text`."""

    path: str
    line: int
    start: int
    end: int
    text: str
    what: str

    @property
    def name(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.text.encode() + source[self.end :]


def mutants(path: str, source: bytes) -> list[Mutant]:
    """Every mutant of a file; some may not compile."""
    return list(_Finder(path, source).found())


def compiles(source: bytes) -> bool:
    """Whether this is Python at all: what does not even compile tests nothing."""
    try:
        compile(source, "mutant", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


class _Finder:
    def __init__(self, path: str, source: bytes) -> None:
        self._path = path
        self._source = source
        self._line_starts = [0]
        for line in source.splitlines(keepends=True):
            self._line_starts.append(self._line_starts[-1] + len(line))

    def found(self) -> Iterator[Mutant]:
        yield from self._below(ast.parse(self._source))

    def _below(self, node: ast.AST) -> Iterator[Mutant]:
        if self._is_left_alone(node):
            return
        yield from self._of(node)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "type_params", "type_comment"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from self._below(child)

    def _is_left_alone(self, node: ast.AST) -> bool:
        match node:
            case ast.FunctionDef(name="__repr__" | "__str__") | ast.JoinedStr():
                return True
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                return True
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "_log")))):
                return True
            case ast.AnnAssign(value=None):
                return True
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                if name == "__slots__" or DURATION.fullmatch(name):
                    return True
        return isinstance(node, ast.stmt) and b"pragma: no cover" in self._line(node)

    def _of(self, node: ast.AST) -> Iterator[Mutant]:
        match node:
            case ast.Compare(left=left, ops=[operator], comparators=[right]):
                yield self._between(left, right, COMPARISONS[type(operator)])
            case ast.BoolOp(op=operator, values=[left, right, *_]):
                yield self._between(left, right, "or" if isinstance(operator, ast.And) else "and")
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in ARITHMETIC:
                yield self._between(left, right, ARITHMETIC[type(operator)])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield self._instead(node, f"({self._text(operand)})")
            case ast.Constant(value=bool(value)):
                yield self._instead(node, str(not value))
            case ast.Constant(value=int(value)):
                yield self._instead(node, str(value + 1))
            case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
                yield self._instead(test, f"(not ({self._text(test)}))")
            case ast.AugAssign(op=ast.Add() | ast.Sub()):
                yield self._swapped_sign(node)
            case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise() | ast.Delete():
                yield self._instead(node, "pass")
            case ast.Return(value=ast.expr() as value) if not _is_none(value):
                yield self._instead(value, "None")
            case ast.Continue():
                yield self._instead(node, "break")
            case ast.Break():
                yield self._instead(node, "continue")

    def _between(self, left: ast.expr, right: ast.expr, text: str) -> Mutant:
        """Another operator between two operands; brackets around them stay."""
        start, end = self._end(left), self._start(right)
        gap = self._source[start:end]
        closing = len(gap) - len(gap.lstrip(b")\n "))
        opening = len(gap) - len(gap.rstrip(b"(\n "))
        return self._edit(left, start + closing, end - opening, text)

    def _swapped_sign(self, node: ast.AugAssign) -> Mutant:
        start, end = self._end(node.target), self._start(node.value)
        operator = self._source[start:end].decode()
        return self._edit(node, start, end, operator.translate({ord("+"): "-", ord("-"): "+"}))

    def _instead(self, node: ast.expr | ast.stmt, text: str) -> Mutant:
        return self._edit(node, self._start(node), self._end(node), text)

    def _edit(self, node: ast.expr | ast.stmt, start: int, end: int, text: str) -> Mutant:
        before = " ".join(self._source[start:end].decode().split())
        shown = before if len(before) <= 60 else f"{before[:57]}..."
        return Mutant(self._path, node.lineno, start, end, text, f"`{shown}` becomes `{text.strip()[:60]}`")

    def _text(self, node: ast.expr) -> str:
        return self._source[self._start(node) : self._end(node)].decode()

    def _line(self, node: ast.stmt) -> bytes:
        return self._source[self._line_starts[node.lineno - 1] : self._line_starts[node.lineno]]

    def _start(self, node: ast.expr | ast.stmt) -> int:
        return self._line_starts[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._line_starts[node.end_lineno - 1] + node.end_col_offset


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
