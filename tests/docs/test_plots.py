"""The plots show the table of docs/performance.md, and the check of links finds what is broken."""

from __future__ import annotations

import runpy
from typing import TYPE_CHECKING

from tests.docs.blocks import ROOT

if TYPE_CHECKING:
    from pathlib import Path

DOCS = ROOT / "docs"


def test_the_plots_are_those_of_the_table() -> None:
    for name, text in runpy.run_path(str(DOCS / "generate_plots.py"))["plots"]().items():
        assert (DOCS / name).read_text("utf-8") == text, "run: python docs/generate_plots.py"


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "one.html").write_text('<p id="here"><a href="two.html#there">two</a> <a href="#here">me</a>')
    (tmp_path / "two.html").write_text(
        '<a href="one.html#gone"></a> <a href="three.html"></a> <a href="http://x/">x</a>'
    )
    broken = runpy.run_path(str(DOCS / "check_links.py"))["broken"]
    assert sorted(broken(tmp_path)) == [
        "one.html: no place two.html#there",
        "two.html: no file three.html",
        "two.html: no place one.html#gone",
    ]
