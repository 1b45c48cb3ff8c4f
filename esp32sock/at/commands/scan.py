"""Which access points are in reach (CWLAP and CWLAPOPT, chapter 4 of the 2017 document)."""

from __future__ import annotations

import re
from enum import IntEnum, IntFlag
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import Command, SimpleCommand
from esp32sock.at.commands.validation import bits_of, checked_channel, checked_mac, checked_ssid
from esp32sock.at.params import after_colon, command_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.at.firmware import Firmware


class Encryption(IntEnum):
    """How an access point protects its network (V1.0, 4.2.4; from 6 on later documents)."""

    UNKNOWN = -1
    OPEN = 0
    WEP = 1
    WPA_PSK = 2
    WPA2_PSK = 3
    WPA_WPA2_PSK = 4
    WPA2_ENTERPRISE = 5
    WPA3_PSK = 6
    WPA2_WPA3_PSK = 7

    @classmethod
    def _missing_(cls, value: object) -> Encryption:
        """Firmware may have more of them than are named here: up to 15 (at-dialects 6)."""
        return cls.UNKNOWN


class ScanField(IntFlag):
    """Which fields a scan prints: the mask of AT+CWLAPOPT (V1.0, 4.2.3)."""

    ENCRYPTION = 1
    SSID = 2
    RSSI = 4
    BSSID = 8
    CHANNEL = 16
    ALL = 31


_FIELD = {
    ScanField.ENCRYPTION: rb"(?P<encryption>\d{1,2})",
    ScanField.SSID: rb'"(?P<ssid>.*)"',
    ScanField.RSSI: rb"(?P<rssi>-?\d{1,4})",
    ScanField.BSSID: rb'"(?P<bssid>[0-9a-fA-F:]{17})"',
    ScanField.CHANNEL: rb"(?P<channel>\d{1,3})",
}


@cache
def _listed(shown: ScanField) -> re.Pattern[bytes]:
    """A line of the list without its name. An SSID is printed as it is, so what stands behind it ends it."""
    parts = [pattern for field, pattern in _FIELD.items() if field in shown]
    return re.compile(rb"\(?" + b",".join(parts) + rb"(?:,[-0-9,]*)?\)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class AccessPoint:
    """One access point of a scan; a field that the scan does not print is None."""

    ssid: str | None
    bssid: str | None
    channel: int | None
    rssi_dbm: int | None
    encryption: Encryption | None


@dataclass(frozen=True, slots=True)
class Scan(Command["list[AccessPoint]"]):
    """Listen for access points: all, or those of one name, address or channel.

    Channels are 1 to 14, with 5 GHz also 36 to 177.
    `shown` is what AT+CWLAPOPT made the module print. Takes 2 to 5 s on hardware.
    Source: V1.0, 4.2.4, at-dialects 6.
    """

    name: ClassVar[str] = "+CWLAP"
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CWLAP:",)
    timeout: ClassVar[float] = 20.0

    ssid: str | None = None
    bssid: str | None = None
    channel: int | None = None
    shown: ScanField = ScanField.ALL

    def line(self, firmware: Firmware) -> bytes:
        return command_line(
            "+CWLAP",
            None if self.ssid is None else checked_ssid(self.ssid),
            None if self.bssid is None else checked_mac(self.bssid, group=True),
            None if self.channel is None else checked_channel(self.channel, firmware),
        )

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> list[AccessPoint]:
        matches = (_listed(self.shown).fullmatch(after_colon(line)) for line in lines)
        return [_access_point(match.groupdict()) for match in matches if match is not None]


def _access_point(found: dict[str, bytes]) -> AccessPoint:
    ssid, bssid = found.get("ssid"), found.get("bssid")
    channel, rssi, encryption = (
        None if (value := found.get(name)) is None else int(value)
        for name in ("channel", "rssi", "encryption")
    )
    return AccessPoint(
        None if ssid is None else ssid.decode("utf-8", "replace"),
        None if bssid is None else bssid.decode(),
        channel,
        rssi,
        None if encryption is None else Encryption(encryption),
    )


@dataclass(frozen=True, slots=True)
class SetScan(SimpleCommand):
    """What later scans print and whether by strength; `strongest_first` as firmware has it.

    The document's text and example contradict each other on the first field: on firmware 1 sorts.
    Source: V1.0, 4.2.3, real-firmware.
    """

    name: ClassVar[str] = "+CWLAPOPT"

    strongest_first: bool = True
    shown: ScanField = ScanField.ALL

    def line(self, firmware: Firmware) -> bytes:
        if not self.shown:
            raise ValueError("a scan needs at least one field")
        return command_line("+CWLAPOPT", bool(self.strongest_first), bits_of(ScanField, self.shown))
