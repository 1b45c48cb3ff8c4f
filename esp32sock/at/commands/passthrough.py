"""Passthrough: the serial line as one link, bytes for bytes (CIPMODE, CIPSEND without a length,
SAVETRANSLINK, chapter 5 of the 2017 document).
"""

from __future__ import annotations

from enum import IntFlag
from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import Command, EndsLinks, SimpleCommand
from esp32sock.at.commands.validation import bits_of, checked_host, checked_port, checked_seconds
from esp32sock.at.params import after_colon, command_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.at.firmware import Firmware


@dataclass(frozen=True, slots=True)
class Passthrough(Command[bool]):
    """Whether sending is in passthrough mode. Source: V1.0, 5.2.10, at-dialects 7.3."""

    name: ClassVar[str] = "+CIPMODE"
    answers_with_line: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CIPMODE:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPMODE?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> bool:
        return after_colon(lines[0]) == b"1"


@dataclass(frozen=True, slots=True)
class EnterPassthrough(EndsLinks):
    """Begin to send raw: its result is the prompt, and nothing behind that is a command until `+++`.

    Needs single-link mode, one open link and AT+CIPMODE=1. The document has the prompt alone, without OK.
    Source: V1.0, 5.2.4, at-dialects 7.10.
    """

    name: ClassVar[str] = "+CIPSEND"

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPSEND")

    @property
    def begins_passthrough(self) -> bool:
        return True

    def advice(self, lines: Sequence[bytes]) -> str:
        return "passthrough needs AT+CIPMUX=0, one open link and AT+CIPMODE=1"


class Messages(IntFlag):
    """Additional messages: the bits of AT+SYSMSG (at-dialects 5; the last from 2.1 on)."""

    LEAVING_PASSTHROUGH = 1
    LINK_DETAILS = 2
    LINKS_IN_PASSTHROUGH = 4


@dataclass(frozen=True, slots=True)
class SystemMessages(Command[Messages]):
    """The additional messages that are on. Source: at-dialects 5, from 1.2 on."""

    name: ClassVar[str] = "+SYSMSG"
    answers_with_line: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+SYSMSG:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+SYSMSG?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> Messages:
        return Messages(int(after_colon(lines[0])))


@dataclass(frozen=True, slots=True)
class SetSystemMessages(SimpleCommand):
    """Have the module say more or less besides. Source: at-dialects 5, from 1.2 on."""

    name: ClassVar[str] = "+SYSMSG"

    messages: Messages

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+SYSMSG", bits_of(Messages, self.messages))


@dataclass(frozen=True, slots=True)
class StoreTcpPassthrough(SimpleCommand):
    """Have the module enter passthrough over this TCP link after every start; keep-alive 0 (off) to 7200 s.

    Source: V1.0, 5.2.11, at-dialects 7.10.
    """

    name: ClassVar[str] = "+SAVETRANSLINK"

    host: str
    port: int
    keepalive_s: int | None = None

    def line(self, firmware: Firmware) -> bytes:
        if self.keepalive_s is not None:
            checked_seconds("keep-alive", self.keepalive_s)
        host, port = checked_host(self.host), checked_port(self.port)
        return command_line("+SAVETRANSLINK", 1, host, port, "TCP", self.keepalive_s)


@dataclass(frozen=True, slots=True)
class StoreUdpPassthrough(SimpleCommand):
    """Have the module enter passthrough over this UDP link after every start.

    Source: V1.0, 5.2.11, at-dialects 7.10.
    """

    name: ClassVar[str] = "+SAVETRANSLINK"

    host: str
    port: int
    local_port: int | None = None

    def line(self, firmware: Firmware) -> bytes:
        local_port = None if self.local_port is None else checked_port(self.local_port)
        host, port = checked_host(self.host), checked_port(self.port)
        return command_line("+SAVETRANSLINK", 1, host, port, "UDP", local_port)


@dataclass(frozen=True, slots=True)
class ForgetPassthrough(SimpleCommand):
    """Have the module start in command mode again. Source: V1.0, 5.2.11, at-dialects 7.10."""

    name: ClassVar[str] = "+SAVETRANSLINK"

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+SAVETRANSLINK", 0)
