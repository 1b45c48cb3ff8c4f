"""Basic commands (chapter 3 of the 2017 document)."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import Command, EndsLinks, SimpleCommand
from esp32sock.at.commands.validation import one_of
from esp32sock.at.firmware import Firmware, parse_gmr
from esp32sock.at.params import after_colon, command_line, fields

if TYPE_CHECKING:
    from collections.abc import Sequence


class Parity(IntEnum):
    """As AT+UART counts it (V1.0, 3.2.7)."""

    NONE = 0
    ODD = 1
    EVEN = 2


class FlowControl(IntEnum):
    """Which of the module's lines are wired and used (V1.0, 3.2.7); RTS is the module's output."""

    NONE = 0
    RTS = 1
    CTS = 2
    RTS_CTS = 3


@dataclass(frozen=True, slots=True)
class Test(SimpleCommand):
    """Does anything answer? Source: V1.0, 3.2.1."""

    name: ClassVar[str] = ""
    timeout: ClassVar[float] = 1.0

    def line(self, firmware: Firmware) -> bytes:
        return command_line("")


@dataclass(frozen=True, slots=True)
class Echo(SimpleCommand):
    """Turn the echo of command lines on or off; on after every boot. Source: V1.0, 3.2.5, at-dialects 3.2."""

    name: ClassVar[str] = "E"

    on: bool

    def line(self, firmware: Firmware) -> bytes:
        return command_line("E1" if self.on else "E0")


@dataclass(frozen=True, slots=True)
class TestForm(Command["list[str]"]):
    """What a command's test form prints of its parameters and their ranges, without its name; often nothing.

    `command` is the name as in `+CIPSEND`. Source: V1.0, 2, at-dialects 4.1, real-firmware.
    """

    name: ClassVar[str] = " (test)"

    command: str

    def line(self, firmware: Firmware) -> bytes:
        if not _NAME.fullmatch(self.command):
            raise ValueError(f"{self.command!r} is not a command name such as +CIPSEND")
        return b"AT" + self.command.encode() + b"=?"

    def matches_line(self, text: bytes) -> bool:
        return text.startswith(self.command.encode() + b":")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> list[str]:
        return [after_colon(line).decode("utf-8", "replace") for line in lines]


_NAME = re.compile(r"\+[A-Z][A-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Version(Command[Firmware]):
    """Which firmware this is. Source: V1.0, 3.2.3, at-dialects 5.2."""

    name: ClassVar[str] = "+GMR"
    answers_with_line: ClassVar[bool] = True

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+GMR")

    def matches_line(self, text: bytes) -> bool:
        """All text is taken: vendors add lines of their own."""
        return b":" in text

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> Firmware:
        return parse_gmr(lines)


@dataclass(frozen=True, slots=True)
class Restart(EndsLinks):
    """Restart the module; every link is gone, most settings too. Source: V1.0, 3.2.2, at-dialects 5."""

    name: ClassVar[str] = "+RST"

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+RST")


@dataclass(frozen=True, slots=True)
class Restore(EndsLinks):
    """Forget everything stored and restart; the serial rate too is the default again.

    Source: V1.0, 3.2.6, at-dialects 5.
    """

    name: ClassVar[str] = "+RESTORE"

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+RESTORE")


@dataclass(frozen=True, slots=True)
class Memory:
    """The module's free RAM, and from 2.2 on the least there ever was since it started."""

    free_bytes: int
    least_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class FreeMemory(Command[Memory]):
    """How much RAM is free. Source: V1.0, 3.2.11, at-dialects 5."""

    name: ClassVar[str] = "+SYSRAM"
    answers_with_line: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+SYSRAM:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+SYSRAM?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> Memory:
        values = [int(value) for value in fields(after_colon(lines[0]))]
        return Memory(values[0], values[1] if len(values) > 1 else None)


@dataclass(frozen=True, slots=True)
class UartSettings:
    """The serial line as the module sees it; `baudrate` read back may be off by one (at-dialects 5.1)."""

    baudrate: int
    databits: int = 8
    stopbits: int = 1
    parity: Parity = Parity.NONE
    flow: FlowControl = FlowControl.RTS


def _read_uart(lines: Sequence[bytes]) -> UartSettings:
    baudrate, databits, stopbits, parity, flow = (int(value) for value in fields(after_colon(lines[0])))
    return UartSettings(baudrate, databits, stopbits, Parity(parity), FlowControl(flow))


def _uart_line(name: str, wanted: UartSettings) -> bytes:
    if not 80 <= wanted.baudrate <= 5_000_000:
        raise ValueError(f"baudrate {wanted.baudrate} is outside 80 to 5000000")
    if not 5 <= wanted.databits <= 8 or not 1 <= wanted.stopbits <= 3:
        raise ValueError(f"data bits {wanted.databits} or stop bits {wanted.stopbits} do not exist")
    return command_line(
        name,
        wanted.baudrate,
        wanted.databits,
        wanted.stopbits,
        one_of(Parity, wanted.parity),
        one_of(FlowControl, wanted.flow),
    )


@dataclass(frozen=True, slots=True)
class Uart(Command[UartSettings]):
    """The serial settings in force; the document has no query. Source: V1.0, 3.2.8, real-firmware."""

    name: ClassVar[str] = "+UART_CUR"
    answers_with_line: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+UART_CUR:", b"+UART:")

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+UART_CUR?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> UartSettings:
        return _read_uart(lines)


@dataclass(frozen=True, slots=True)
class SetUart(EndsLinks):
    """Change the serial settings until the next restart; OK comes at the old rate, then they apply.

    Baud 80 to 5,000,000, data bits 5 to 8, stop bits 1, 2 (meaning 1.5) or 3 (meaning 2).
    Source: V1.0, 3.2.8, at-dialects 5.1.
    """

    name: ClassVar[str] = "+UART_CUR"

    settings: UartSettings

    def line(self, firmware: Firmware) -> bytes:
        return _uart_line("+UART_CUR", self.settings)


@dataclass(frozen=True, slots=True)
class StoredUart(Command[UartSettings]):
    """The serial settings after a restart; no query in the document. Source: V1.0, 3.2.9, at-dialects 5.1."""

    name: ClassVar[str] = "+UART_DEF"
    answers_with_line: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+UART_DEF:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+UART_DEF?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> UartSettings:
        return _read_uart(lines)


@dataclass(frozen=True, slots=True)
class SetStoredUart(EndsLinks):
    """Change the serial settings now and for good; the ranges are those of `SetUart`.

    Source: V1.0, 3.2.9, at-dialects 5.1.
    """

    name: ClassVar[str] = "+UART_DEF"

    settings: UartSettings

    def line(self, firmware: Firmware) -> bytes:
        return _uart_line("+UART_DEF", self.settings)


@dataclass(frozen=True, slots=True)
class LegacyUart(Command[UartSettings]):
    """The serial settings in force, by the command's first name; later documents leave it out.

    Source: V1.0, 3.2.7, at-dialects 5.1.
    """

    name: ClassVar[str] = "+UART"
    answers_with_line: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+UART:", b"+UART_CUR:")

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+UART?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> UartSettings:
        return _read_uart(lines)


@dataclass(frozen=True, slots=True)
class SetLegacyUart(EndsLinks):
    """As `SetStoredUart`, by the command's first name. Source: V1.0, 3.2.7, at-dialects 5.1."""

    name: ClassVar[str] = "+UART"

    settings: UartSettings

    def line(self, firmware: Firmware) -> bytes:
        return _uart_line("+UART", self.settings)


@dataclass(frozen=True, slots=True)
class StoreSettings(SimpleCommand):
    """Whether later settings go into the flash. Source: at-dialects 5, from 2.1 on."""

    name: ClassVar[str] = "+SYSSTORE"

    on: bool

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+SYSSTORE", bool(self.on))


@dataclass(frozen=True, slots=True)
class ErrorCodes(SimpleCommand):
    """Have every ERROR come with its number, and from 5.0 on failed connections with theirs.

    Source: at-dialects 3.3, 5 (AT+SYSLOG, from 2.0 on).
    """

    name: ClassVar[str] = "+SYSLOG"

    on: bool

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+SYSLOG", bool(self.on))
