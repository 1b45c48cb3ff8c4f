"""Whether and how often the station joins again by itself (CWRECONNCFG, from firmware 2.2 on)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import Command, SimpleCommand
from esp32sock.at.commands.validation import checked_seconds
from esp32sock.at.params import after_colon, command_line, fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.at.firmware import Firmware

MAX_TIMES = 1000


@dataclass(frozen=True, slots=True)
class Rejoining:
    """Every so many seconds, 0 for never; at most so many times, 0 for without an end."""

    interval_s: int
    times: int = 0


@dataclass(frozen=True, slots=True)
class GetRejoining(Command[Rejoining]):
    """How the station joins again after it lost its network. Source: at-dialects 6, from 2.2 on."""

    name: ClassVar[str] = "+CWRECONNCFG"
    answers_with_line: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CWRECONNCFG:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CWRECONNCFG?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> Rejoining:
        interval_s, times = fields(after_colon(lines[0]))[:2]
        return Rejoining(int(interval_s), int(times))


@dataclass(frozen=True, slots=True)
class SetRejoining(SimpleCommand):
    """Set it: every 0 (never) to 7200 s, at most 0 (without an end) to 1000 times.

    Source: at-dialects 6, from 2.2 on.
    """

    name: ClassVar[str] = "+CWRECONNCFG"

    rejoining: Rejoining

    def line(self, firmware: Firmware) -> bytes:
        interval_s, times = self.rejoining.interval_s, self.rejoining.times
        if not 0 <= times <= MAX_TIMES:
            raise ValueError(f"{times} tries to join again are outside 0 to {MAX_TIMES}")
        return command_line("+CWRECONNCFG", checked_seconds("interval", interval_s), times)
