"""A maker at a terminal: docs/tutorial-first-page.md from its top, with mistakes that are easy to make."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.support import PAGE

if TYPE_CHECKING:
    from tests.first_hour.conftest import Desk


def test_first_words(desk: Desk) -> None:
    bare = desk.esp32sock()
    assert "sim://" in bare.stdout + bare.stderr
    assert "run " in desk.esp32sock("help").stdout
    assert "did you mean 'wifi'?" in desk.esp32sock("wfi").stderr
    without_port = desk.esp32sock("info")
    assert (without_port.returncode, without_port.stdout) == (2, "")
    assert "`esp32sock ports`" in without_port.stderr
    wrong_port = desk.esp32sock("info", "-p", "/dev/ttyNONE")
    assert wrong_port.returncode == 69
    assert "`esp32sock ports`" in wrong_port.stderr


def test_from_the_board_to_a_program(desk: Desk, board: str, url: str) -> None:
    doctor = desk.esp32sock("doctor")
    assert doctor.returncode == 1
    assert "run `esp32sock wifi join SSID`" in doctor.stdout
    too_early = desk.esp32sock("get", url, "-o", "-")
    assert too_early.returncode == 1
    assert "join an access point first" in too_early.stderr
    misspelt = desk.esp32sock("wifi", "join", "atic", given="correct horse\n")
    assert misspelt.returncode == 1
    assert "in reach: attic" in misspelt.stderr
    assert "refused the password" in desk.esp32sock("wifi", "join", "attic", given="wrong horse\n").stderr
    joined = desk.esp32sock("wifi", "join", "attic", given="correct horse\n")
    assert (joined.returncode, joined.stderr) == (0, "")

    got = desk.esp32sock("get", url, "-o", "page")
    assert got.returncode == 0, got.stderr
    assert (desk.folder / "page").read_bytes() == PAGE
    (desk.folder / "program.py").write_text(
        "import sys, urllib.request\nprint(len(urllib.request.urlopen(sys.argv[1]).read()))\n"
    )
    for words in (("program.py", url), ("-c", (desk.folder / "program.py").read_text(), url)):
        assert desk.esp32sock("run", *words).stdout == f"{len(PAGE)}\n"
    assert desk.esp32sock("at", "GMR", "AT+CIPSTATUS").stdout.count("OK") == 2
    assert desk.esp32sock("links", "--close", "all").stdout == "no links\n"


def test_a_port_that_is_in_use(desk: Desk, board: str) -> None:
    desk.esp32sock("wifi", "join", "attic", given="correct horse\n")
    holder = desk.start("-m", "esp32sock", "run", "-c", "print('ready'); input()")
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "ready\n"
        busy = desk.esp32sock("info")
        assert busy.returncode == 69
        named = re.search(
            r"\(process (\d+)\) uses it", busy.stderr
        )  # the program, or what serves its children
        assert named is not None, busy.stderr
        assert "simulate" not in Path(f"/proc/{named[1]}/cmdline").read_text()
    finally:
        holder.kill()
        holder.communicate()
