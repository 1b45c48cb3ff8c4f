"""The module's own access point (CWSAP and CWLIF, chapter 4 of the 2017 document)."""

from __future__ import annotations

import re
from dataclasses import field
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.base import Command, EndsLinks
from esp32sock.at.commands.scan import Encryption
from esp32sock.at.commands.validation import MAX_SSID_BYTES, checked_channel, checked_ssid
from esp32sock.at.params import command_line, utf_8

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.at.firmware import Firmware

PASSWORD_BYTES = range(8, 64)
"""V1.0, 4.2.6 allows 64, which 2.0 refuses (observed)."""

MAX_STATIONS = 10
"""V1.0, 4.2.6."""

ENCRYPTIONS = (Encryption.OPEN, Encryption.WPA_PSK, Encryption.WPA2_PSK, Encryption.WPA_WPA2_PSK)
"""V1.0, 4.2.6: no WEP."""

CHANNELS = range(1, 14)


@dataclass(frozen=True, slots=True)
class SoftApSettings:
    """An access point that the module is; channels 1 to 13, with 5 GHz also 36 to 177; 1 to 10 stations."""

    ssid: str
    password: str = field(default="", repr=False)
    channel: int = 1
    encryption: Encryption = Encryption.OPEN
    max_stations: int = MAX_STATIONS
    hidden: bool = False


_SETTINGS = re.compile(
    rb'\+CWSAP:"(?P<ssid>.*)","(?P<password>.*)",(?P<channel>\d{1,3}),(?P<encryption>\d{1,2})'
    rb"(?:,(?P<most>\d{1,2}))?(?:,(?P<hidden>\d))?",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class SoftAp(Command[SoftApSettings]):
    """The module's access point as it is set; refused while that role is off.

    1.0 and 2.0 print an SSID of 32 bytes run together with the password (observed), which is cut off here.
    Source: V1.0, 4.2.6, at-dialects 6.
    """

    name: ClassVar[str] = "+CWSAP"
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CWSAP:",)
    secret: ClassVar[bool] = True

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CWSAP?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> SoftApSettings:
        match = _SETTINGS.fullmatch(lines[0])
        if match is None:
            raise ValueError("not the settings of an access point")
        return SoftApSettings(
            match["ssid"][:MAX_SSID_BYTES].decode("utf-8", "replace"),
            match["password"].decode("utf-8", "replace"),
            int(match["channel"]),
            Encryption(int(match["encryption"])),
            int(match["most"] or MAX_STATIONS),
            match["hidden"] == b"1",
        )

    def advice(self, lines: Sequence[bytes]) -> str:
        return SOFTAP_ADVICE


@dataclass(frozen=True, slots=True)
class SetSoftAp(EndsLinks):
    """Set up the module's access point; its role must be on (AT+CWMODE 2 or 3).

    SSID 1 to 32 bytes, password 8 to 63 bytes unless open. Source: V1.0, 4.2.6, at-dialects 6.
    """

    name: ClassVar[str] = "+CWSAP"
    secret: ClassVar[bool] = True

    settings: SoftApSettings

    def line(self, firmware: Firmware) -> bytes:
        wanted = self.settings
        if wanted.encryption not in ENCRYPTIONS:
            raise ValueError(f"a SoftAP cannot have the encryption {wanted.encryption!r}")
        length = len(utf_8(wanted.password))
        if wanted.encryption is not Encryption.OPEN and length not in PASSWORD_BYTES:
            raise ValueError(f"the password of a SoftAP has 8 to 63 bytes, this one {length}")
        if wanted.encryption is Encryption.OPEN and length:
            raise ValueError("an open SoftAP has no password")
        if not 1 <= wanted.max_stations <= MAX_STATIONS:
            raise ValueError(f"{wanted.max_stations} stations; a SoftAP has 1 to {MAX_STATIONS}")
        return command_line(
            "+CWSAP",
            checked_ssid(wanted.ssid),
            wanted.password,
            checked_channel(wanted.channel, firmware, CHANNELS),
            int(wanted.encryption),
            wanted.max_stations,
            bool(wanted.hidden),
        )

    def advice(self, lines: Sequence[bytes]) -> str:
        return SOFTAP_ADVICE


SOFTAP_ADVICE = "check that the SoftAP role is on (AT+CWMODE=2 or 3)"


@dataclass(frozen=True, slots=True)
class Station:
    """A station at the module's access point that got its address by DHCP."""

    address: IPv4Address
    mac: str


_STATION = re.compile(rb"(?:\+CWLIF:)?([0-9.]{7,15}),\s?([0-9a-fA-F:]{17})")


@dataclass(frozen=True, slots=True)
class Stations(Command["list[Station]"]):
    """The stations at the module's access point. Source: V1.0, 4.2.7, at-dialects 6."""

    name: ClassVar[str] = "+CWLIF"

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CWLIF")

    def matches_line(self, text: bytes) -> bool:
        """Up to 0.10 and in the document the lines have no name in front."""
        return _STATION.fullmatch(text) is not None

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> list[Station]:
        matches = (_STATION.fullmatch(line) for line in lines)
        return [Station(IPv4Address(match[1].decode()), match[2].decode()) for match in matches if match]
