"""Keys that both sides of an SSL link know beforehand, in place of certificates (CIPSSLCPSK)."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import SimpleCommand
from esp32sock.at.commands.validation import checked_link
from esp32sock.at.params import command_line, utf_8

if TYPE_CHECKING:
    from esp32sock.at.firmware import Firmware

MAX_PSK_BYTES = 32
"""Of the key, and of its hint (at-dialects 9)."""


@dataclass(frozen=True, slots=True)
class SetPsk(SimpleCommand):
    """The shared key of an SSL link, and the hint that says which; 1 to 32 bytes each, before it opens.

    None as link in single-link mode. Source: at-dialects 7.11 (AT+CIPSSLCPSK, from 2.2 on).
    """

    name: ClassVar[str] = "+CIPSSLCPSK"
    secret: ClassVar[bool] = True

    link_id: int | None
    key: str = field(repr=False)
    hint: str

    def line(self, firmware: Firmware) -> bytes:
        for what, text in (("key", self.key), ("hint", self.hint)):
            length = len(utf_8(text))
            if not 1 <= length <= MAX_PSK_BYTES:
                raise ValueError(f"the {what} has {length} bytes; 1 to {MAX_PSK_BYTES} are allowed")
        link = () if self.link_id is None else (checked_link(self.link_id),)
        return command_line("+CIPSSLCPSK", *link, self.key, self.hint)
