"""`esp32sock completion`: what bash makes of it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from esp32sock.cli.registry import SUBCOMMANDS
from tests.cli.terminal import assert_screen, environment, on_terminal, piped

if TYPE_CHECKING:
    from pathlib import Path

ASK = """
source "$1"
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
compopt() { :; }
_esp32sock
printf '%s\\n' "${COMPREPLY[@]}"
"""
BASH = "import os; os.execvp('bash', ['bash', '--norc', '--noprofile', '-i'])"


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "esp32sock.bash"
    done = piped("completion", "bash")
    assert done.returncode == 0, done.stderr
    path.write_text(done.stdout)
    return path


def completed(script: Path, *words: str, folder: Path | None = None) -> list[str]:
    """What Tab offers behind these words, the last of them unfinished."""
    done = subprocess.run(
        ["bash", "--norc", "-uc", ASK, "bash", str(script), "esp32sock", *words],
        capture_output=True,
        text=True,
        env=environment({}),
        cwd=folder,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1] if done.stdout.strip() else []


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ([""], list(SUBCOMMANDS)),
        (["s"], ["smartconfig", "sleep", "serve", "service", "simulate"]),
        (["--v"], ["--version"]),
        (["wifi", "s"], ["scan", "status", "static"]),
        (["ap", ""], ["start", "stop", "stations", "dhcp"]),
        (["wifi", "autojoin", ""], ["on", "off"]),
        (["wifi", "join", "--te"], ["--temporary"]),
        (["-p", "/dev/none", "wifi", "s"], ["scan", "status", "static"]),
        (["wifi", "-v", "-b", "9600", "s"], ["scan", "status", "static"]),
        (["-p", "s"], ["sim://"]),
        (["info", "--trace", "pa"], ["page one", "page two"]),
        (["wifi", "join", "attic", "--no-p"], ["--no-password"]),
        (["uart", "set", "--flow", "r"], ["rts", "rtscts"]),
        (["uart", "set", "--flow", "rts", "--st"], ["--store"]),
        (["sleep", "--mode", ""], ["off", "modem", "light", "modem-listen"]),
        (["info", "--port", "s"], ["sim://"]),
        (["info", "--baud", ""], []),
        (["put", "pa"], ["page one", "page two"]),
        (["get", "http://10.0.2.2/", "-o", "page o"], ["page one"]),
        (["simulate", "--scenario", "p"], ["page one", "page two"]),
        (["nonsense", ""], list(SUBCOMMANDS)),
        (["completion", ""], ["bash", "zsh"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_tab(script: Path, tmp_path: Path, words: list[str], offered: list[str]) -> None:
    for name in ("page one", "page two"):
        (tmp_path / name).touch()
    assert completed(script, *words, folder=tmp_path) == offered


def test_at_a_terminal(script: Path) -> None:
    seen = on_terminal(
        program=("-c", BASH),
        keys=[
            ("bash>", f'esp32sock() {{ echo "it got: $*"; }}; source {script}; clear; echo ready\r'),
            ("ready\nbash>", "esp32sock wi\t"),
            ("esp32sock wifi", "s\t\t"),
            ("static", "tatu\t--po\t"),
            ("--port", "sim\t\r"),
            ("it got: wifi status --port sim://\nbash>", "exit\r"),
        ],
        PS1="bash> ",
    )
    assert_screen("completion", seen)
    assert seen.status == 0
