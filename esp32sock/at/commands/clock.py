"""The module's clock, asked and set directly (SYSTIMESTAMP); `sntp.py` has it set by the network."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import Command, SimpleCommand
from esp32sock.at.params import after_colon, command_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.at.firmware import Firmware

LAST_S = (1 << 31) - 1
"""Of a signed number of 32 bits; what is really the last is not documented."""


@dataclass(frozen=True, slots=True)
class Clock(Command[datetime]):
    """What the module's clock shows, in UTC; 1970 after a boot. Source: at-dialects 5 (AT+SYSTIMESTAMP?)."""

    name: ClassVar[str] = "+SYSTIMESTAMP"
    answers_with_line: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+SYSTIMESTAMP:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+SYSTIMESTAMP?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> datetime:
        return datetime.fromtimestamp(int(after_colon(lines[0])), UTC)


@dataclass(frozen=True, slots=True)
class SetClock(SimpleCommand):
    """Set the module's clock to an aware time, 1970 to 2038. Source: at-dialects 5 (AT+SYSTIMESTAMP=)."""

    name: ClassVar[str] = "+SYSTIMESTAMP"

    time: datetime

    def line(self, firmware: Firmware) -> bytes:
        if self.time.tzinfo is None:
            raise ValueError(f"{self.time} names no time zone: give an aware time, such as datetime.now(UTC)")
        seconds = int(self.time.timestamp())
        if not 0 <= seconds <= LAST_S:
            raise ValueError(f"{self.time} is outside 1970 to 2038")
        return command_line("+SYSTIMESTAMP", seconds)
