"""Every form of every command of the 2017 document, on every profile that has it."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import Any

import pytest

from esp32sock.at.commands import Raw, basic
from esp32sock.at.commands.catalogue import CATALOGUE, Entry
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


# ---- nothing is missing

NOT_YET_SIMULATED: set[str] = set()
"""Rows of the catalogue that no profile can answer yet; none may stay here."""

NOT_A_COMMAND = {"+IPD"}
"""Headings of what is never said to the module; the framing tests have it."""

IMPOSSIBLE_TO_SAY = {("AT+CIPRECVDATA", "=")}
"""Its answer is payload, whose tests are those of the session."""


def headings() -> dict[str, str]:
    """Section to command, by the headings of chapters 3 to 5 (`5.2.4. AT+CIPSEND—Sends Data`)."""
    found = {}
    for line in HEADINGS.read_text("utf-8").splitlines():
        section, _, title = line.partition(" ")
        command, dash, _ = title.partition("—")
        if dash and command not in NOT_A_COMMAND:
            found[section.rstrip(".")] = command
    return found


def test_the_document_has_44_commands() -> None:
    assert len(headings()) == 44


def test_every_heading_of_the_document_is_in_the_catalogue() -> None:
    listed = {entry.section: entry.at for entry in CATALOGUE if entry.section}
    assert listed == headings()
    assert set(listed.values()) <= {case.written.partition("=")[0].rstrip("?") for case in CASES}


def test_every_row_of_the_catalogue_has_a_case() -> None:
    cases = {(case.written, type(case.command)) for case in CASES}
    rows = {
        (entry.written, entry.command)
        for entry in CATALOGUE
        if (entry.at, entry.form.value) not in IMPOSSIBLE_TO_SAY
    }
    assert rows - cases == set()
    assert {written for written, _ in rows if not profiles_with(written)} == NOT_YET_SIMULATED == set()


@pytest.mark.parametrize("form", LETTERS)
@pytest.mark.parametrize("at", headings().values())
def test_every_form_of_the_documents_commands_is_executed_on_every_profile_that_has_it(
    at: str, form: str
) -> None:
    """By the simulator's account of who has what, not by ours."""
    written = at + form
    tried = {param.values[1] for param in RUNS if param.values[0].written == written}  # type: ignore[union-attr]
    assert set(profiles_with(written)) == tried


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: f"{entry.written} {entry.command.__name__}")
def test_the_catalogue_knows_which_firmware_has_a_form(entry: Entry) -> None:
    """Of queries the document often knows nothing, though every firmware has them."""
    for profile in set(PROFILES) - {"doc-v1"}:
        major, _, minor = profile.partition(".")
        firmware = Firmware((int(major), int(minor), 0, 0))
        assert entry.exists_in(firmware) == (profile in profiles_with(entry.written)), profile


@pytest.mark.parametrize("profile", PROFILES)
def test_what_a_profile_does_not_have_fails_with_a_command_error(profile: str) -> None:
    talk = Talk(profile)
    for case in CASES:
        try:
            line = case.command.line(talk.session.firmware).decode()
        except ValueError:
            continue  # known to be impossible there, and not even sent
        if profile not in profiles_with(case.written) and _WRITTEN.match(line)[0] == case.written:  # type: ignore[index]
            with pytest.raises(CommandError):
                talk.run(case.command)


# ---- each of them


@pytest.mark.parametrize(("case", "profile"), RUNS)
def test_a_form_on_a_profile(case: Case, profile: str) -> None:
    talk = Talk(profile, mux=case.mux, **case.settings)
    for step in case.before:
        talk.run(step)
    if case.refused:
        with pytest.raises(CommandError, match="ERROR"):
            talk.run(case.command)
        return
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


@pytest.mark.parametrize("profile", ["2.0", "2.4", "4.2"])
def test_with_error_codes_on_an_error_says_what_it_means(profile: str) -> None:
    talk = Talk(profile)
    talk.run(basic.ErrorCodes(on=True))
    with pytest.raises(CommandError, match="does not have the command") as caught:
        talk.run(Raw(b"AT+NOSUCH"))
    assert caught.value.errno == errno.EOPNOTSUPP
    assert caught.value.error_code == 0x01090000
