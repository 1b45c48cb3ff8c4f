"""Sleep, deep and light (GSLP and SLEEP, chapter 3 of the 2017 document)."""

from __future__ import annotations

from datetime import timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import Command, SimpleCommand
from esp32sock.at.commands.validation import one_of
from esp32sock.at.params import after_colon, command_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.at.firmware import Firmware

MAX_SLEEP = timedelta(milliseconds=(1 << 31) - 1)
"""What the number of GSLP can hold; 2^32 was refused on 2.0 (observed)."""


class SleepMode(IntEnum):
    """How the module saves power (V1.0, 3.2.10; 2 from 2.1 on, 3 from 3.x, at-dialects 5)."""

    OFF = 0
    MODEM = 1
    LIGHT = 2
    MODEM_LISTEN = 3


@dataclass(frozen=True, slots=True)
class DeepSleep(Command[timedelta]):
    """Sleep so long, at most 24 days; the module restarts afterwards, so every link ends.

    The result is the time that the module reports. Source: V1.0, 3.2.4, at-dialects 5.
    """

    name: ClassVar[str] = "+GSLP"

    duration: timedelta

    @property
    def milliseconds(self) -> int:
        return self.duration // timedelta(milliseconds=1)

    @property
    def ends_links(self) -> bool:
        return True

    def line(self, firmware: Firmware) -> bytes:
        if not timedelta(milliseconds=1) <= self.duration <= MAX_SLEEP:
            raise ValueError(f"a deep sleep of {self.duration} is outside 1 ms to {MAX_SLEEP}")
        return command_line("+GSLP", self.milliseconds)

    def matches_line(self, text: bytes) -> bool:
        """A line that is just the number."""
        return text == b"%d" % self.milliseconds

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> timedelta:
        return timedelta(milliseconds=int(lines[0]))


@dataclass(frozen=True, slots=True)
class Sleep(Command[SleepMode]):
    """The sleep mode in force; the document has no query. Source: V1.0, 3.2.10, at-dialects 5."""

    name: ClassVar[str] = "+SLEEP"
    answers_with_line: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+SLEEP:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+SLEEP?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> SleepMode:
        return SleepMode(int(after_colon(lines[0])))


@dataclass(frozen=True, slots=True)
class SetSleep(SimpleCommand):
    """Change the sleep mode. Source: V1.0, 3.2.10, at-dialects 5."""

    name: ClassVar[str] = "+SLEEP"

    mode: SleepMode

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+SLEEP", one_of(SleepMode, self.mode))
