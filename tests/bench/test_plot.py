"""What `--plot` draws, and what it says without matplotlib."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from bench import _plot
from bench._report import Report

if TYPE_CHECKING:
    from pathlib import Path

ROWS: list[dict[str, str | int | float | None]] = [
    {"cell": "up", "firmware": "2.0", "kb": 1.5, "percent": 97},
    {"cell": "down", "firmware": "4.1", "kb": None, "percent": 98.5},
]


def test_a_bar_for_each_figure_that_every_row_has() -> None:
    assert _plot.columns(Report("x", ROWS)) == (["up, 2.0", "down, 4.1"], {"percent": [97.0, 98.5]})
    assert _plot.columns(Report("x")) == ([], {})


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(SystemExit, match="pip install matplotlib"):
        _plot.draw(Report("x", ROWS), tmp_path / "x.png")


def test_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    _plot.draw(Report("x", ROWS), tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
