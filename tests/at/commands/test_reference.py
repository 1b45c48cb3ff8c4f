"""The page that is made from the catalogue, and what the catalogue must say for that."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from esp32sock.at.commands.catalogue import CATALOGUE, Entry

DOCS = Path(__file__).parents[3] / "docs"


def test_the_page_is_current() -> None:
    page = runpy.run_path(str(DOCS / "generate_commands.py"))["page"]
    assert (DOCS / "commands.md").read_text("utf-8") == page(), "run: python docs/generate_commands.py"


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: f"{entry.written} {entry.command.__name__}")
def test_every_class_says_what_it_does_and_by_which_source(entry: Entry) -> None:
    text = " ".join((entry.command.__doc__ or "").split())
    assert re.fullmatch(r".+[.?] Source: .+\.", text)
    if entry.section:
        assert f"V1.0, {entry.section}" in text or entry.written in text or "at-dialects" in text
