"""What a bench says: rows of figures and the criteria it must hold, with the machine it ran on."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass, field
from pathlib import Path

from esp32sock._build import BUILD

Figure = str | int | float | None


@dataclass(frozen=True)
class Criterion:
    """A figure and the least, or the most, it may be."""

    name: str
    value: float
    bound: float
    at_most: bool = False

    @property
    def holds(self) -> bool:
        return self.value <= self.bound if self.at_most else self.value >= self.bound


@dataclass
class Report:
    """What one run of a bench found."""

    bench: str
    rows: list[dict[str, Figure]] = field(default_factory=list)
    criteria: list[Criterion] = field(default_factory=list)
    build: str = BUILD

    @property
    def holds(self) -> bool:
        return all(criterion.holds for criterion in self.criteria)

    def as_json(self) -> str:
        """One JSON object, on one line."""
        criteria = [
            {"name": one.name, "value": one.value, "bound": one.bound, "holds": one.holds}
            for one in self.criteria
        ]
        return json.dumps(
            {
                "bench": self.bench,
                "build": self.build,
                "python": platform.python_version(),
                "cpu": cpu(),
                "rows": self.rows,
                "criteria": criteria,
            }
        )

    def as_text(self) -> str:
        """The same as a table for people."""
        lines = [f"{self.bench}: {self.build} build, Python {platform.python_version()}, {cpu()}", ""]
        lines += table(self.rows)
        lines.append("")
        for one in self.criteria:
            verdict = "holds" if one.holds else "FAILS"
            bound = f"at {'most' if one.at_most else 'least'} {one.bound:g}"
            lines.append(f"{verdict}  {one.name}: {one.value:g}, {bound}")
        return "\n".join(lines)


def table(rows: list[dict[str, Figure]]) -> list[str]:
    """Columns in the order of the first row, figures to the right."""
    if not rows:
        return []
    names = list(rows[0])
    cells = [names, *([shown(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(names))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]


def shown(figure: Figure) -> str:
    if figure is None:
        return "-"
    return f"{figure:g}" if isinstance(figure, float) else str(figure)


def cpu() -> str:
    """The processor, as the kernel names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())
