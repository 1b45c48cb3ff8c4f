"""Makes docs/commands.md from the catalogue: `python docs/generate_commands.py`; a test says when to."""

from __future__ import annotations

import inspect
import re
from dataclasses import MISSING, fields
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esp32sock.at.commands import Command
from esp32sock.at.commands.catalogue import CATALOGUE, FIRST, Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).with_name("commands.md")
REFERENCE = {"V1.0": "instruction-set-v1", "at-dialects": "at-dialects", "known-bugs": "known-bugs"}
"""The pages of reference/ that commands cite, by the name they use."""

_NUMBER = r"\d+(?:\.\d+)*"
_CITATION = re.compile(
    rf"({'|'.join(map(re.escape, REFERENCE))}),? ({_NUMBER}(?:(?:, | and ){_NUMBER}\b(?! on))*)"
)
_CAPTURES = re.compile(r"\b(?:real-firmware|observed)\b")

HEAD = """\
# Commands

Every command of Espressif's *ESP32 AT Instruction Set and Examples* 1.0 (2017), chapters 3 to 5, and those
of later firmware that the library itself needs. Each is a small frozen class; executing it gives the typed
result in the third column, or raises an OSError; its `__cause__` is the `esp32sock.Error` with the answer.

<!-- run after: attach -->
```python
from esp32sock.commands import scan

points = interface.execute(scan.Scan())  # blocks
```

In [trio](libraries.md#trio) it does not:

<!-- run after: open_interface -->
```python
from esp32sock.commands import wifi

joined = await interface.execute(wifi.Joined())
```

Arguments are checked before anything is sent (`ValueError`). A command that would end every open link, marked
*ends links*, is refused while there are any, unless it is told to: `execute(command, force=True)`.

This page is generated from `esp32sock.at.commands.catalogue`; `python docs/generate_commands.py` writes it.
"""

CHAPTERS = {
    "3": "Basic commands (chapter 3)",
    "4": "Wi-Fi commands (chapter 4)",
    "5": "TCP/IP commands (chapter 5)",
    "": "Later commands",
}


def page() -> str:
    """The whole page."""
    return HEAD + "".join(_chapter(number, title) for number, title in CHAPTERS.items())


def _chapter(number: str, title: str) -> str:
    entries = [entry for entry in CATALOGUE if entry.section.partition(".")[0] == number]
    rows = "".join(_row(entry) for entry in entries)
    return (
        f"\n## {title}\n\n| command | class | gives | what it does | source | firmware |\n"
        f"|---|---|---|---|---|---|\n{rows}"
    )


def _row(entry: Entry) -> str:
    does = _first_sentence(entry.command)
    if _ends_links(entry.command):
        does += " *Ends links.*"
    cells = (
        f"`{entry.written}`",
        f"`{_call(entry.command)}`",
        f"`{_result(entry.command)}`",
        does,
        _linked(_source(entry.command)),
        _firmware(entry),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _firmware(entry: Entry) -> str:
    since = "all" if entry.since == FIRST else f"{entry.since[0]}.{entry.since[1]} on"
    return since if entry.until is None else f"before {entry.until[0]}.{entry.until[1]}"


def _call(command: type[Command[Any]]) -> str:
    """As it is written: `wifi.Join(ssid, password='', bssid=None)`."""
    return f"{command.__module__.rpartition('.')[2]}.{command.__name__}({', '.join(_parameters(command))})"


def _parameters(command: type[Command[Any]]) -> Iterator[str]:
    for field in fields(command):
        yield field.name if field.default is MISSING else f"{field.name}={_shown(field.default)}"


def _shown(value: object) -> str:
    return f"{type(value).__name__}.{value.name}" if isinstance(value, Enum) else repr(value)


def _result(command: type[Command[Any]]) -> str:
    """What `parse` says that it returns."""
    return str(inspect.get_annotations(command.parse)["return"])


def _text(command: type[Command[Any]]) -> str:
    return " ".join((command.__doc__ or "").split())


def _first_sentence(command: type[Command[Any]]) -> str:
    described = _text(command).partition(" Source:")[0]
    return re.split(r"(?<=[a-z)`?][.?]) |(?<=[?]) ", described)[0]


def _source(command: type[Command[Any]]) -> str:
    return _text(command).partition("Source: ")[2].rstrip(".")


def _linked(source: str) -> str:
    """A source with its citations as links to the sections that they name."""
    text = _CITATION.sub(_links, source)
    return _CAPTURES.sub(lambda found: f"[{found[0]}](reference/real-firmware.md)", text)


def _links(citation: re.Match[str]) -> str:
    name = f"{citation[1]}, " if citation[1] == "V1.0" else f"{citation[1]} "
    page = REFERENCE[citation[1]]
    numbers = re.findall(_NUMBER, citation[2])
    links = [f"{number}](reference/{page}.md#{_anchor(page, number)})" for number in numbers]
    return f"[{name}" + ", [".join(links)


def _anchor(page: str, number: str) -> str:
    """The anchor of a numbered heading; ValueError for a section that the page has not."""
    text = PAGE.with_name("reference").joinpath(f"{page}.md").read_text("utf-8")
    heading = re.search(rf"^#+ ({re.escape(number)}\.? .+)$", text, re.M)
    if heading is None:
        raise ValueError(f"{page} has no section {number}")
    return re.sub(r"[^\w\- ]", "", heading[1].lower()).replace(" ", "-")


def _ends_links(command: type[Command[Any]]) -> bool:
    """Whether the class says so of itself, at least for some arguments."""
    return command.ends_links is not Command.ends_links


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
