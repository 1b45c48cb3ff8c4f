"""Text and commands: the console's lines, quoting, redaction, what answers and unsolicited lines mean.

An input is a line. What holds:

- the console sends a line, or says UsageError or ValueError; what it sends is one line, and none that asks
  for payload or begins a stream;
- what `params.quote` writes, the simulator's parser, which knows nothing of it, reads back as the same text;
- a password is not shown: not of the commands that have one, nor of their echo, whole or cut short;
- what may be printed has no control character;
- every command reads any answer as a result or a CommandError; an unsolicited line is known, or it is not.
"""

from __future__ import annotations

import os
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from esp32sock.at.commands import scan, softap, wifi
from esp32sock.at.commands.base import Raw
from esp32sock.at.commands.catalogue import CATALOGUE
from esp32sock.at.commands.redaction import HIDDEN, redacted
from esp32sock.at.events import CommandDone
from esp32sock.at.firmware import Firmware
from esp32sock.at.params import command_line, fields
from esp32sock.at.urcs import parse_urc
from esp32sock.cli import at as console
from esp32sock.cli.common import UsageError
from esp32sock.cli.output import printable
from esp32sock.engine.command_outcome import result_of
from esp32sock.errors import CommandError
from esp32sock.simulator.firmware.commands.params import split
from fuzz import corpus
from fuzz.controls import Controls

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from esp32sock.at.commands import Command

UNIT = "bytes"
MAX_BYTES = 600

VERSIONS = ((2, 0, 0, 0), (1, 0, 0, 0), (2, 4, 0, 0), (4, 1, 0, 0), (0, 0, 0, 0))

_ASKS = re.compile(
    rb"AT\+(?:CIPSEND(?:EX|L)?(?:=\d+,\d+|=[1-9]\d*)?\s*|MQTTPUBRAW=.*|HTTPCPOST=.*|WSSEND=.*|SYSFLASH=1,.*"
    rb"|BLEGATTCWR=.*|USEROTA=\d+)",
    re.IGNORECASE | re.DOTALL,
)
"""Lines that ask for payload, by this file's own reading of at-dialects 7.13."""


ODD = (
    b"",
    b"0",
    b"1",
    b"-1",
    b"9",
    b"99",
    b"65536",
    b"x",
    b'""',
    b'"x"',
    b'"10.0.2.2"',
    b'"x',
    b"\xff",
    b"1.5",
)
"""Fields of a line."""

_NUMBERS = re.compile(rb"(?:,\d{1,2})*")


@cache
def command_types() -> tuple[type[Command[Any]], ...]:
    return tuple(dict.fromkeys(entry.command for entry in CATALOGUE))


def dictionary() -> list[bytes]:
    prefixes = {prefix for kind in command_types() for prefix in kind.prefixes}
    names = {entry.written.encode() for entry in CATALOGUE}
    return [
        *prefixes,
        *names,
        b'","',
        b"\\\\",
        b'\\"',
        b"0x",
        b",,",
        b'"10.0.2.2"',
        b"\xff",
        b"-1",
        b"\n",
        b"\x1b[2J",
    ]


def seeds() -> Iterator[bytes]:
    kinds = len(command_types())
    lines = sorted({line for piece in corpus.said("M", 1 << 20) for line in piece.split(b"\r\n") if line})
    for number, line in enumerate(lines[:: max(1, len(lines) // 1500)]):
        yield bytes([number % kinds, number % 5]) + line[:400]
    for number, kind in enumerate(command_types()):
        for prefix in kind.prefixes:
            for values in (b'"a",1,2,3,4', b"1", b'"10.0.2.2","255.0.0.0"', b"0,1,2"):
                yield bytes([number, number % 5]) + prefix + values
    for number, kind in enumerate(command_types()):
        for line in _odd(lines, tuple(kind.prefixes)):
            yield bytes([number, number % 5]) + line
    for line in _odd(lines, (b"0,", b"1,", b"+", b"WIFI", b"STA")):
        yield b"\0\0" + line
    asked = sorted({line for piece in corpus.said("H", 1 << 20) for line in piece.split(b"\r\n") if line})
    for line in asked[:: max(1, len(asked) // 800)]:
        yield b"\0\0" + line[:400]


def _odd(lines: Sequence[bytes], prefixes: tuple[bytes, ...]) -> Iterator[bytes]:
    """Of each shape of line that begins so, one with each field replaced by each odd one."""
    shapes = {}
    for line in lines:
        if line.startswith(prefixes):
            shapes.setdefault((re.split(rb"[:,]", line)[0], line.count(b",")), line)
    for line in shapes.values():
        head, colon, rest = line.partition(b":")
        parts = (rest if colon else head).split(b",")
        for at in range(len(parts)):
            for odd in ODD:
                changed = [*parts[:at], odd, *parts[at + 1 :]]
                yield (head + colon if colon else b"") + b",".join(changed)


def run(data: bytes) -> int:
    controls = Controls(data)
    kind, version = controls.choice(command_types()), controls.choice(VERSIONS)
    text, firmware = controls.rest(), Firmware(version)
    _check_console(text, firmware)
    _check_quoting(text)
    _check_redaction(text, firmware)
    _check_answer(kind, text, firmware)
    for mux in (True, False):
        parse_urc(text, mux=mux)
    shown = printable(text.decode("utf-8", "replace"))
    assert shown.isprintable(), f"{shown!r} is shown"
    return len(data)


def _check_console(text: bytes, firmware: Firmware) -> None:
    try:
        command = console.command_line(os.fsdecode(text))
        line = Raw(os.fsencode(command)).line(firmware)
    except (UsageError, ValueError):
        return
    assert not re.search(rb"[\r\n\0]", line), f"{line!r} is more than a line"
    assert line[:2].upper() == b"AT", f"{line!r} is no command"
    assert not _ASKS.fullmatch(line), f"{line!r} asks for payload"


def _check_quoting(text: bytes) -> None:
    decoded = os.fsdecode(text)
    try:
        line = command_line("+X", decoded, 5, decoded)
    except ValueError:
        return
    assert split(line.removeprefix(b"AT+X=")) == [decoded, b"5", decoded], f"{line!r} is read otherwise"
    assert len(fields(text)) >= 1


def _check_redaction(text: bytes, firmware: Firmware) -> None:
    """A password of this text is in no line that is shown, nor a part of it in one that was cut."""
    secret = "".join(c for c in text.decode("utf-8", "replace") if c not in "\r\n\0")[:63]
    name = secret[::-1][:20] or "net"
    _is_hidden(b'+CWSAP:"net",', b'"%s",5,3,4,0' % secret.encode())
    for command in (wifi.Join(name, secret), softap.SetSoftAp(softap.SoftApSettings(name, secret))):
        try:
            line = command.line(firmware)
        except ValueError:
            continue
        start = line.index(b"=") + 1 + len(command_line("", name)) - len(b"AT=") + 1
        _is_hidden(line[:start], line[start:])


def _is_hidden(public: bytes, secret: bytes) -> None:
    """Numbers may stand behind what is hidden: AT+CWSAP shows the channel."""
    for end in (len(secret), len(secret) - 2, len(secret) // 2):
        shown = redacted(public + secret[:end])
        hidden = shown.removeprefix(public + HIDDEN)
        assert hidden != shown or not secret[:end], f"{shown!r} shows a password"
        assert _NUMBERS.fullmatch(hidden) or not secret[:end], f"{shown!r} shows a password"


def _check_answer(kind: type[Command[Any]], text: bytes, firmware: Firmware) -> None:
    lines = tuple(text.split(b"\n")[:8])
    # What an answer means does not depend on the arguments; only a scan has those that matter.
    command = scan.Scan() if kind is scan.Scan else object.__new__(kind)
    try:
        result_of(command, CommandDone(command, lines), firmware)
    except CommandError:
        return
