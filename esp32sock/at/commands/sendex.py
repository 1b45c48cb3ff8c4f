"""Sending that may end early (CIPSENDEX, chapter 5 of the 2017 document)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from esp32sock._constants import ESCAPE_SEQUENCE
from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import SimpleCommand
from esp32sock.at.commands.validation import checked_host, checked_link, checked_port
from esp32sock.at.params import command_line

if TYPE_CHECKING:
    from esp32sock.at.firmware import Firmware

MARK = rb"\0"
"""Two characters, a backslash and a zero, that end the data phase of CIPSENDEX early."""


@dataclass(frozen=True, slots=True)
class SendEscaped(SimpleCommand):
    r"""Send text without a backslash over a link (None in single-link mode), by CIPSENDEX.

    The module takes backslashes away and ends at `\0`, and reports how much is left: so text that holds one,
    like anything that ends in `+++`, goes by `Send`, which is binary. Source: V1.0, 5.2.5, at-dialects 7.5.
    """

    name: ClassVar[str] = "+CIPSENDEX"
    timeout: ClassVar[float] = 120.0

    link_id: int | None
    data: bytes

    @property
    def payload(self) -> memoryview | None:
        return memoryview(self.data)

    def line(self, firmware: Firmware) -> bytes:
        if not 1 <= len(self.data) <= firmware.cipsend_max:
            raise ValueError(f"{len(self.data)} bytes; AT+CIPSENDEX takes 1 to {firmware.cipsend_max} here")
        if b"\\" in self.data or self.data.endswith(ESCAPE_SEQUENCE):
            raise ValueError("a backslash or a final +++ does not go by AT+CIPSENDEX")
        link_id = () if self.link_id is None else (checked_link(self.link_id),)
        return command_line("+CIPSENDEX", *link_id, len(self.data))


@dataclass(frozen=True, slots=True)
class SendMarked(SimpleCommand):
    r"""Send one datagram by CIPSENDEX with `\0` behind it, so that what it ends in never stands alone.

    For one that ends in `+++`; not for one with a backslash, which the module would take away. The length
    announced is one more than is written: only the mark ends it, as it was seen to (tcp-single, 1.0 and 4.1).
    Source: V1.0, 5.2.5, which gives it a destination too.
    """

    name: ClassVar[str] = "+CIPSENDEX"
    timeout: ClassVar[float] = 120.0

    link_id: int
    data: bytes
    peer: tuple[str, int] | None = None

    @property
    def payload(self) -> memoryview | None:
        return memoryview(self.data + MARK)

    @property
    def acknowledged_bytes(self) -> int:
        return len(self.data)

    def line(self, firmware: Firmware) -> bytes:
        announced = len(self.data) + len(MARK) + 1
        if not self.data or announced > firmware.cipsend_max:
            raise ValueError(
                f"{len(self.data)} bytes; the text must not be empty and must leave room for the end mark"
            )
        if b"\\" in self.data:
            raise ValueError("a backslash does not go by AT+CIPSENDEX")
        peer = () if self.peer is None else (checked_host(self.peer[0]), checked_port(self.peer[1]))
        return command_line("+CIPSENDEX", checked_link(self.link_id), announced, *peer)
