"""Makes docs/state-machines.md: `python docs/generate_state_machines.py`; a test says when to."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

from esp32sock.at import state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from enum import Enum

PAGE = Path(__file__).with_name("state-machines.md")

HEAD = """\
# State machines

What the session knows of the module, of the command in flight and of each link is the state of a machine, and
each machine is a table in `esp32sock/at/state.py`. An input that a state does not have is a bug on this
side and raises `LocalProtocolError`.

<!-- This page is generated from esp32sock.at.state; `python docs/generate_state_machines.py` writes it. -->
"""

MACHINES = {
    "The module": (state.module_machine(), state.MODULE_TABLE),
    "The command in flight": (state.command_machine(), state.COMMAND_TABLE),
    "A link": (state.link_machine(0), state.LINK_TABLE),
}


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_section(title) for title in MACHINES)])


def _section(title: str) -> str:
    machine, table = MACHINES[title]
    arrows = "\n".join(_arrows(table))
    rows = "\n".join(f"| {where.name} | {_comment(where)} |" for where in table)
    return (
        f"## {title}\n\nIt starts as {machine.state.name}.\n\n| state | meaning |\n|---|---|\n{rows}\n\n"
        f"```text\n{arrows}\n```\n"
    )


def _arrows(table: Mapping[Enum, Mapping[Enum, Enum]]) -> Iterator[str]:
    """One arrow from state to state, with all the inputs that take it."""
    width = max(len(where.name) for where in table)
    for before, moves in table.items():
        for after in dict.fromkeys(moves.values()):
            inputs = ", ".join(what.name for what, to in moves.items() if to is after)
            yield f"{before.name:{width}} ──> {after.name:{width}}  {inputs}"


def _comment(where: Enum) -> str:
    """What stands behind the state in the source."""
    source = inspect.getsource(type(where))
    found = re.search(rf"^ +{where.name} = auto\(\)  # (.+)$", source, re.M)
    if found is None:
        raise ValueError(f"{where} has no comment that says what it means")
    return found[1]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
