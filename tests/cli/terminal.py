"""A terminal emulator around one run of the command line, and snapshots of its screen."""

from __future__ import annotations

import difflib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pyte

from tests.cli.fork_server import ForkServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOT = Path(__file__).parents[2]
SCREENS = Path(__file__).with_name("screens")
SCENARIO = "sim://2.4?scenario=tests/cli/scenario.toml"
"""A module in the scenario of these tests, for one run."""

QUICK = "tests/cli/fast_timeouts.py"
"""The command line without the second that only a real module needs."""

CTRL_C = "\x03"
ROWS, COLUMNS = 40, 100
PATIENCE_S = 50.0
UPDATING = bool(os.environ.get("ESP32SOCK_UPDATE_SCREENS"))

_CHANCE = (
    (re.compile(r"-\d\d dBm"), "-NN dBm"),
    (re.compile(r"\d+(?:\.\d+)? ms\b"), "N ms"),
    (re.compile(r"\d+\.\d s, "), "N s, "),
    (re.compile(r"\d+\.\d kB/s"), "N kB/s"),
    (re.compile(r"━+"), "━━"),
    (re.compile(r"127\.64\.\d+\.\d+"), "127.64.N.N"),
    (re.compile(r" +\d+\.\d\d │ +\d+% │"), " SECONDS │ SHARE │"),
    (re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "YYYY-MM-DD HH:MM:SS"),
    (re.compile(r"127\.\d+\.\d+\.\d+:\d+|10\.0\.2\.2:\d{4,5}\b"), "ADDRESS"),
    (re.compile(r"(?<![\w:])\d:\d\d:\d\d(?![:\d])"), "H:MM:SS"),
)
"""What differs from run to run."""


@dataclass(frozen=True)
class Seen:
    """What was on the screen in the end, what was written to it, and how the program ended."""

    screen: str
    written: str
    status: int
    shown: tuple[str, ...]
    """Every screen there was, one after the other."""


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """A plain terminal; nothing of the caller's but what Python needs."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("ESP32SOCK_", "COLUMNS"))
    }
    kept.pop("NO_COLOR", None)
    return {**kept, "TERM": "xterm-256color", "PYTHONWARNINGS": "error", **extra}


class Forked:
    """A run of the command line."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], terminal: int) -> None:
        self._fork_server = fork_server()
        self.pid = self._fork_server.start(words, environment, terminal)
        self._is_over = False

    def wait(self) -> int:
        status = self._fork_server.wait(self.pid)
        self._is_over = True
        return status

    def end(self) -> None:
        if not self._is_over:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()


class Started:
    """A run of something else, by an interpreter of its own."""

    def __init__(
        self, program: Sequence[str], words: Sequence[str], extra: Mapping[str, str], terminal: int
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *program, *words],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            cwd=ROOT,
            env=environment(extra),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self.pid = self._process.pid

    def wait(self) -> int:
        return self._process.wait(PATIENCE_S)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


@cache
def fork_server() -> ForkServer:
    return ForkServer(environment({}), PATIENCE_S)


def on_terminal(
    *words: str,
    keys: Sequence[tuple[str, str | Callable[[], object]]] = (),
    program: Sequence[str] | None = None,
    **extra: str,
) -> Seen:
    """Run `esp32sock WORDS` on a terminal; `keys`: what to wait for on the screen, and what to type or do.

    However it ends, the terminal is as it was before, with its cursor.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    as_before = termios.tcgetattr(slave)
    run = (
        Forked(words, environment(extra), slave) if program is None else Started(program, words, extra, slave)
    )
    os.close(slave)
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    written = bytearray()
    shown = [""]
    waiting = list(keys)
    give_up = time.monotonic() + PATIENCE_S
    try:
        while (data := _read(master, give_up)) is not None:
            written += data
            for piece in re.split(rb"(?=\r)", data):  # a bar is drawn again from the left
                stream.feed(piece)
                text = "\n".join(line.rstrip() for line in screen.display).strip("\n")
                if text != shown[-1]:
                    shown.append(text)
            while waiting and waiting[0][0] in text:
                _, act = waiting.pop(0)
                if act == CTRL_C:
                    _until_asleep(run.pid, give_up)
                if isinstance(act, str):
                    os.write(master, act.encode())
                else:
                    act()
        status = run.wait()
        assert termios.tcgetattr(master) == as_before
        assert not screen.cursor.hidden
    finally:
        run.end()
        os.close(master)
    assert not waiting, f"never seen: {waiting[0][0]!r} in {written!r}"
    return Seen(shown[-1], written.decode("utf-8", "replace"), status, tuple(shown))


def _until_asleep(pid: int, give_up: float) -> None:
    """Until the program waits for something: C code that is on its way to a wait misses an interrupt."""
    stat = Path("/proc", str(pid), "stat")
    while stat.read_text().rpartition(")")[2].split()[0] != "S":
        assert time.monotonic() < give_up, "the program never waits"
        os.sched_yield()


def _read(master: int, give_up: float) -> bytes | None:
    """The next bytes; None once the program and its children have let go of the terminal."""
    ready, _, _ = select.select([master], [], [], max(0.0, give_up - time.monotonic()))
    assert ready, "the program hangs"
    try:
        return os.read(master, 65536) or None
    except OSError:
        return None


def assert_screen(name: str, seen: Seen, **chance: str) -> None:
    """The screen is the one in screens/NAME.txt; ESP32SOCK_UPDATE_SCREENS=1 writes it instead.

    `chance`: what stands there for a text that differs from run to run.
    """
    text = seen.screen
    for replacement, this_time in chance.items():
        text = text.replace(this_time, replacement)
    for pattern, replacement in _CHANCE:
        text = pattern.sub(replacement, text)
    path = SCREENS / f"{name}.txt"
    if UPDATING:
        path.write_text(text + "\n", "utf-8")
    wanted, found = path.read_text("utf-8").splitlines(), text.splitlines()
    assert found == wanted, "\n".join(difflib.unified_diff(wanted, found, path.name, "the screen"))


def piped(*words: str, given: str | None = None, **extra: str) -> subprocess.CompletedProcess[str]:
    """The same without a terminal, in a process of its own."""
    return subprocess.run(
        [sys.executable, QUICK, *words],
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(extra),
        timeout=PATIENCE_S,
        check=False,
    )
