"""What people see and what programs read: facts, tables, JSON.

A table is drawn only on a terminal; elsewhere it is lines with tabs. Colour follows rich: NO_COLOR and
non-terminals have none.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from datetime import datetime, timedelta
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Mapping, Sequence


def print_result(arguments: argparse.Namespace, data: object, show: Callable[[], None]) -> None:
    """JSON for programs, else what `show` prints."""
    if arguments.json:
        print(json.dumps(to_json(data), indent=2))
    else:
        show()


def to_json(value: object) -> object:
    """As JSON has it: durations in seconds, addresses and times as text, enums by their small names."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return word(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, IPv4Address | IPv6Address):
        return str(value)
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


def word(value: Enum) -> str:
    """`STATION_AND_SOFTAP` as people and JSON have it: `station-and-softap`."""
    return value.name.lower().replace("_", "-")


def print_fields(pairs: Mapping[str, object]) -> None:
    """One line a fact, aligned; what is None is not known and not shown."""
    known = {name: value for name, value in pairs.items() if value is not None}
    width = max(map(len, known), default=0)
    for name, value in known.items():
        print(f"{name:<{width}}  {value}")


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Iterable[str] = ()) -> None:
    """A drawn table on a terminal, lines with tabs elsewhere; the columns in `numbers` are right-aligned."""
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for line in texts:
            print("\t".join(line))
        return
    draw(headings, texts, frozenset(numbers))


def draw(headings: Sequence[str], rows: Sequence[Sequence[str]], numbers: frozenset[str]) -> None:
    """By rich, which only a terminal needs to wait for."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        drawn.add_column(heading, justify="right" if heading in numbers else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*map(Text, row))
    Console().print(drawn)


def printable(text: str) -> str:
    """Without what could move a terminal's cursor: a network's name is anybody's choice."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
