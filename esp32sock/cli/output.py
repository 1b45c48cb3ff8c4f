"""Output for people and programs: fields, tables, JSON.

On a terminal a table is drawn; elsewhere it is lines with tabs. NO_COLOR and non-terminals get no colour.
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
    """Print `data` as JSON with --json; else call `show`."""
    if arguments.json:
        print(json.dumps(to_json(data), indent=2))
    else:
        show()


def print_failure(message: str, exit_status: int) -> None:
    """Print why a command failed, as one line of JSON."""
    print(json.dumps({"error": message, "exit_status": exit_status}), flush=True)


def to_json(value: object) -> object:
    """A value for `json`: durations in seconds, addresses and times as text, enum members by name."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return member_name(value)
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


def member_name(value: Enum) -> str:
    """`STATION_AND_SOFTAP` as text and in JSON: `station-and-softap`."""
    return value.name.lower().replace("_", "-")


def print_fields(pairs: Mapping[str, object]) -> None:
    """One aligned line per field; a value of None is left out."""
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
    """Draw with rich, which is imported only here because the import is slow."""
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
    """The text without control characters: a network's name may hold an escape sequence."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
