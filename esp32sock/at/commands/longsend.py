"""Sending much at once (CIPSENDL, from 2.4 on): a payload that goes out while it comes in.

Unlike CIPSEND the module reports how much of it went out, `+CIPSENDL:<sent>,<received>`, and says no `Recv`.
It must be able to hold the host back meanwhile. Source: at-dialects 7.5, real-firmware 7.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, ClassVar

from esp32sock._constants import ESCAPE_SEQUENCE
from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import Command, SimpleCommand
from esp32sock.at.commands.validation import checked_link
from esp32sock.at.params import after_colon, command_line, fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.at.firmware import Firmware

LONGEST = 0x7FFFFFFF
REPORT_BYTES = range(100, (1 << 20) + 1)
PACKET_BYTES = range(100, 2920 + 1)
"""Ranges: at-dialects 7.5."""


@dataclass(frozen=True, slots=True)
class SendLong(SimpleCommand):
    """Send 1 to 2147483647 bytes over a link (None in single-link mode) at once; not with `+++` at the end.

    ValueError for other lengths, such an end, and firmware before 2.4. Source: at-dialects 7.5.
    """

    name: ClassVar[str] = "+CIPSENDL"
    timeout: ClassVar[float] = 120.0
    """How long nothing may go out, as with CIPSEND."""
    reports_progress: ClassVar[bool] = True

    link_id: int | None
    data: memoryview = field(repr=False)

    @property
    def payload(self) -> memoryview | None:
        return self.data

    def line(self, firmware: Firmware) -> bytes:
        if not firmware.sends_long:
            raise ValueError(f"AT+CIPSENDL exists from 2.4 on; this is {firmware.release}")
        if not 1 <= len(self.data) <= LONGEST:
            raise ValueError(f"{len(self.data)} bytes; AT+CIPSENDL takes 1 to {LONGEST}")
        if bytes(self.data[-len(ESCAPE_SEQUENCE) :]) == ESCAPE_SEQUENCE:
            raise ValueError("a final +++ alone would cancel AT+CIPSENDL")
        link_id = () if self.link_id is None else (checked_link(self.link_id),)
        return command_line("+CIPSENDL", *link_id, len(self.data))


@dataclass(frozen=True, slots=True)
class LongSendSettings:
    """How much goes out between two reports, and in one packet, in bytes."""

    report_bytes: int
    packet_bytes: int


@dataclass(frozen=True, slots=True)
class GetLongSend(Command[LongSendSettings]):
    """What CIPSENDL is set to. Source: at-dialects 7.5, from 2.4 on."""

    name: ClassVar[str] = "+CIPSENDLCFG"
    answers_with_line: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CIPSENDLCFG:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIPSENDLCFG?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> LongSendSettings:
        report_bytes, packet_bytes = fields(after_colon(lines[0]))
        return LongSendSettings(int(report_bytes), int(packet_bytes))


@dataclass(frozen=True, slots=True)
class SetLongSend(SimpleCommand):
    """Set it: 100 to 1048576 bytes between reports, packets of 100 to 2920 bytes (ValueError otherwise).

    Source: at-dialects 7.5, from 2.4 on.
    """

    name: ClassVar[str] = "+CIPSENDLCFG"

    settings: LongSendSettings

    def line(self, firmware: Firmware) -> bytes:
        report_bytes, packet_bytes = self.settings.report_bytes, self.settings.packet_bytes
        if report_bytes not in REPORT_BYTES:
            raise ValueError(f"a report after {report_bytes} bytes is outside 100 to 1048576")
        if packet_bytes not in PACKET_BYTES:
            raise ValueError(f"packets of {packet_bytes} bytes are outside 100 to 2920")
        return command_line("+CIPSENDLCFG", report_bytes, packet_bytes)
