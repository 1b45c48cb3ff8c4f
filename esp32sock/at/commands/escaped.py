"""Sending that may end early (CIPSENDEX, chapter 5 of the 2017 document)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from esp32sock.at.commands.base import Plain
from esp32sock.at.commands.checks import checked_link
from esp32sock.at.params import command_line

if TYPE_CHECKING:
    from esp32sock.at.firmware import Firmware


@dataclass(frozen=True, slots=True)
class SendEscaped(Plain):
    r"""Send text without a backslash over a link (None in single-link mode), by CIPSENDEX.

    The module takes backslashes away and ends at `\0`, and says how much is left: so text that holds one,
    like anything that ends in `+++`, goes by `Send`, which is binary. Source: V1.0, 5.2.5, at-dialects 7.5.
    """

    name: ClassVar[str] = "+CIPSENDEX"
    timeout_s: ClassVar[float] = 120.0

    link_id: int | None
    data: bytes

    @property
    def payload(self) -> memoryview | None:
        return memoryview(self.data)

    def line(self, firmware: Firmware) -> bytes:
        if not 1 <= len(self.data) <= firmware.cipsend_max:
            raise ValueError(f"{len(self.data)} bytes; AT+CIPSENDEX takes 1 to {firmware.cipsend_max} here")
        if b"\\" in self.data or self.data.endswith(b"+++"):
            raise ValueError("a backslash or a final +++ does not go by AT+CIPSENDEX")
        link_id = () if self.link_id is None else (checked_link(self.link_id),)
        return command_line("+CIPSENDEX", *link_id, len(self.data))
