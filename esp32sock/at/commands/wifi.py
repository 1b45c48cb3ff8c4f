"""Wi-Fi commands (chapter 4 of the 2017 document)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

from esp32sock.at.commands.base import Command, Plain
from esp32sock.at.params import after_colon, command_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esp32sock.at.firmware import Firmware

MAX_SSID_BYTES = 32
MAX_PASSWORD_BYTES = 64


class WifiMode(IntEnum):
    """Which roles are on (V1.0, 4.2.1; 0 from 1.0 on)."""

    OFF = 0
    STATION = 1
    SOFTAP = 2
    STATION_AND_SOFTAP = 3


class JoinFailure(IntEnum):
    """The number in `+CWJAP:<n>` before ERROR (V1.0, 4.2.2)."""

    TIMEOUT = 1
    WRONG_PASSWORD = 2
    NOT_FOUND = 3
    FAILED = 4


JOIN_ADVICE = {
    JoinFailure.TIMEOUT: "the access point did not answer in time; is it in reach?",
    JoinFailure.WRONG_PASSWORD: "the access point refused the password",
    JoinFailure.NOT_FOUND: "no access point of that name is in reach",
    JoinFailure.FAILED: "the access point refused the connection",
}


@dataclass(frozen=True, slots=True)
class Mode(Command[WifiMode]):
    """The Wi-Fi mode in force. Source: V1.0, 4.2.1."""

    name: ClassVar[str] = "+CWMODE"
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CWMODE:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CWMODE?")

    def result(self, lines: Sequence[bytes], firmware: Firmware) -> WifiMode:
        return WifiMode(int(after_colon(lines[0])))


@dataclass(frozen=True, slots=True)
class SetMode(Plain):
    """Change the Wi-Fi mode; leaving the station role drops its links. Source: V1.0, 4.2.1."""

    name: ClassVar[str] = "+CWMODE"

    mode: WifiMode

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CWMODE", int(self.mode))


@dataclass(frozen=True, slots=True)
class JoinedTo:
    """The access point the station is joined to."""

    ssid: str
    bssid: str
    channel: int
    rssi_dbm: int


_JOINED = re.compile(rb'\+CWJAP:"(.*)","([0-9a-fA-F:]{17})",([0-9]{1,3}),(-?[0-9]{1,4})(?:,.*)?', re.DOTALL)
"""An SSID is printed as it is, commas and quotes included, so what stands behind it must find its end."""


@dataclass(frozen=True, slots=True)
class Joined(Command["JoinedTo | None"]):
    """Which access point the station is joined to, None without. Source: V1.0, 4.2.2, at-dialects 6."""

    name: ClassVar[str] = "+CWJAP"
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CWJAP:", b"No AP")

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CWJAP?")

    def result(self, lines: Sequence[bytes], firmware: Firmware) -> JoinedTo | None:
        for line in lines:
            match = _JOINED.fullmatch(line)
            if match:
                ssid = match[1].decode("utf-8", "replace")
                return JoinedTo(ssid, match[2].decode(), int(match[3]), int(match[4]))
        return None


@dataclass(frozen=True, slots=True)
class Join(Plain):
    """Join an access point; SSID 1 to 32 bytes, password up to 64. Source: V1.0, 4.2.2, at-dialects 6."""

    name: ClassVar[str] = "+CWJAP"
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CWJAP:",)
    timeout_s: ClassVar[float] = 45.0
    """Joins take up to about 20 s (at-dialects 6); DHCP may come on top."""
    secret: ClassVar[bool] = True

    ssid: str
    password: str = field(default="", repr=False)

    def line(self, firmware: Firmware) -> bytes:
        if not 1 <= len(self.ssid.encode()) <= MAX_SSID_BYTES:
            raise ValueError(f"an SSID has 1 to {MAX_SSID_BYTES} bytes, this one {len(self.ssid.encode())}")
        if len(self.password.encode()) > MAX_PASSWORD_BYTES:
            raise ValueError(f"a password has at most {MAX_PASSWORD_BYTES} bytes")
        return command_line("+CWJAP", self.ssid, self.password)

    def advice(self, lines: Sequence[bytes]) -> str:
        known = {b"+CWJAP:%d" % failure: advice for failure, advice in JOIN_ADVICE.items()}
        return next((known[line] for line in lines if line in known), "")


@dataclass(frozen=True, slots=True)
class Addresses:
    """The module's own addresses, None where an interface is off or has none."""

    station_ip: str | None = None
    station_mac: str | None = None
    softap_ip: str | None = None
    softap_mac: str | None = None


_ADDRESS_FIELD = {
    b"STAIP": "station_ip",
    b"STAMAC": "station_mac",
    b"APIP": "softap_ip",
    b"APMAC": "softap_mac",
}


@dataclass(frozen=True, slots=True)
class OwnAddresses(Command[Addresses]):
    """The module's own addresses. Source: V1.0, 5.2.7, at-dialects 6 (AT+CIFSR)."""

    name: ClassVar[str] = "+CIFSR"
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CIFSR:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIFSR")

    def result(self, lines: Sequence[bytes], firmware: Firmware) -> Addresses:
        found: dict[str, str] = {}
        for line in lines:
            label, _, value = after_colon(line).partition(b",")
            text = value.strip(b'"').decode("ascii", "replace")
            if label in _ADDRESS_FIELD and text not in ("", "0.0.0.0"):
                found[_ADDRESS_FIELD[label]] = text
        return Addresses(**found)
