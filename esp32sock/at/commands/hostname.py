"""The name that the station gives itself with DHCP (CWHOSTNAME, which later documents added)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import Command, SimpleCommand
from esp32sock.at.params import after_colon, command_line, utf_8

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.at.firmware import Firmware

MAX_HOSTNAME_BYTES = 32


@dataclass(frozen=True, slots=True)
class Hostname(Command[str]):
    """The station's host name. Source: at-dialects 6, from 0.10 on."""

    name: ClassVar[str] = "+CWHOSTNAME"
    answers_with_line: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CWHOSTNAME:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CWHOSTNAME?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> str:
        return after_colon(lines[0]).decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class SetHostname(SimpleCommand):
    """Give the station another host name, 1 to 32 bytes, for its next DHCP; a restart forgets it.

    Source: at-dialects 6, from 0.10 on.
    """

    name: ClassVar[str] = "+CWHOSTNAME"

    hostname: str

    def line(self, firmware: Firmware) -> bytes:
        length = len(utf_8(self.hostname))
        if not 1 <= length <= MAX_HOSTNAME_BYTES:
            raise ValueError(f"a host name has 1 to {MAX_HOSTNAME_BYTES} bytes, this one {length}")
        return command_line("+CWHOSTNAME", self.hostname)
