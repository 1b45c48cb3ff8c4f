"""`esp32sock at`: a console for AT commands, with history, completion and what the module says unasked.

At a terminal the main thread waits at the prompt, where readline and Ctrl-C are at home; the talk with the
module runs in a thread of its own and prints above the prompt. Passwords are neither remembered nor shown.
"""

from __future__ import annotations

import os
import re
import readline
import sys
import threading
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from esp32sock.at.commands import Raw, SecretRaw
from esp32sock.at.commands.catalogue import CATALOGUE
from esp32sock.at.commands.redaction import redacted
from esp32sock.at.events import Event, LinkClosed, LinkOpened, ModuleRestarted, UnknownText, WifiChanged
from esp32sock.at.urcs import Wifi
from esp32sock.cli.common import UsageError, add_options, handle_errors, open_module
from esp32sock.cli.exit_status import FAILED
from esp32sock.cli.output import print_result, printable
from esp32sock.errors import CommandError, Error, unwrap_group

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from esp32sock.engine.management import ManagementSession

PROMPT = "AT> "
HISTORY_LINES = 1000

NOT_LINES = {
    re.compile(
        r"AT\+CIPSEND(EX|L)?(=(?!\?).*)?", re.IGNORECASE
    ): "what follows its prompt is payload and not "
    "a line: use `esp32sock get`, `put` or `passthrough`, or a program with sockets",
    re.compile(
        r"AT\+UART(_CUR|_DEF)?=(?!\?).*", re.IGNORECASE
    ): "the port would stay at the old settings: use `esp32sock uart`",
}
"""Lines that a console cannot say, and what can."""

WIFI = {
    Wifi.CONNECTED: "WIFI CONNECTED",
    Wifi.GOT_IP: "WIFI GOT IP",
    Wifi.DISCONNECTED: "WIFI DISCONNECT",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """One command line and its answer."""

    command: str
    result: str
    lines: tuple[str, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Say AT commands to the module: those on the command line, those of a pipe, or at a prompt with "
        "history and completion."
    )
    add_options(parser)
    parser.add_argument("commands", nargs="*", metavar="COMMAND", help="like AT+GMR; the AT+ may be left out")
    parser.set_defaults(run=lambda arguments: handle_errors(lambda: run(arguments)))


def run(arguments: argparse.Namespace) -> int | None:
    if not arguments.commands and sys.stdin.isatty():
        if arguments.json:
            raise UsageError("--json is for commands on the command line or in a pipe")
        with in_background(arguments) as session:
            Console(session).run()
        return None
    lines = arguments.commands or [line for line in map(str.strip, sys.stdin) if line]
    commands = [written(line) for line in lines]
    with in_background(arguments) as session:
        said = [say(session, arguments, command) for command in commands]
    if arguments.json:
        print_result(arguments, {"commands": said}, lambda: None)
    return FAILED if any(one.result != "OK" for one in said) else None


def written(line: str) -> str:
    """A whole command line: `gmr` is AT+GMR. UsageError for what is none, or can only be said elsewhere."""
    text = line.strip()
    if text[:2].upper() != "AT" or re.fullmatch(r"AT[A-Z]{2,}.*", text, re.IGNORECASE):
        text = f"AT+{text}"
    for pattern, advice in NOT_LINES.items():
        if pattern.fullmatch(text):
            raise UsageError(f"{text.partition('=')[0]}: {advice}")
    return text


def say(session: BackgroundTalk, arguments: argparse.Namespace, command: str) -> Reply:
    """Execute one and print its answer as it is, unless JSON is wanted."""
    answer = session.say(command)
    if not arguments.json:
        print(*map(printable, answer.lines), answer.result, sep="\n")
    return answer


class BackgroundTalk:
    """A talk in another thread."""

    def __init__(self, session: ManagementSession, token: trio.lowlevel.TrioToken) -> None:
        self._session = session
        self._token = token
        self._heard = False
        self.completions = sorted({entry.written for entry in CATALOGUE if entry.exists_in(session.firmware)})
        self.firmware = str(session.firmware)

    def say(self, command: str) -> Reply:
        """Blocks for the answer; PortError when the port is lost."""
        shown = redacted(command.encode())
        raw = (Raw if shown == command.encode() else SecretRaw)(command.encode())
        try:
            lines = trio.from_thread.run(self._execute, raw, trio_token=self._token)
        except CommandError as error:
            code = "" if error.error_code is None else f" (code 0x{error.error_code:08x})"
            return Reply(shown.decode(), error.result + code, _texts(error.lines))
        return Reply(shown.decode(), "OK", _texts(lines))

    async def _execute(self, raw: Raw) -> list[bytes]:
        """The answer, once everything that the module said before it has been told."""
        try:
            return await self._session.execute(raw)
        finally:
            for _ in range(
                2
            ):  # one that is handed over needs a turn to be told, and it may be the first of many
                await trio.lowlevel.checkpoint()
                while self._session.events.statistics().current_buffer_used and self._heard:
                    await trio.lowlevel.checkpoint()

    def listen(self, console: Console) -> None:
        """Have the console print what is said unasked."""
        self._token.run_sync_soon(self._spawn, console)

    def _spawn(self, console: Console) -> None:
        self._heard = True
        trio.lowlevel.spawn_system_task(self._hear, console)

    async def _hear(self, console: Console) -> None:
        async for event in self._session.events:
            text = report(event)
            if text is not None:
                console.above(text)


def _texts(lines: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(redacted(line).decode("utf-8", "replace") for line in lines)


def report(event: Event) -> str | None:
    """An event in the words of the module."""
    match event:
        case WifiChanged():
            return WIFI[event.state]
        case LinkOpened():
            return f"{event.link_id},CONNECT"
        case LinkClosed():
            return f"{event.link_id},CLOSED"
        case ModuleRestarted():
            return "ready"
        case UnknownText():
            return printable(event.text.decode("utf-8", "replace"))
    return None


@contextmanager
def in_background(arguments: argparse.Namespace) -> Iterator[BackgroundTalk]:
    """Find the module from a thread of its own, which ends with the block."""
    entered: Future[trio.lowlevel.TrioToken] = Future()
    started: Future[BackgroundTalk] = Future()
    scope = trio.CancelScope()

    async def run() -> None:
        token = trio.lowlevel.current_trio_token()
        entered.set_result(token)
        with scope:
            async with open_module(arguments) as session:
                started.set_result(BackgroundTalk(session, token))
                await trio.sleep_forever()

    def main() -> None:
        try:
            trio.run(run)
        except BaseException as error:
            if not started.done():
                started.set_exception(unwrap_group(error))

    thread = threading.Thread(target=main, name="esp32sock at", daemon=True)
    thread.start()
    try:
        yield started.result()
    finally:
        with suppress(trio.RunFinishedError):
            entered.result().run_sync_soon(scope.cancel)
        thread.join()


class Console:
    """The prompt."""

    def __init__(self, session: BackgroundTalk) -> None:
        self._session = session
        self._waiting = False
        """Whether the prompt stands at the cursor."""

    def run(self) -> None:
        """Until the end of input, or `quit`."""
        print(f"{self._session.firmware}\nTab completes, the arrows remember, `quit` or Ctrl-D leaves.")
        self._session.listen(self)
        with history(), completing(self._session.completions):
            while (line := self._read()) not in (None, "quit", "exit"):
                if line:
                    self._obey(line)

    def _read(self) -> str | None:
        self._waiting = True
        try:
            return input(PROMPT).strip()
        except EOFError:
            print()
            return None
        except KeyboardInterrupt:
            print()
            return ""
        finally:
            self._waiting = False

    def _obey(self, line: str) -> None:
        try:
            command = written(line)
            if redacted(command.encode()) == command.encode():
                readline.add_history(line)
            answer = self._session.say(command)
        except (UsageError, ValueError, Error) as error:
            print(error)
            return
        except KeyboardInterrupt:
            print("\nit goes on in the module; its answer is not waited for")
            return
        print(*map(printable, answer.lines), answer.result, sep="\n")

    def above(self, text: str) -> None:
        """Print over the prompt, and the prompt with what was typed again. Called in the other thread."""
        if self._waiting:
            sys.stdout.write(f"\r\x1b[K{text}\n{PROMPT}{readline.get_line_buffer()}")
        else:
            sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


@contextmanager
def history() -> Iterator[None]:
    """The lines of earlier consoles; where they cannot be kept they are not."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    path = Path(state) / "esp32sock" / "history"
    readline.set_auto_history(False)
    readline.set_history_length(HISTORY_LINES)
    with suppress(OSError):
        readline.read_history_file(path)
    try:
        yield
    finally:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            readline.write_history_file(path)


@contextmanager
def completing(choices: list[str]) -> Iterator[None]:
    """Tab completes these, in any letter case."""

    def complete(text: str, number: int) -> str | None:
        found = [choice for choice in choices if choice.startswith(text.upper())]
        return found[number] if number < len(found) else None

    readline.set_completer(complete)
    readline.set_completer_delims("")
    readline.parse_and_bind("tab: complete")
    try:
        yield
    finally:
        readline.set_completer(None)
