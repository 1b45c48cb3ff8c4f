"""Each row of the threat model names tests, and they are there."""

from __future__ import annotations

import re

from tests.docs.blocks import ROOT

ROWS = re.findall(r"^\| (?!threat|---)(.+) \|$", (ROOT / "SECURITY.md").read_text("utf-8"), re.MULTILINE)


def test_every_threat_has_a_test() -> None:
    assert len(ROWS) >= 9
    for row in ROWS:
        named = re.findall(r"`(tests/[^`]+)`", row.rpartition(" | ")[2])
        assert named, row
        assert all(map(is_there, named)), named


def is_there(test: str) -> bool:
    """Whether there is such a file, with the function of that name if one is named."""
    path, _, name = test.partition("::")
    if not (ROOT / path).is_file():
        return False
    return (
        not name or re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text("utf-8"), re.M) is not None
    )


def test_what_is_not_there_is_noticed() -> None:
    own = "tests/docs/test_security.py"
    assert is_there(own)
    assert is_there(f"{own}::test_every_threat_has_a_test")
    assert not is_there(f"{own}::test_every_threat")
    assert not is_there("tests/docs/test_insecurity.py")
