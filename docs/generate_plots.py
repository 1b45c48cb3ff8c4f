"""Makes docs/goodput-*.svg from a table of performance.md: `python docs/generate_plots.py`."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parent
ROW = re.compile(
    r"\| (?P<kind>[^|]+) \| (?P<firmware>[\d.]+) \| (?P<turn>\d+) ms \| (?P<cells>[\d. /|]+) \|", re.MULTILINE
)
RATES = ("115200", "921600", "3 Mbaud", "5 Mbaud")
COLOURS = {"0": "#2a9d8f", "1": "#457b9d", "4": "#e9a23b", "16": "#d1495b"}
PLOTS = {
    "goodput-up.svg": ("up by 5760", "4.1", "Sending, firmware 4.1"),
    "goodput-long.svg": ("up, long sends", "4.1", "Sending with flow control, firmware 4.1"),
    "goodput-down.svg": ("down, passive", "4.1", "Receiving, firmware 4.1"),
}
LEFT, TOP, WIDTH, HEIGHT, GAP, BAR = 44, 40, 560, 180, 24, 27


def plots() -> dict[str, str]:
    """The text of each file by its name."""
    table = (DOCS / "performance.md").read_text("utf-8")
    return {
        name: _plot(_series(table, kind, firmware), title) for name, (kind, firmware, title) in PLOTS.items()
    }


def _series(table: str, kind: str, firmware: str) -> dict[str, list[float]]:
    """Percent of the line at each rate, by the turn-around in ms."""
    found = {
        row["turn"]: [float(cell.partition("/")[0]) for cell in row["cells"].split("|")]
        for row in ROW.finditer(table)
        if (row["kind"], row["firmware"]) == (kind, firmware)
    }
    assert set(found) == set(COLOURS), f"performance.md has other rows for {kind} on {firmware}"
    assert all(len(values) == len(RATES) for values in found.values())
    return found


def _plot(series: dict[str, list[float]], title: str) -> str:
    """Bars in groups by rate. Grey text and no background: it is read on white and on black."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH} {TOP + HEIGHT + 50}" '
        f'font-family="sans-serif" font-size="11" fill="#888" role="img" aria-label="{title}">',
        f'<text x="{LEFT}" y="16" font-size="14">{title}: percent of the line that is payload</text>',
    ]
    for percent in (0, 25, 50, 75, 100):
        y = _y(percent)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{LEFT + WIDTH}" stroke="#888" stroke-opacity="0.3"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{percent} %</text>')
    for group, rate in enumerate(RATES):
        left = LEFT + GAP // 2 + group * (len(series) * BAR + GAP + 8)
        for index, turn in enumerate(COLOURS):
            value = series[turn][group]
            x, y = left + index * BAR, _y(value)
            height = TOP + HEIGHT - y
            bar = f'x="{x}" y="{y:.1f}" width="{BAR - 3}" height="{height:.1f}" fill="{COLOURS[turn]}"'
            parts.append(f"<rect {bar}><title>{rate}, {turn} ms: {value} %</title></rect>")
            parts.append(
                f'<text x="{x + BAR / 2 - 1.5}" y="{y - 3:.1f}" text-anchor="middle">{value:.0f}</text>'
            )
        middle = left + len(series) * BAR / 2
        parts.append(f'<text x="{middle}" y="{TOP + HEIGHT + 16}" text-anchor="middle">{rate}</text>')
    for index, (turn, colour) in enumerate(COLOURS.items()):
        x, y = LEFT + 110 * index, TOP + HEIGHT + 30
        parts.append(f'<rect x="{x}" y="{y}" width="11" height="11" fill="{colour}"/>')
        parts.append(f'<text x="{x + 16}" y="{y + 10}">{turn} ms turn-around</text>')
    return "\n".join([*parts, "</svg>", ""])


def _y(percent: float) -> float:
    return TOP + HEIGHT * (1 - percent / 100)


if __name__ == "__main__":
    for name, text in plots().items():
        (DOCS / name).write_text(text, "utf-8")
