"""Wi-Fi commands (chapter 4 of the 2017 document)."""

from __future__ import annotations

import errno
import re
from dataclasses import field
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, ClassVar

from esp32sock._dataclass import dataclass
from esp32sock.at.commands.addresses import NOWHERE
from esp32sock.at.commands.base import Command, EndsLinks, SimpleCommand
from esp32sock.at.commands.validation import checked_mac, checked_ssid, one_of
from esp32sock.at.params import after_colon, command_line, fields, utf_8

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from esp32sock.at.firmware import Firmware

MAX_PASSWORD_BYTES = 64
"""65 are refused (observed 1.0, 2.0)."""


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
    JoinFailure.TIMEOUT: "the access point did not answer in time; check that it is in reach",
    JoinFailure.WRONG_PASSWORD: "the access point refused the password",
    JoinFailure.NOT_FOUND: "no access point of that name is in reach",
    JoinFailure.FAILED: "the access point refused the connection",
}


@dataclass(frozen=True, slots=True)
class Mode(Command[WifiMode]):
    """The Wi-Fi mode in force. Source: V1.0, 4.2.1."""

    name: ClassVar[str] = "+CWMODE"
    answers_with_line: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CWMODE:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CWMODE?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> WifiMode:
        return WifiMode(int(after_colon(lines[0])))


_MODES = re.compile(rb"\(?([0-3])(?:-([0-3]))?\)?")


@dataclass(frozen=True, slots=True)
class Modes(Command["frozenset[WifiMode]"]):
    """Which Wi-Fi modes the module reports; up to 2.2. Source: V1.0, 4.2.1, at-dialects 6."""

    name: ClassVar[str] = "+CWMODE"
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CWMODE:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CWMODE=?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> frozenset[WifiMode]:
        match = _MODES.fullmatch(after_colon(lines[0]))
        if match is None:
            raise ValueError("not a range of modes")
        return frozenset(map(WifiMode, range(int(match[1]), int(match[2] or match[1]) + 1)))


@dataclass(frozen=True, slots=True)
class SetMode(SimpleCommand):
    """Change the Wi-Fi mode; leaving a role drops its links. Source: V1.0, 4.2.1, at-dialects 6."""

    name: ClassVar[str] = "+CWMODE"

    mode: WifiMode

    @property
    def ends_links(self) -> bool:
        return self.mode is not WifiMode.STATION_AND_SOFTAP

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CWMODE", one_of(WifiMode, self.mode))


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

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> JoinedTo | None:
        for line in lines:
            match = _JOINED.fullmatch(line)
            if match:
                ssid = match[1].decode("utf-8", "replace")
                return JoinedTo(ssid, match[2].decode(), int(match[3]), int(match[4]))
        return None


@dataclass(frozen=True, slots=True)
class Join(EndsLinks):
    """Join an access point; SSID 1 to 32 bytes, password up to 64, `bssid` where several have that name.

    Source: V1.0, 4.2.2, at-dialects 6.
    """

    name: ClassVar[str] = "+CWJAP"
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CWJAP:",)
    timeout: ClassVar[float] = 45.0
    """Joins take up to about 20 s (at-dialects 6); DHCP may come on top."""
    secret: ClassVar[bool] = True

    ssid: str
    password: str = field(default="", repr=False)
    bssid: str | None = None

    def line(self, firmware: Firmware) -> bytes:
        checked_ssid(self.ssid)
        if len(utf_8(self.password)) > MAX_PASSWORD_BYTES:
            raise ValueError(f"a password has at most {MAX_PASSWORD_BYTES} bytes")
        bssid = None if self.bssid is None else checked_mac(self.bssid)
        return command_line("+CWJAP", self.ssid, self.password, bssid)

    def advice(self, lines: Sequence[bytes]) -> str:
        return _join_advice(lines)

    def reason(self, lines: Sequence[bytes]) -> IntEnum | None:
        return join_failure(lines)

    def errno(self, reason: IntEnum | None) -> int | None:
        return _JOIN_ERRNO.get(reason)


def _join_advice(lines: Sequence[bytes]) -> str:
    failure = join_failure(lines)
    return JOIN_ADVICE[failure] if failure is not None else ""


_JOIN_ERRNO: dict[IntEnum | None, int] = {
    JoinFailure.TIMEOUT: errno.ETIMEDOUT,
    JoinFailure.WRONG_PASSWORD: errno.EACCES,
    JoinFailure.NOT_FOUND: errno.ENETUNREACH,
    JoinFailure.FAILED: errno.ECONNREFUSED,
}


def join_failure(lines: Sequence[bytes]) -> JoinFailure | None:
    """The reason among the response lines of a join that failed; None when they do not say."""
    known = {b"+CWJAP:%d" % failure: failure for failure in JoinFailure}
    return next((known[line] for line in lines if line in known), None)


@dataclass(frozen=True, slots=True)
class Rejoin(EndsLinks):
    """Join the access point that is stored. Source: at-dialects 6, from 2.2 on."""

    name: ClassVar[str] = "+CWJAP"
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CWJAP:",)
    timeout: ClassVar[float] = Join.timeout

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CWJAP")

    def advice(self, lines: Sequence[bytes]) -> str:
        return _join_advice(lines)

    def reason(self, lines: Sequence[bytes]) -> IntEnum | None:
        return join_failure(lines)

    def errno(self, reason: IntEnum | None) -> int | None:
        return _JOIN_ERRNO.get(reason)


@dataclass(frozen=True, slots=True)
class Leave(EndsLinks):
    """Leave the access point; links over the station end. Source: V1.0, 4.2.5, at-dialects 6."""

    name: ClassVar[str] = "+CWQAP"

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CWQAP")


@dataclass(frozen=True, slots=True)
class AutoJoin(Command[bool]):
    """Whether the station joins by itself after a start; the document has no query.

    Source: V1.0, 4.2.10, at-dialects 6.
    """

    name: ClassVar[str] = "+CWAUTOCONN"
    answers_with_line: ClassVar[bool] = True
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CWAUTOCONN:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CWAUTOCONN?")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> bool:
        return after_colon(lines[0]) == b"1"


@dataclass(frozen=True, slots=True)
class SetAutoJoin(SimpleCommand):
    """Have the station join by itself after a start, or not; always stored. Source: V1.0, 4.2.10."""

    name: ClassVar[str] = "+CWAUTOCONN"

    on: bool

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CWAUTOCONN", bool(self.on))


class StationState(IntEnum):
    """How far the station is, by the numbers of AT+CWSTATE (at-dialects 6)."""

    NOT_STARTED = 0
    JOINED_WITHOUT_ADDRESS = 1
    JOINED = 2
    JOINING = 3
    DISCONNECTED = 4


_OF_CIPSTATUS = {
    2: StationState.JOINED,
    3: StationState.JOINED,
    4: StationState.JOINED,
    5: StationState.DISCONNECTED,
}
"""V1.0, 5.2.1; 0 and 1 before the first join (observed 1.0, 2.0)."""


@dataclass(frozen=True, slots=True)
class Station:
    """The station's state, and from 2.2 on the access point that it is about."""

    state: StationState
    ssid: str | None = None


@dataclass(frozen=True, slots=True)
class StationStatus(Command[Station]):
    """How far the station is: AT+CWSTATE? from 2.2 on, before that the number of AT+CIPSTATUS.

    The latter is wrong at times (known-bugs 16). Source: V1.0, 5.2.1, at-dialects 6, 7.1.
    """

    name: ClassVar[str] = "+CWSTATE"
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CWSTATE:", b"STATUS:", b"+CIPSTATUS:")

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CWSTATE?" if firmware.at_least(2, 2) else "+CIPSTATUS")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> Station:
        if lines[0].startswith(b"STATUS:"):
            return Station(_OF_CIPSTATUS.get(int(after_colon(lines[0])), StationState.NOT_STARTED))
        state, ssid = fields(after_colon(lines[0]))
        return Station(StationState(int(state)), ssid or None)


@dataclass(frozen=True, slots=True)
class Addresses:
    """The module's own addresses, None where an interface is off or has none."""

    station_ip: IPv4Address | None = None
    station_mac: str | None = None
    softap_ip: IPv4Address | None = None
    softap_mac: str | None = None
    station_ipv6: tuple[IPv6Address, ...] = ()
    """From 2.2 on with AT+CIPV6=1: the global address first, then that of the link (at-dialects 7.14)."""
    softap_ipv6: tuple[IPv6Address, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnAddresses(Command[Addresses]):
    """The module's own addresses. Source: V1.0, 5.2.7, at-dialects 6 (AT+CIFSR)."""

    name: ClassVar[str] = "+CIFSR"
    prefixes: ClassVar[tuple[bytes, ...]] = (b"+CIFSR:",)

    def line(self, firmware: Firmware) -> bytes:
        return command_line("+CIFSR")

    def parse(self, lines: Sequence[bytes], firmware: Firmware) -> Addresses:
        found: dict[bytes, str] = {}
        for line in lines:
            label, _, value = after_colon(line).partition(b",")
            found[label] = value.strip(b'"').decode("ascii", "replace")
        return Addresses(
            _own_address(found.get(b"STAIP")),
            found.get(b"STAMAC") or None,
            _own_address(found.get(b"APIP")),
            found.get(b"APMAC") or None,
            _own_ipv6(found, b"STA"),
            _own_ipv6(found, b"AP"),
        )


def _own_address(text: str | None) -> IPv4Address | None:
    address = IPv4Address(text) if text else NOWHERE
    return None if address == NOWHERE else address


def _own_ipv6(found: Mapping[bytes, str], interface: bytes) -> tuple[IPv6Address, ...]:
    shown = (found.get(interface + label) for label in (b"IP6GL", b"IP6LL"))
    addresses = (IPv6Address(text) for text in shown if text)
    return tuple(address for address in addresses if not address.is_unspecified)
