"""The mutants of a source are edits in the right places, and what is left alone is."""

from __future__ import annotations

import pytest

from tests.mutants.mutations import compiles, mutants


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("x = (a) < (b)", {"x = (a) <= (b)"}),
        ("x = a is not b", {"x = a is b"}),
        ("x = a and b or c", {"x = a or b or c", "x = a and b and c"}),
        ("x += y", {"x -= y"}),
        ("x = not y", {"x = (y)"}),
        ("go(True)", {"pass", "go(False)"}),
        ("if é: raise E", {"if (not (é)): raise E", "if é: pass"}),
        ("log.info(1)", set()),
        ("PATIENCE_S = 2", set()),
        ("if TYPE_CHECKING: import x", set()),
        ("x: Literal[1]", set()),
        ("x = 1  # pragma: no cover", set()),
    ],
)
def test_a_line(line: str, changed: set[str]) -> None:
    found = {mutant.apply(line.encode()).decode() for mutant in mutants("file.py", line.encode())}
    assert found == changed
    assert all(compiles(text.encode()) for text in found)


def test_what_does_not_compile_is_known() -> None:
    assert not compiles(b"break")
