"""`esp32sock at`: send AT commands from arguments, a pipe, or a console with history and completion.

The console runs in the main thread, because readline and Ctrl-C need it. The session with the module runs in
another thread, which prints unsolicited results above the prompt. Passwords are neither stored nor shown.
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

from esp32sock._files import open_private
from esp32sock.at.commands import Raw, SecretRaw
from esp32sock.at.commands.catalogue import CATALOGUE
from esp32sock.at.commands.prompting import asks_for_payload, begins_stream
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
        r"AT\+UART(_CUR|_DEF)?=(?!\?).*", re.IGNORECASE
    ): "this machine's port would keep the old settings; use `esp32sock uart`",
}
"""Commands that the console cannot send besides those with payload, and what to use instead."""

WITH_PAYLOAD = (
    "payload follows its prompt; use `esp32sock get`, `put` or `passthrough`, or a program with sockets"
)

WIFI = {
    Wifi.CONNECTED: "WIFI CONNECTED",
    Wifi.GOT_IP: "WIFI GOT IP",
    Wifi.GOT_IPV6: "WIFI GOT IPv6",
    Wifi.DISCONNECTED: "WIFI DISCONNECT",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to one command: its final result and the lines before it."""

    command: str
    result: str
    lines: tuple[str, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Send AT commands to the module and print the replies. The commands come from the arguments, from a "
        "pipe (one per line), or from a prompt with history and completion."
    )
    add_options(parser)
    parser.add_argument(
        "commands", nargs="*", metavar="COMMAND", help="for example AT+GMR; AT+ may be omitted"
    )
    parser.set_defaults(run=lambda arguments: handle_errors(arguments, lambda: run(arguments)))


def run(arguments: argparse.Namespace) -> int | None:
    if not arguments.commands and sys.stdin.isatty():
        if arguments.json:
            raise UsageError("--json needs the commands as arguments or in a pipe")
        with in_background(arguments) as session:
            Console(session).run()
        return None
    lines = arguments.commands or [line for line in map(str.strip, sys.stdin) if line]
    commands = [command_line(line) for line in lines]
    with in_background(arguments) as session:
        replies = [send(session, arguments, command) for command in commands]
    if arguments.json:
        print_result(arguments, {"commands": replies}, lambda: None)
    return FAILED if any(reply.result != "OK" for reply in replies) else None


def command_line(line: str) -> str:
    """The complete command for a line: `gmr` becomes AT+gmr. UsageError for one that cannot be sent."""
    text = line.strip()
    if text[:2].upper() != "AT" or re.fullmatch(r"AT[A-Z]{2,}.*", text, re.IGNORECASE):
        text = f"AT+{text}"
    encoded = os.fsencode(text)
    if asks_for_payload(encoded) or begins_stream(encoded):
        raise UsageError(f"{text.partition('=')[0]}: {WITH_PAYLOAD}")
    for pattern, advice in NOT_LINES.items():
        if pattern.fullmatch(text):
            raise UsageError(f"{text.partition('=')[0]}: {advice}")
    return text


def send(session: BackgroundSession, arguments: argparse.Namespace, command: str) -> Reply:
    """Execute one command; its reply is printed unless JSON is wanted."""
    reply = session.send(command)
    if not arguments.json:
        print(*map(printable, reply.lines), reply.result, sep="\n")
    return reply


class BackgroundSession:
    """A management session that runs in another thread."""

    def __init__(self, session: ManagementSession, token: trio.lowlevel.TrioToken) -> None:
        self._session = session
        self._token = token
        self._reporting = False
        self.completions = sorted({entry.written for entry in CATALOGUE if entry.exists_in(session.firmware)})
        self.firmware = str(session.firmware)

    def send(self, command: str) -> Reply:
        """Execute a command and wait for its reply; PortError when the port is lost."""
        shown = redacted(command.encode())
        raw = (Raw if shown == command.encode() else SecretRaw)(command.encode())
        try:
            lines = trio.from_thread.run(self._execute, raw, trio_token=self._token)
        except CommandError as error:
            code = "" if error.error_code is None else f" (code 0x{error.error_code:08x})"
            return Reply(shown.decode(), error.result + code, _texts(error.lines))
        return Reply(shown.decode(), "OK", _texts(lines))

    async def _execute(self, raw: Raw) -> list[bytes]:
        """The reply lines. Events that came before them have been printed when this returns."""
        try:
            return await self._session.execute(raw)
        finally:
            for _ in range(2):  # an event in transfer needs one more checkpoint, and others may follow it
                await trio.lowlevel.checkpoint()
                while self._session.events.statistics().current_buffer_used and self._reporting:
                    await trio.lowlevel.checkpoint()

    def report_to(self, console: Console) -> None:
        """Have the console print unsolicited results."""
        self._token.run_sync_soon(self._start_reporting, console)

    def _start_reporting(self, console: Console) -> None:
        self._reporting = True
        trio.lowlevel.spawn_system_task(self._report, console)

    async def _report(self, console: Console) -> None:
        async for event in self._session.events:
            text = report(event)
            if text is not None:
                console.print_above(text)


def _texts(lines: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(redacted(line).decode("utf-8", "replace") for line in lines)


def report(event: Event) -> str | None:
    """The line that the module printed for an event; None for an event without one."""
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
def in_background(arguments: argparse.Namespace) -> Iterator[BackgroundSession]:
    """Open the module in another thread, which ends with the block."""
    entered: Future[trio.lowlevel.TrioToken] = Future()
    started: Future[BackgroundSession] = Future()
    scope = trio.CancelScope()

    async def run() -> None:
        token = trio.lowlevel.current_trio_token()
        entered.set_result(token)
        with scope:
            async with open_module(arguments) as session:
                started.set_result(BackgroundSession(session, token))
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
    """The interactive prompt."""

    def __init__(self, session: BackgroundSession) -> None:
        self._session = session
        self._waiting = False
        """Whether the cursor is at the prompt."""

    def run(self) -> None:
        """Execute lines until the end of input, `quit` or `exit`."""
        print(
            f"{self._session.firmware}\nTab completes, arrow keys show earlier lines, `quit` or Ctrl-D ends."
        )
        self._session.report_to(self)
        with history(), completing(self._session.completions):
            while (line := self._read()) not in (None, "quit", "exit"):
                if line:
                    self._execute(line)

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

    def _execute(self, line: str) -> None:
        try:
            command = command_line(line)
            if redacted(command.encode()) == command.encode():
                readline.add_history(line)
            reply = self._session.send(command)
        except (UsageError, ValueError, Error) as error:
            print(error)
            return
        except KeyboardInterrupt:
            print("\nthe module still executes the command; its reply is ignored")
            return
        print(*map(printable, reply.lines), reply.result, sep="\n")

    def print_above(self, text: str) -> None:
        """Print a line above the prompt and restore the typed text. The session's thread calls it."""
        if self._waiting:
            sys.stdout.write(f"\r\x1b[K{text}\n{PROMPT}{readline.get_line_buffer()}")
        else:
            sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


@contextmanager
def history() -> Iterator[None]:
    """Load the history file and save it at the end; a file that cannot be read or written is ignored."""
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
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _save_history(path)


def _save_history(path: Path) -> None:
    """Write the history so that only its user can read it; OSError for another user's link or file."""
    lines = [readline.get_history_item(number + 1) for number in range(readline.get_current_history_length())]
    with open_private(path) as file:
        file.write("".join(f"{line}\n" for line in lines[-HISTORY_LINES:]).encode("utf-8", "surrogateescape"))


@contextmanager
def completing(choices: list[str]) -> Iterator[None]:
    """Tab completes `choices`, in any letter case."""

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
