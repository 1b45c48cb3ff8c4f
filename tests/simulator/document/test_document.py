"""Every statement of chapters 2 to 8 holds on `doc-v1`; `python -m tests.simulator.document` counts them."""

import re
from pathlib import Path

import pytest

from esp32sock.simulator.profiles.generations import profile_named
from tests.simulator.document.checking import Check, holds
from tests.simulator.document.counting import CONTRADICTIONS, STATEMENTS, run

ROOT = Path(__file__).parents[3]
HEADINGS = ROOT / "tests" / "data" / "headings-2017.txt"
SECTIONS = list(dict.fromkeys(statement.section for statement in STATEMENTS))
WITHOUT_COMMANDS = {"3.2", "4.2", "5.2"}


@pytest.mark.parametrize("section", SECTIONS)
def test_section(section):
    counts = run(section)
    assert not counts.failures, "\n".join(counts.failures)
    assert counts.made or all(s.unseen for s in STATEMENTS if s.section == section)


def test_every_section_has_statements():
    wanted = set(re.findall(r"^([\d.]+?)\.? ", HEADINGS.read_text(), re.MULTILINE)) - WITHOUT_COMMANDS
    assert wanted <= set(SECTIONS)
    assert {"2", "6", "7.1", "7.2", "7.2.1", "7.2.2", "7.3", "7.3.1", "7.3.2", "7.4", "8"} <= set(SECTIONS)
    assert set(CONTRADICTIONS) <= set(SECTIONS)


def test_a_statement_has_checks_or_says_why_not():
    for statement in STATEMENTS:
        assert bool(statement.checks) != bool(statement.unseen), statement


def test_where_else_a_statement_is_checked():
    """`test_x.py::test_y` names a test that there is."""
    named = [m for s in STATEMENTS for m in re.findall(r"(test_\w+\.py)(?:::(\w+))?", s.unseen)]
    assert named
    for file, test in named:
        text = (ROOT / "tests" / "simulator" / file).read_text()
        assert f"def {test}(" in text if test else text


def test_no_command_is_left_out():
    lines = " ".join(check.line for statement in STATEMENTS for check in statement.checks)
    before = " ".join(step for s in STATEMENTS for check in s.checks for step in check.before)
    for name in profile_named("doc-v1").commands:
        assert (name if name.startswith("AT") else f"AT+{name}") in f"{lines} {before}", name


def test_a_check_can_fail():
    assert not holds(Check("AT", "|ERROR|"))[0]
    assert not holds(Check("AT+CIPMUX?", "~.*:1.*"))[0]
