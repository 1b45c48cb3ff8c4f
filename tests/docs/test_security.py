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
        assert all((ROOT / path).is_file() for path in named), named
