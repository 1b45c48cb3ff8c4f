"""Passive receive: the module keeps what arrives until it is asked for (at-dialects 7.7)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from esp32sock._constants import PULL_MAX_V2
from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import Command, EndsLinks, SimpleCommand
from esp32sock.at.commands.validation import checked_link
from esp32sock.at.params import after_colon, command_line, fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.at.firmware import Firmware

CUT_AT_BYTES = 32
"""Where 2.0 cuts the line of CIPRECVLEN (observed 2.0)."""


@dataclass(frozen=True, slots=True)
class SetReceiveMode(EndsLinks):
    """Passive or active for all links; before they are opened. Source: at-dialects 7.7 (2.0 to 3.2)."""

    name: ClassVar[str] = "+CIPRECVMODE"

    passive: bool

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPRECVMODE", bool(self.passive))


@dataclass(frozen=True, slots=True)
class SetReceiveType(EndsLinks):
    """Passive or active for one link; before it is opened. Source: at-dialects 7.7, from 3.4 on."""

    name: ClassVar[str] = "+CIPRECVTYPE"

    link_id: int
    passive: bool

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPRECVTYPE", checked_link(self.link_id), bool(self.passive))


@dataclass(frozen=True, slots=True)
class ReceiveData(SimpleCommand):
    """Fetch what a link has received, at most so many bytes; its payload comes as the link's own.

    ERROR when there is nothing. Source: at-dialects 7.7 (AT+CIPRECVDATA).
    """

    name: ClassVar[str] = "+CIPRECVDATA"

    link_id: int
    max_bytes: int = PULL_MAX_V2

    @property
    def receives(self) -> int | None:
        return self.link_id

    def line(self, firmware: Firmware) -> bytes:
        if self.max_bytes < 1:
            raise ValueError(f"{self.max_bytes} bytes cannot be fetched")
        return command_line("+CIPRECVDATA", checked_link(self.link_id), self.max_bytes)


@dataclass(frozen=True, slots=True)
class UnreadBytes(Command["dict[int, int]"]):
    """What the module holds for each link, -1 or absent where none is open.

    2.0 cuts its line, so a link may be absent, or have too small a number, although it holds bytes.
    Source: at-dialects 7.7 (AT+CIPRECVLEN?).
    """

    name: ClassVar[str] = "+CIPRECVLEN"
    answers_with_line: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CIPRECVLEN:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPRECVLEN?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> dict[int, int]:
        line = lines[0] if lines else b":"
        if firmware.cuts_recvlen:
            line = line[:CUT_AT_BYTES]
        held: dict[int, int] = {}
        for link_id, value in enumerate(fields(after_colon(line))):
            with suppress(ValueError):
                held[link_id] = int(value)
        return held
