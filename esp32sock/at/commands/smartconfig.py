"""Joining with a password from a phone (CWSTARTSMART, CWSTOPSMART, WPS, chapter 4 of the 2017 document).

All of them answer OK at once; what comes of it are unsolicited lines: `smartconfig type:...`, `ssid:...`, and
`WIFI CONNECTED` and `WIFI GOT IP` (at-dialects 3.4).
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import EndsLinks, SimpleCommand
from esp32sock.at.commands.validation import one_of
from esp32sock.at.params import command_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.at.firmware import Firmware

STATION_ADVICE = "check that the station role is on (AT+CWMODE=1 or 3) and no other SmartConfig runs"


class SmartConfigKind(IntEnum):
    """How the phone sends it to the module (V1.0, 4.2.15)."""

    ESP_TOUCH = 1
    AIRKISS = 2
    BOTH = 3


@dataclass(frozen=True, slots=True)
class StartSmartConfig(EndsLinks):
    """Wait for a phone to send the network; None leaves out the kind, which is both. Leaves the access point.

    Run `StopSmartConfig` before any other command, however it ended. Source: V1.0, 4.2.15, at-dialects 6.
    """

    name: ClassVar[str] = "+CWSTARTSMART"

    kind: SmartConfigKind | None = None

    def line(self, firmware: Firmware) -> bytes:
        kind = None if self.kind is None else one_of(SmartConfigKind, self.kind)
        return command_line("+CWSTARTSMART", kind)

    def advice(self, lines: Sequence[bytes]) -> str:
        return STATION_ADVICE


@dataclass(frozen=True, slots=True)
class StopSmartConfig(SimpleCommand):
    """Stop waiting for a phone and free the memory. Source: V1.0, 4.2.16."""

    name: ClassVar[str] = "+CWSTOPSMART"

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CWSTOPSMART")


@dataclass(frozen=True, slots=True)
class Wps(SimpleCommand):
    """Turn WPS on, as by pressing its button, or off. Source: V1.0, 4.2.17, at-dialects 6."""

    name: ClassVar[str] = "+WPS"

    on: bool

    @property
    def ends_links(self) -> bool:
        return self.on

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+WPS", bool(self.on))

    def advice(self, lines: Sequence[bytes]) -> str:
        return STATION_ADVICE
