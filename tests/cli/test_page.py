"""docs/command-line.md: complete, and every example is one."""

from __future__ import annotations

import re
import shlex

import pytest

from esp32sock.cli.exit_status import EXIT_STATUS
from esp32sock.cli.findings import PROBLEMS
from esp32sock.cli.parser import parser_for
from esp32sock.cli.registry import SUBCOMMANDS
from esp32sock.cli.shared_options import ordered
from tests.cli.terminal import ROOT

DOCS = ROOT / "docs"
PAGE = (DOCS / "command-line.md").read_text("utf-8")
EXAMPLES = re.findall(r"^\$ esp32sock (.+)$", PAGE, re.M)


def test_every_word_is_there() -> None:
    rows = re.findall(r"^\| ((?:`[\w ]+`(?:, )?)+) \|", PAGE, re.M)
    named = {text.split()[0] for row in rows for text in re.findall(r"`([\w ]+)`", row)}
    assert set(SUBCOMMANDS) <= named


def test_every_schema_is_there() -> None:
    linked = set(re.findall(r"\(schemas/([\w-]+)\.json\)", PAGE))
    assert linked == {path.stem for path in (DOCS / "schemas").glob("*.json")}


def test_every_problem_is_there() -> None:
    assert dict(re.findall(r"^\| `([\w-]+)` \| ([^|]+) \|$", PAGE, re.M)).items() >= PROBLEMS.items()


def test_every_exit_status_is_there() -> None:
    assert set(re.findall(r"^\| (\d+) \|", PAGE, re.M)) == set(re.findall(r"\b(\d+) ", EXIT_STATUS))


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_understood(example: str) -> None:
    words = ordered(shlex.split(example))
    assert callable(parser_for(words[0]).parse_args(words).run)
