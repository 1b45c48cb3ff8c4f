"""IPv6 on or off (AT+CIPV6, from firmware 2.2 on)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import Command, EndsLinks
from esp32sock.at.params import after_colon, command_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.at.firmware import Firmware


@dataclass(frozen=True, slots=True)
class Ipv6(Command[bool]):
    """Whether IPv6 is on. Source: at-dialects 7.14, from 2.2 on."""

    name: ClassVar[str] = "+CIPV6"
    answers_with_line: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CIPV6:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPV6?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> bool:
        return after_colon(lines[0]) == b"1"


@dataclass(frozen=True, slots=True)
class SetIpv6(EndsLinks):
    """Turn IPv6 on or off; an address comes with the next join. Source: at-dialects 7.14, from 2.2 on."""

    name: ClassVar[str] = "+CIPV6"

    on: bool

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPV6", bool(self.on))
