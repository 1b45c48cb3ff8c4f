"""Every form of every command of the 2017 document, on every profile that has it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from esp32sock.at.commands.catalogue import CATALOGUE
from esp32sock.at.firmware import Firmware
from esp32sock.errors import CommandError
from esp32sock.simulator import PROFILES
from tests.at.commands.cases import CASES, Case, heard
from tests.at.commands.talk import Talk

HEADINGS = Path(__file__).parents[2] / "data" / "headings-2017.txt"
LETTERS = {"=?": "t", "?": "q", "=": "s", "": "e"}
_WRITTEN = re.compile(r"(?P<at>AT(?:\+\w+|E)?)(?P<form>=\?|\?|=|)")


def profiles_with(written: str) -> list[str]:
    """The profiles whose table has the form, by the simulator's own account."""
    match = _WRITTEN.fullmatch(written)
    assert match is not None, written
    name = {"ATE": "ATE0"}.get(match["at"], match["at"].removeprefix("AT+"))
    return [p for p, profile in PROFILES.items() if LETTERS[match["form"]] in profile.commands.get(name, "")]


RUNS = [
    pytest.param(case, profile, id=f"{case.written} {type(case.command).__name__} {profile}")
    for case in CASES
    for profile in profiles_with(case.written)
    if profile not in case.not_on
]


@pytest.mark.parametrize(("case", "profile"), RUNS)
def test_a_form_on_a_profile(case: Case, profile: str) -> None:
    talk = Talk(profile, mux=case.mux, **case.settings)
    for step in case.before:
        talk.run(step)
    assert_is(talk, talk.run(case.command), case.result)
    for command, result in case.after:
        assert_is(talk, talk.run(command), result)
    assert not case.restarts or talk.restarted()


def assert_is(talk: Talk, found: Any, wanted: Any) -> None:
    """Compare what can be compared: strengths are chance, and a version is what a firmware is known by."""
    wanted = wanted(talk) if callable(wanted) else wanted
    if isinstance(found, Firmware):
        found = found.version
    elif isinstance(found, list) and found and isinstance(wanted[0], tuple):
        assert sorted(heard(found)) == sorted(wanted)
        return
    elif isinstance(wanted, str) and not isinstance(found, str):
        found = found.ssid
    assert found == wanted
    assert type(found) is type(wanted) or isinstance(wanted, tuple)
