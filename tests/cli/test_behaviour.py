"""What the words share: conversations, pipes, interrupts, and what starting costs."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import jsonschema
import pytest

from esp32sock.cli.parser import full_parser
from esp32sock.cli.registry import SUBCOMMANDS
from tests.cli.servers import Client, echo_server, free_port
from tests.cli.terminal import CTRL_C, ROOT, SCENARIO, assert_screen, environment, on_terminal, piped
from tests.e2e.support import HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cli.conftest import Done


# ---- listen and passthrough


def test_listen() -> None:
    port = free_port()
    client = Client(port)
    seen = on_terminal(
        *("listen", str(port), "--clients", "1", "--port", SCENARIO),
        keys=[("listening", client.connect), ("connected", lambda: client.say(b"hello\n\x1b[2J\n"))],
    )
    assert seen.status == 0, seen.written
    assert "\x1b[2J" not in seen.written
    (name,) = re.findall(r"(\S+) connected", seen.screen)
    assert re.fullmatch(r"10\.0\.2\.2:\d+|127\.\S+:\d+", name), name
    assert_screen("listen", seen, PORT=str(port), CLIENT=name)


def test_listen_for_programs() -> None:
    port = free_port()
    client = Client(port)
    words = ["listen", str(port), "--clients", "1", "--json", "--port", SCENARIO]
    process = subprocess.Popen(
        [sys.executable, "tests/cli/fast_timeouts.py", *words],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment({}),
    )
    assert process.stdout is not None
    with process.stdout as lines:
        events = [json.loads(lines.readline())]
        client.connect()
        events.append(json.loads(lines.readline()))
        client.say(b"hello")
        events += [json.loads(line) for line in lines]
    assert process.wait(20) == 0
    schema = json.loads((ROOT / "docs" / "schemas" / "listen-event.json").read_text("utf-8"))
    for event in events:
        jsonschema.validate(event, schema)
    assert [one["event"] for one in events] == ["listening", "connected", "data", "closed"]
    assert events[2]["text"] == "hello"


def test_passthrough_at_a_terminal() -> None:
    with echo_server() as port:
        seen = on_terminal(
            *("passthrough", HOST, str(port), "--wait", "0.2", "--port", SCENARIO),
            keys=[("Ctrl-D ends", "hello\r"), ("hello\nhello", "+++\r"), ("+++\n+++", "\x04")],
        )
    assert seen.status == 0, seen.written
    assert_screen("passthrough", seen)


def test_passthrough_in_a_pipe(in_a_pipe: Callable[..., Done], esp32_pty: str) -> None:
    with echo_server() as port:
        for text in ("+++", "a line\n+++", "x" * 5000):
            words = ("passthrough", HOST, str(port), "--wait", "0.3", "--port", esp32_pty)
            done = in_a_pipe(*words, given=text)
            assert (done.stdout, done.stderr, done.returncode) == (text, "", 0)
    after = in_a_pipe("at", "cipmode?", "cipmux?", "cipstatus", "--port", esp32_pty)
    assert after.stdout.split() == ["+CIPMODE:0", "OK", "+CIPMUX:0", "OK", "STATUS:4", "OK"]


# ---- the console


def test_the_console_remembers_lines_but_no_passwords(tmp_path: Path) -> None:
    state = str(tmp_path)
    on_terminal(
        *("at", "--port", SCENARIO),
        keys=[("AT>", "gmr\r"), ("OK\nAT>", 'CWJAP="attic","correct horse"\r'), ("GOT IP\nOK\nAT>", "\x04")],
        XDG_STATE_HOME=state,
    )
    assert (tmp_path / "esp32sock" / "history").read_text() == "gmr\n"
    again = on_terminal(
        *("at", "--port", SCENARIO),
        keys=[("AT>", "\x1b[A\r"), ("OK\nAT>", "quit\r")],
        XDG_STATE_HOME=state,
    )
    assert again.status == 0


def test_the_console_survives_an_interrupt(tmp_path: Path) -> None:
    seen = on_terminal(
        *("at", "--port", SCENARIO),
        keys=[("AT>", CTRL_C), ("AT>\nAT>", "cipmux?\r"), ("+CIPMUX:0\nOK\nAT>", "quit\r")],
        XDG_STATE_HOME=str(tmp_path),
    )
    assert seen.status == 0, seen.written


def test_an_address_out_of_nowhere_stands_above_the_prompt(tmp_path: Path) -> None:
    seen = on_terminal(
        *("at", "--port", SCENARIO),
        keys=[("AT>", "cwstartsmart\r"), ("connected wifi\nAT>", "quit\r")],
        XDG_STATE_HOME=str(tmp_path),
    )
    assert "password:***" in seen.screen
    assert "correct horse" not in seen.written
    assert seen.screen.splitlines()[-1] == "AT> quit"


# ---- interrupts and pipes that close


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "tests/cli/fast_timeouts.py",
            "ping",
            HOST,
            "-c",
            "40",
            "-i",
            "0.05",
            "--port",
            SCENARIO,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment({}),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(40) == 0
    assert errors == b""


# ---- starting


IMPORTED = """
import sys
from esp32sock.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print("HEAVY", sorted({"trio", "rich", "serial", "ssl", "asyncio", "readline"} & set(sys.modules)))
"""


@pytest.mark.parametrize("words", [["--help"], ["--version"], []])
def test_help_costs_nothing(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *words], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert "HEAVY []" in done.stdout


def test_help_names_every_word_and_the_exit_statuses() -> None:
    done = piped("--help", NO_COLOR="1")
    for word in SUBCOMMANDS:
        assert re.search(rf"^    {word}\s", done.stdout, re.M), word
    assert "69 no module" in done.stdout


@pytest.mark.parametrize("word", SUBCOMMANDS)
def test_every_word_explains_itself(in_a_pipe: Callable[..., Done], word: str) -> None:
    done = in_a_pipe(word, "--help")
    assert done.returncode == 0
    assert len(done.stdout.split("\n\n")) > 2


def explained(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str | None]]:
    """Every argument with its help, those of the words below too."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from explained(inner)
        else:
            yield f"{parser.prog} {action.dest}", action.help


def test_every_argument_explains_itself() -> None:
    assert [name for name, help_ in explained(full_parser()) if not help_] == []


@pytest.mark.parametrize(
    ("words", "closed", "status"),
    [
        ("info", ">&-", 0),
        ("info", "2>&-", 0),
        ("ports", ">&-", 0),
        ("restore", "<&-", 2),
        ("wifi join attic", "<&-", 2),
        ("at", "<&-", 0),
        ("at cipmux?", ">&- <&- 2>&-", 0),
        ("run tests/cli/fast_timeouts.py --version", ">&-", 0),
    ],
)
def test_standard_streams_that_are_closed(words: str, closed: str, status: int) -> None:
    command = f'exec "$0" -m esp32sock {words} {closed}'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable],
        cwd=ROOT,
        env=environment({"ESP32SOCK_PORT": SCENARIO}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
