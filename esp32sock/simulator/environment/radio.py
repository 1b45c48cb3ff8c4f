"""The radio environment: access points, and what happens when the module tries to join one."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from esp32sock.simulator.faults.spec import Triggers


class JoinFailure(IntEnum):
    """The codes of `+CWJAP:<code>` (V1.0 4.2.2)."""

    TIMEOUT = 1
    WRONG_PASSWORD = 2
    NOT_FOUND = 3
    FAILED = 4


@dataclass(frozen=True, slots=True)
class Subnet:
    """What DHCP gives on an access point. The default is the network behind the captures of real firmware."""

    address: str = "10.0.2.15"
    gateway: str = "10.0.2.2"
    netmask: str = "255.255.255.0"
    dns: str = "10.0.2.3"
    prefix_6: str = "fec0::"
    """The first half of the IPv6 addresses there (QEMU's user network); empty: there is no IPv6."""


@dataclass(frozen=True, slots=True)
class AccessPoint:
    """One access point. `encryption` as in AT+CWLAP: 0 open, 1 WEP, 2 WPA, 3 WPA2, 4 both, 5 WPA2
    Enterprise (V1.0 4.2.4).
    """

    ssid: str
    password: str = ""
    bssid: str = "10:01:00:c4:0a:51"
    channel: int = 5
    rssi_dbm: int = -25
    encryption: int = 0
    subnet: Subnet = field(default_factory=Subnet)
    failure: int = 0
    """Every join ends in this code of `JoinFailure`; 0: none does."""
    gives_addresses: bool = True
    """Without: the module gets no address and leaves again."""
    failures: tuple[JoinFailure, ...] = ()
    """How the first attempts to join it end, whatever the password."""


ENTERPRISE = 5
"""WPA2 Enterprise (V1.0 4.2.4)."""

DEFAULT_ACCESS_POINTS = (
    AccessPoint("Espressif"),
    AccessPoint("OpenNetworkA1", bssid="10:01:00:c4:0a:56", channel=1, rssi_dbm=-18),
    AccessPoint("MasseyWifi", bssid="10:01:00:c4:0a:52", channel=10, rssi_dbm=-36),
)
"""The access points of the captures (real-firmware)."""


@dataclass(frozen=True, slots=True)
class Provisioning:
    """A phone that gives the module a network by SmartConfig, `after_s` after AT+CWSTARTSMART."""

    ssid: str
    password: str = ""
    after_s: float = 1.0


@dataclass(frozen=True, slots=True)
class SoftApClient:
    """A station that joins the module's SoftAP, `after_s` after that has been switched on."""

    mac: str
    after_s: float = 1.0


class Radio:
    """Which access points can be received, and whether one lets the module in."""

    def __init__(self, access_points: Sequence[AccessPoint], random: Random) -> None:
        self.access_points = list(access_points)
        self._random = random
        self._failures = {(ap.ssid, ap.bssid): list(ap.failures) for ap in access_points}
        self.provisioning: Provisioning | None = None
        self.wps_access_point: AccessPoint | None = None
        """The access point whose WPS button is pressed."""
        self.triggers: Triggers | None = None
        self.away: set[str] = set()
        """SSIDs that are switched off."""

    @property
    def audible(self) -> list[AccessPoint]:
        """The access points that are there now."""
        return [access_point for access_point in self.access_points if access_point.ssid not in self.away]

    def rssi_dbm(self, access_point: AccessPoint) -> int:
        """The strength at this moment: some dB around the nominal one, as in every capture."""
        fault = self.triggers.hit("weak-signal") if self.triggers is not None else None
        nominal = access_point.rssi_dbm if fault is None else -int(fault.value)
        return nominal + self._random.randint(-4, 4)

    def scan(self) -> list[tuple[AccessPoint, int]]:
        """Every access point with its strength, the strongest first (observed 1.0, 2.0)."""
        audible = [(access_point, self.rssi_dbm(access_point)) for access_point in self.audible]
        return sorted(audible, key=lambda entry: -entry[1])

    def join(
        self, ssid: str, password: str, bssid: str = "", *, password_on_open: bool = False
    ) -> AccessPoint | JoinFailure:
        """`password_on_open`: an open network accepts one (observed 1.0; 2.0 answers 4)."""
        named = [ap for ap in self.audible if ap.ssid == ssid]
        if bssid:
            named = [ap for ap in named if ap.bssid.lower() == bssid.lower()]
        if not named:
            return JoinFailure.NOT_FOUND
        access_point = max(named, key=lambda ap: ap.rssi_dbm)
        if access_point.failure:
            return JoinFailure(access_point.failure)
        if failures := self._failures.get((access_point.ssid, access_point.bssid)):
            return failures.pop(0)
        if access_point.encryption == ENTERPRISE:
            return JoinFailure.FAILED  # AT cannot join it (V1.0 4.2.4); the code is a guess
        if access_point.encryption == 0:
            # An open network and a password: 4 (observed 2.0, sweep of CWJAP).
            return JoinFailure.FAILED if password and not password_on_open else access_point
        return access_point if password == access_point.password else JoinFailure.WRONG_PASSWORD
