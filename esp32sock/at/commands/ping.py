"""Whether a host answers (PING, which later documents added)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import Command
from esp32sock.at.commands.validation import checked_host
from esp32sock.at.params import after_colon, command_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.at.firmware import Firmware

_NONOS = re.compile(rb"\+(\d{1,9})")
"""What the NonOS firmware of the ESP8266 answers (at-dialects 7.2)."""


@dataclass(frozen=True, slots=True)
class Ping(Command[timedelta]):
    """The round trip to a host, in whole milliseconds. Source: at-dialects 7.2, from 1.0 on."""

    name: ClassVar[str] = "+PING"
    answers_with_line: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+PING:",)
    timeout: ClassVar[float] = 35.0
    """The name may have to be looked up first: as long as CIPDOMAIN, and a second."""

    host: str

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+PING", checked_host(self.host))

    def matches_line(self, text: bytes) -> bool:
        return text.startswith(self.prefixes) or _NONOS.fullmatch(text) is not None

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> timedelta:
        shown = _NONOS.fullmatch(lines[0])
        return timedelta(milliseconds=int(shown[1] if shown else after_colon(lines[0])))

    def advice(self, lines: Sequence[bytes]) -> str:
        return "the host did not answer" if b"+PING:TIMEOUT" in lines else ""
