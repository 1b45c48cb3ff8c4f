"""A scenario: access points, the network behind them, what makes this module itself.

It is a small TOML file; every table and key may be left out, and what is left out is as in `Settings`.

    [[access_point]]
    ssid = "attic"
    password = "correct horse"      # none: an open network
    bssid = "24:0a:c4:00:00:01"
    channel = 6
    rssi = -48                      # dBm
    encryption = "wpa2"             # open, wep, wpa, wpa2, wpa/wpa2; wpa2 if there is a password
    failures = ["timeout"]          # the first joins: timeout, wrong password, not found, failed
    address = "192.168.1.50"        # what DHCP gives there; gateway, netmask and dns likewise

    [network]
    update_server = "4.1.1.0"       # the version that AT+CIUPDATE finds

    [network.aliases]               # addresses of the module's network that are others on this machine's
    "10.0.2.2" = "127.0.0.1"

    [network.names]                 # besides those that this machine resolves
    "host.test" = "10.0.2.2"
    "slow.test" = { address = "10.0.2.2", delay_s = 3.0 }
    "gone.test" = { delay_s = 5.0 } # no address: it does not exist

    [module]
    mac = "24:0a:c4:12:34:56"
    softap_mac = "24:0a:c4:12:34:57"
    host_name = "espressif"

    [smartconfig]                   # a phone that gives the module a network once AT+CWSTARTSMART runs
    ssid = "attic"
    password = "correct horse"
    after_s = 1.0

    [wps]                           # the access point whose button is pressed
    ssid = "attic"

    [[station]]                     # a station that comes to the module's own access point
    mac = "aa:bb:cc:00:00:01"
    after_s = 1.0

    [certificates]                  # slots of the flash: PEM, or a file of it beside this one
    "client_ca.0" = "ca.pem"
    "client_cert.0" = ""            # empty
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from esp32sock.simulator.environment.certificates import slot_of
from esp32sock.simulator.environment.radio import (
    DEFAULT_ACCESS_POINTS,
    AccessPoint,
    JoinFailure,
    Provisioning,
    SoftApClient,
    Subnet,
)
from esp32sock.simulator.environment.settings import DEFAULT_ALIASES, Identity, Settings
from esp32sock.simulator.network.shaping import Name

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

T = TypeVar("T")

_ENCRYPTIONS = {"open": 0, "wep": 1, "wpa": 2, "wpa2": 3, "wpa/wpa2": 4}
"""The numbers of AT+CWLAP (V1.0 4.2.4)."""

_FAILURES = {
    "timeout": JoinFailure.TIMEOUT,
    "wrong password": JoinFailure.WRONG_PASSWORD,
    "not found": JoinFailure.NOT_FOUND,
    "failed": JoinFailure.FAILED,
}

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}\Z")


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything around one module. The default is that of the captures of real firmware."""

    access_points: tuple[AccessPoint, ...] = DEFAULT_ACCESS_POINTS
    identity: Identity = field(default_factory=Identity)
    aliases: tuple[tuple[str, str], ...] = DEFAULT_ALIASES
    names: tuple[Name, ...] = ()
    update: str | None = None
    provisioning: Provisioning | None = None
    wps: str | None = None
    stations: tuple[SoftApClient, ...] = ()
    certificates: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Scenario:
        """A scenario out of a file. Raises OSError, or ValueError naming file, place and cause."""
        try:
            return cls.parse(Path(path).read_text("utf-8"), base=Path(path).parent)
        except ValueError as error:
            raise ValueError(f"{Path(path)}: {error}") from None

    @classmethod
    def parse(cls, text: str, *, base: Path = Path()) -> Scenario:
        """A scenario out of TOML."""
        return cls.of(tomllib.loads(text), base=base)

    @classmethod
    def of(cls, tables: Mapping[str, object], *, base: Path = Path()) -> Scenario:
        """A scenario out of what TOML gives, or an equal dict. Files are looked for from `base` on.

        Raises ValueError naming the place and the cause, OSError for a file.
        """
        table = _Table("", tables)
        scenario = cls()
        entries = table.take("access_point", _list_of_tables, None)
        if entries is not None:
            points = [_access_point(_Table(f"access_point {n}", e), n) for n, e in enumerate(entries, 1)]
            scenario = replace(scenario, access_points=tuple(points))
        network = _Table("network", table.take("network", _table, {}))
        aliases = network.take("aliases", _table, None)
        if aliases is not None:
            scenario = replace(scenario, aliases=tuple(_aliases(_Table("network.aliases", aliases))))
        names = _Table("network.names", network.take("names", _table, {}))
        scenario = replace(
            scenario,
            names=tuple(_name(name, names) for name in list(names.left)),
            update=network.take("update_server", _text, None),
            identity=_identity(_Table("module", table.take("module", _table, {}))),
        )
        network.end()
        smartconfig = table.take("smartconfig", _table, None)
        if smartconfig is not None:
            scenario = replace(scenario, provisioning=_provisioning(_Table("smartconfig", smartconfig)))
        wps = table.take("wps", _table, None)
        if wps is not None:
            pressed = _Table("wps", wps)
            scenario = replace(scenario, wps=pressed.take("ssid", _ssid))
            pressed.end()
        clients = table.take("station", _list_of_tables, ())
        scenario = replace(
            scenario,
            stations=tuple(_softap_client(_Table(f"station {n}", e)) for n, e in enumerate(clients, 1)),
        )
        slots = _Table("certificates", table.take("certificates", _table, {}))
        scenario = replace(
            scenario, certificates=tuple(_certificate(slots, name, base) for name in list(slots.left))
        )
        table.end()
        if scenario.wps is not None and scenario.wps not in {point.ssid for point in scenario.access_points}:
            raise ValueError(f"wps: there is no access point {scenario.wps!r}")
        return scenario

    def around(self, settings: Settings) -> Settings:
        """The settings of a module that is in this scenario."""
        return replace(
            settings,
            access_points=self.access_points,
            identity=self.identity,
            aliases=self.aliases,
            names=self.names,
            update=self.update,
            provisioning=self.provisioning,
            wps=self.wps,
            stations=self.stations,
            certificates=self.certificates,
        )


# The tables


def _access_point(table: _Table, number: int) -> AccessPoint:
    password = table.take("password", _password, "")
    subnet = Subnet()
    point = AccessPoint(
        ssid=table.take("ssid", _ssid),
        password=password,
        bssid=table.take("bssid", _mac, f"10:01:00:c4:0a:{0x50 + number & 255:02x}"),
        channel=table.take("channel", _integer(1, 14), AccessPoint("").channel),
        rssi_dbm=table.take("rssi", _integer(-120, 0), AccessPoint("").rssi_dbm),
        encryption=table.take("encryption", _one_of(_ENCRYPTIONS), 3 if password else 0),
        failures=tuple(table.take("failures", _list_of(_one_of(_FAILURES)), ())),
        subnet=Subnet(
            address=table.take("address", _address, subnet.address),
            gateway=table.take("gateway", _address, subnet.gateway),
            netmask=table.take("netmask", _address, subnet.netmask),
            dns=table.take("dns", _address, subnet.dns),
        ),
    )
    table.end()
    if bool(point.encryption) != bool(password):
        raise ValueError(f"{table.where}: an encrypted network needs a password, an open one has none")
    return point


def _identity(table: _Table) -> Identity:
    default = Identity()
    identity = Identity(
        station_mac=table.take("mac", _mac, default.station_mac),
        softap_mac=table.take("softap_mac", _mac, default.softap_mac),
        host_name=table.take("host_name", _text, default.host_name),
    )
    table.end()
    return identity


def _provisioning(table: _Table) -> Provisioning:
    result = Provisioning(
        ssid=table.take("ssid", _ssid),
        password=table.take("password", _text, ""),
        after_s=table.take("after_s", _seconds, 1.0),
    )
    table.end()
    return result


def _softap_client(table: _Table) -> SoftApClient:
    result = SoftApClient(table.take("mac", _mac), table.take("after_s", _seconds, SoftApClient("").after_s))
    table.end()
    return result


def _certificate(table: _Table, name: str, base: Path) -> tuple[str, str]:
    text = table.take(name, _text)
    try:
        return slot_of(name, text, base)
    except ValueError as error:
        raise ValueError(f"{table.where}: {error}") from None


def _aliases(table: _Table) -> list[tuple[str, str]]:
    return [(_checked(table, key, _address), table.take(key, _address)) for key in list(table.left)]


def _checked(table: _Table, key: str, read: Callable[[object], str]) -> str:
    try:
        return read(key)
    except ValueError as error:
        raise ValueError(f"{table.where}: {error}") from None


def _name(name: str, table: _Table) -> Name:
    value = table.left[name]
    if isinstance(value, str):
        return Name(name, table.take(name, _address))
    entry = _Table(f"{table.where}.{name}", table.take(name, _table))
    result = Name(name, entry.take("address", _address, None), entry.take("delay_s", _seconds, 0.0))
    entry.end()
    return result


# Reading


class _Required:
    """Stands for "no default"."""


_REQUIRED = _Required()


class _Table:
    """One table being read: every key is taken once, and none may be left."""

    def __init__(self, where: str, values: Mapping[str, object]) -> None:
        self.where = where
        self.left = dict(values)
        self._known: list[str] = []

    def take(self, key: str, read: Callable[[object], T], default: object = _REQUIRED) -> T:
        self._known.append(key)
        if key not in self.left:
            if default is _REQUIRED:
                raise ValueError(f"{self.where}: {key} is missing")
            return default  # type: ignore[return-value]
        value = self.left.pop(key)
        try:
            return read(value)
        except ValueError as error:
            place = f"{self.where}: {key}" if self.where else key
            raise ValueError(f"{place}: {error}") from None

    def end(self) -> None:
        for key in self.left:
            place = f"{self.where}: " if self.where else ""
            raise ValueError(f"{place}no key {key!r}; there are {', '.join(self._known)}")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def _ssid(value: object) -> str:
    text = _text(value)
    if not 1 <= len(text.encode()) <= 32:
        raise ValueError(f"{text!r} has not 1 to 32 bytes")
    return text


def _password(value: object) -> str:
    text = _text(value)
    if len(text.encode()) > 64:
        raise ValueError("it has more than 64 bytes")
    return text


def _mac(value: object) -> str:
    text = _text(value).lower()
    if not _MAC.match(text):
        raise ValueError(f"{text!r} is not like 24:0a:c4:12:34:56")
    return text


def _address(value: object) -> str:
    try:
        return str(ipaddress.IPv4Address(_text(value)))
    except ipaddress.AddressValueError:
        raise ValueError(f"{value!r} is no IPv4 address") from None


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ValueError(f"{value!r} is no number of seconds")
    return float(value)


def _integer(lowest: int, highest: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise ValueError(f"{value!r} is no whole number from {lowest} to {highest}")
        return value

    return read


def _one_of(choices: Mapping[str, T]) -> Callable[[object], T]:
    def read(value: object) -> T:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"{value!r} is none of {', '.join(choices)}")
        return choices[value]

    return read


def _list_of(read_one: Callable[[object], T]) -> Callable[[object], list[T]]:
    def read(value: object) -> list[T]:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{value!r} is no list")
        return [read_one(each) for each in value]

    return read


def _table(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is no table")
    return value


def _list_of_tables(value: object) -> list[Mapping[str, object]]:
    return _list_of(_table)(value)
