"""The process task of the firmware: one command at a time, from its line to its result."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

from esp32sock.simulator.firmware.commands.call import Call
from esp32sock.simulator.firmware.commands.params import Arguments
from esp32sock.simulator.firmware.commands.registry import handler_for
from esp32sock.simulator.firmware.results import (
    CommandRefused,
    Result,
    no_leading_at,
    text_behind_command,
    unknown_command,
)

if TYPE_CHECKING:
    from esp32sock.simulator.firmware.commands.call import Form
    from esp32sock.simulator.firmware.commands.registry import Handler
    from esp32sock.simulator.firmware.firmware import Firmware
    from esp32sock.simulator.kernel import Process

BARE_COMMANDS = ("AT", "ATE0", "ATE1")
"""The commands without a `+`; they stand under these names in profiles and registry."""

_COMMA_BEHIND = re.compile(rb"\A(ATE[01]|AT\+GMR),.*\Z", re.IGNORECASE | re.DOTALL)

_LINE = re.compile(
    rb"AT(?P<name>\+?[A-Z0-9_-]*)(?P<kind>\Z|\?\Z|=\?\Z|=(?!\?))(?P<rest>.*)\Z", re.IGNORECASE | re.DOTALL
)


def parse(line: bytes, *, capitals: bool = False) -> tuple[str, Form, bytes]:
    """A line without its CR LF as command name, form and argument text.

    The name is upper case without `AT+`; `AT`, `ATE0` and `ATE1` stand for themselves. Whatever stands behind
    a complete command is refused before its name is looked at (1.0: 02 for `AT++`, 09 for `AT+`). `capitals`:
    a name in other letters is none.
    """
    line = line.lstrip(b"\0")  # NUL in front is skipped (observed 2.0)
    if line[:2].upper() != b"AT":
        raise no_leading_at()
    match = _LINE.match(line)
    if match is None:
        raise text_behind_command()
    word = match["name"].decode().upper()
    if capitals and not line.startswith(b"AT" + match["name"].upper()):
        raise unknown_command()
    name = word[1:] if word.startswith("+") else "AT" + word
    if word.startswith("+") == (name in BARE_COMMANDS):
        raise unknown_command()  # neither AT+ATE0 nor ATI (sweep of ATE)
    form: Form = {b"": "e", b"?": "q", b"=?": "t", b"=": "s"}[match["kind"]]  # type: ignore[assignment]
    if name == "AT" and form != "e":
        raise unknown_command()  # 09 for AT? (sweep of AT, 1.0)
    return name, form, match["rest"]


class Executor:
    """Runs commands. `running` is what makes every other line `busy p...`."""

    def __init__(self, firmware: Firmware) -> None:
        self._firmware = firmware
        self._process: Process | None = None

    @property
    def running(self) -> bool:
        return self._process is not None

    def submit(self, line: bytes) -> None:
        """Begin with a command line; nothing else may be running."""
        self._process = self._firmware.board.spawn(self._execute(line))

    def reset(self) -> None:
        self._process = None

    async def _execute(self, line: bytes) -> None:
        board = self._firmware.board
        faults = board.faults
        command_s = board.settings.timing.command_s
        if command_s:
            await board.kernel.sleep(command_s)
        if faults.active:
            faults.gap("before command")
        call: Call | None = None
        try:
            if board.profile.comma_ends_echo:
                line = _COMMA_BEHIND.sub(rb"\1", line)
            name, form, text = parse(line, capitals=board.profile.capitals_only)
            handler = self._find(name, form)
            arguments = Arguments(text, blanks=board.profile.takes_blanks)
            call = Call(self._firmware, name, form, arguments)
            outcome = handler(call)
            if inspect.iscoroutine(outcome):
                outcome = await outcome
            result = outcome if isinstance(outcome, Result) else Result.OK
        except CommandRefused as refusal:
            if faults.active:
                faults.gap("before result")
            board.print_refusal(refusal)
        else:
            if faults.active:
                faults.gap("before result")
            board.write(board.spelling(result))
        await board.until_room()  # the writes of this command had to wait
        self._process = None
        if call is not None:
            for action in call.afterwards:
                action()
        if faults.active:
            faults.gap("after result")

    def _find(self, name: str, form: Form) -> Handler:
        profile = self._firmware.board.profile
        if name not in profile.commands:
            raise unknown_command()
        handler = handler_for(profile, name, form)
        if handler is None:
            raise CommandRefused  # a form that a known command lacks gives the bare ERROR (observed 1.0)
        return handler
