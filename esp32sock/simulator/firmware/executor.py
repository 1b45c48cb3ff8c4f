"""The process task of the firmware: one command at a time, from its line to its result."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

from .params import Arguments
from .registry import Call, handler_for
from .results import Refusal, Result, no_leading_at, text_behind_command, unknown_command

if TYPE_CHECKING:
    from ..kernel import Process
    from .core import Firmware
    from .registry import Form, Handler

_LINE = re.compile(rb"AT(?:(?P<echo>E[01])|\+(?P<name>[A-Z0-9_]+))?(?P<rest>.*)\Z", re.IGNORECASE | re.DOTALL)


def parse(line: bytes) -> tuple[str, Form, bytes]:
    """A line without its CR LF as command name, form and argument text.

    The name is upper case without `AT+`; `AT`, `ATE0` and `ATE1` stand for themselves.
    """
    match = _LINE.match(line.lstrip(b"\0"))  # NUL in front is skipped (observed 2.0)
    if match is None:
        raise no_leading_at()
    rest = match["rest"]
    if match["name"] is None:
        name = "AT" + (match["echo"] or b"").decode().upper()
        if rest and not (match["echo"] and rest.startswith(b",")):  # `ATE0,1` is ATE0 (observed 2.0)
            raise text_behind_command()
        return name, "e", b""
    name = match["name"].decode().upper()
    if not rest:
        return name, "e", b""
    if rest == b"?":
        return name, "q", b""
    if rest == b"=?":
        return name, "t", b""
    if rest.startswith(b"="):
        return name, "s", rest[1:]
    raise text_behind_command()


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
        self._process = self._firmware.spawn(self._execute(line))

    def reset(self) -> None:
        self._process = None

    async def _execute(self, line: bytes) -> None:
        firmware = self._firmware
        faults = firmware.faults
        command_s = firmware.settings.timing.command_s
        if command_s:
            await firmware.kernel.sleep(command_s)
        if faults.active:
            faults.gap("before command")
        call: Call | None = None
        try:
            name, form, text = parse(line)
            handler = self._find(name, form, text)
            call = Call(firmware, name, form, Arguments(text) if form == "s" else Arguments(b""))
            outcome = handler(call)
            if inspect.iscoroutine(outcome):
                outcome = await outcome
            result = outcome if isinstance(outcome, Result) else Result.OK
        except Refusal as refusal:
            if faults.active:
                faults.gap("before result")
            firmware.print_refusal(refusal)
        else:
            if faults.active:
                faults.gap("before result")
            firmware.write(firmware.spelling(result))
        self._process = None
        if call is not None:
            for action in call.afterwards:
                action()
        if faults.active:
            faults.gap("after result")

    def _find(self, name: str, form: Form, text: bytes) -> Handler:
        profile = self._firmware.profile
        if name not in profile.commands:
            raise unknown_command()
        handler = handler_for(profile, name, form)
        # A form that a known command lacks, and `=` with nothing behind it, give the bare ERROR (observed
        # 1.0).
        if handler is None or (form == "s" and not text):
            raise Refusal
        return handler
