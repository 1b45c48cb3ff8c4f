"""Draws what a bench found: a bar for each row and figure, in one picture.

matplotlib is no dependency of the project: `pip install matplotlib` for `--plot`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from bench._report import Report

MOST_BARS = 3
"""Figures of a row that are drawn, so that the picture can be read."""
ROW_INCHES = 0.35


def draw(report: Report, path: Path) -> None:
    """A picture of the rows, in the format of the name's ending; SystemExit without matplotlib."""
    try:
        pyplot: Any = import_module("matplotlib.figure")
    except ImportError:
        raise SystemExit("--plot needs matplotlib: pip install matplotlib") from None
    names, figures = columns(report)
    size = (9, 1.5 + ROW_INCHES * len(names) * max(1, len(figures)) / 2)
    picture = pyplot.Figure(figsize=size, layout="constrained")
    panels = picture.subplots(1, max(1, len(figures)), sharey=True, squeeze=False)[0]
    for panel, (title, values) in zip(panels, figures.items(), strict=False):
        panel.barh(names, values)
        panel.set_xlabel(title.replace("_", " "))
        panel.grid(axis="x", alpha=0.3)
    panels[0].invert_yaxis()
    picture.suptitle(f"{report.bench} ({report.build} build)")
    picture.savefig(path)


def columns(report: Report) -> tuple[list[str], dict[str, list[float]]]:
    """The names of the rows, from their columns of text, and the last figures that every row has."""
    names = [
        ", ".join(str(value) for value in row.values() if isinstance(value, str)) or str(number)
        for number, row in enumerate(report.rows, 1)
    ]
    titles = list(report.rows[0]) if report.rows else []
    figures = {
        title: [float(value) for row in report.rows if isinstance(value := row.get(title), int | float)]
        for title in titles
    }
    whole = {title: values for title, values in figures.items() if len(values) == len(names)}
    return names, dict(list(whole.items())[-MOST_BARS:])
