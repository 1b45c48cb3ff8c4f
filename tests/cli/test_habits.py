"""Habits of the terminal: where options stand, help, misspelt words, what a program may be."""

from __future__ import annotations

import logging
import os
import re
import stat
from typing import TYPE_CHECKING

import pytest

from esp32sock.cli.help import FIRST
from esp32sock.cli.parser import _commands, full_parser
from esp32sock.cli.registry import SUBCOMMANDS
from esp32sock.cli.shared_options import WITH_VALUE, WITHOUT_VALUE, ordered
from tests.cli.terminal import SCENARIO, piped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cli.conftest import Done

    Run = Callable[..., Done]


@pytest.fixture(autouse=True)
def quiet_log() -> Iterator[None]:
    """The log of this process as it was."""
    log = logging.getLogger("esp32sock")
    handlers, level = log.handlers[:], log.level
    yield
    log.handlers[:], log.propagate = handlers, True
    log.setLevel(level)


def test_a_password_from_a_pipe(in_a_pipe: Run) -> None:
    done = in_a_pipe("wifi", "join", "attic", "--port", f"{SCENARIO}&joined=0", given="correct horse\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "attic" in done.stdout


def test_similar_names_are_shown(in_a_pipe: Run) -> None:
    done = in_a_pipe("wifi", "join", "Atic", "--no-password", "--port", f"{SCENARIO}&joined=0")
    assert done.returncode == 1
    assert "in reach: attic\n" in done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("-p X info", "info -pX"),
        ("--port=X -b 9600 info --json", "info --port=X -b9600 --json"),
        ("-p X wifi join attic", "wifi join -pX attic"),
        ("wifi -p X -vv join attic", "wifi join -pX -vv attic"),
        ("--baudrate 9600 -pX at gmr", "at --baudrate=9600 -pX gmr"),
        ("--json --rtscts ports", "ports --json --rtscts"),
        ("-p X run -m http.server -p Y", "run -pX -m http.server -p Y"),
        ("--version", "--version"),
        ("-p X --help", "--help"),
        ("-p X", ""),
        ("wifi", "wifi"),
        ("-p", ""),
        ("--trace", ""),
    ],
)
def test_options_in_front(words: str, expected: str) -> None:
    assert " ".join(ordered(words.split())) == expected


def test_the_registry_knows_what_has_subcommands() -> None:
    parsers = _commands(full_parser())
    assert {name for name, parser in parsers.items() if _commands(parser)} == {
        name for name, subcommand in SUBCOMMANDS.items() if subcommand.has_subcommands
    }


def test_what_moves_is_an_option_of_a_command() -> None:
    options = _commands(full_parser())["info"]._option_string_actions
    assert set(options) >= {*WITH_VALUE, *WITHOUT_VALUE} - {"-vv"}
    assert all(bool(options[name].nargs != 0) == (name in WITH_VALUE) for name in {*WITH_VALUE})


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_command_has_verbose(name: str) -> None:
    def leaves(parser: object) -> Iterator[object]:
        found = _commands(parser)  # type: ignore[arg-type]
        if not found:
            yield parser
        for one in found.values():
            yield from leaves(one)

    for leaf in leaves(_commands(full_parser())[name]):
        assert "-v" in leaf._option_string_actions  # type: ignore[attr-defined]


def test_in_front_and_behind(in_a_pipe: Run) -> None:
    before = in_a_pipe("-p", SCENARIO, "-b", "115200", "--json", "info")
    behind = in_a_pipe("info", "--port", SCENARIO, "--baudrate", "115200", "--json")
    assert before.returncode == 0
    assert before.stdout == behind.stdout


def test_an_option_that_a_command_lacks(in_a_pipe: Run) -> None:
    done = in_a_pipe("-p", "X", "completion", "bash")
    assert done.returncode == 2
    assert "unrecognized arguments: -pX" in done.stderr


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["inof"], "no such command: 'inof'; did you mean 'info'?"),
        (["wifi", "joni"], "no such command: 'joni'; did you mean 'join'?"),
        (["xyzzy"], "no such command: 'xyzzy'; `esp32sock --help` lists them"),
        (["info", "--jsom"], "unrecognized arguments: --jsom; did you mean '--json'?"),
    ],
)
def test_did_you_mean(in_a_pipe: Run, words: list[str], hint: str) -> None:
    done = in_a_pipe(*words)
    assert done.returncode == 2
    assert hint in done.stderr


def test_help(in_a_pipe: Run) -> None:
    short, everything, one = in_a_pipe(), in_a_pipe("help"), in_a_pipe("help", "wifi", "join")
    assert short.returncode == everything.returncode == one.returncode == 0
    assert all(re.search(rf"^  {name} ", short.stdout, re.M) for name in FIRST)
    assert len(short.stdout.splitlines()) < 16
    assert everything.stdout == in_a_pipe("--help").stdout
    assert one.stdout == in_a_pipe("wifi", "join", "--help").stdout
    assert in_a_pipe("help", "wifi", "nothing").returncode == 2


def test_levels(in_a_pipe: Run) -> None:
    quiet = in_a_pipe("info", "-p", SCENARIO)
    assert quiet.stderr == ""
    loud = in_a_pipe("info", "-p", SCENARIO, "-vv")
    assert loud.stdout == quiet.stdout
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3} DEBUG   H>M 8 AT\+GMR\\r\\n$", loud.stderr, re.M)


def test_records_of_the_line(in_a_pipe: Run, tmp_path: Path) -> None:
    text, capture = tmp_path / "text", tmp_path / "capture"
    words = ("--trace", str(text), "--pcap", str(capture))
    done = in_a_pipe("wifi", "join", "attic", "-p", SCENARIO, *words, ESP32SOCK_PASSWORD="correct horse")
    assert done.returncode == 0, done.stderr
    assert 'AT+CWJAP="attic",***\\r\\n' in text.read_text()
    assert b'AT+CWJAP="attic",***\r\n' in capture.read_bytes()
    assert b"correct" not in text.read_bytes() + capture.read_bytes()
    assert {stat.S_IMODE(path.stat().st_mode) for path in (text, capture)} == {0o600}


def test_a_record_that_cannot_be_written(in_a_pipe: Run, tmp_path: Path) -> None:
    for words in (["info"], ["get", "http://10.0.2.2/"]):
        done = in_a_pipe(*words, "-p", SCENARIO, "--trace", str(tmp_path / "no" / "file"))
        assert done.returncode == 1
        assert "No such file" in done.stderr


PROGRAM = "import sys, socket; print(sys.argv, socket.gethostbyname('host.test'), __name__)"


def test_code_as_an_argument_and_from_stdin() -> None:
    port = ("-p", SCENARIO)
    code = piped("run", *port, "-c", PROGRAM, "one", "-v")
    assert code.stdout == "['-c', 'one', '-v'] 10.0.2.2 __main__\n", code.stderr
    stdin = piped("run", *port, "-", "one", given=PROGRAM)
    assert stdin.stdout == "['-', 'one'] 10.0.2.2 __main__\n", stdin.stderr


def test_a_program_that_is_not_there(in_a_pipe: Run) -> None:
    done = in_a_pipe("run", "-p", SCENARIO, os.path.join("no", "program.py"))
    assert done.returncode == 2
    assert "no such file" in done.stderr
