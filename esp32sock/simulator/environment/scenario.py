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
    prefix_6 = "fec0::"             # of the IPv6 addresses there; "": no IPv6

    [network]
    update_server = "4.1.1.0"       # the version that AT+CIUPDATE finds

    [network.aliases]               # addresses of the module's network that are others on this machine's
    "10.0.2.2" = "127.0.0.1"
    "fec0::2" = "::1"

    [network.names]                 # besides those that this machine resolves
    "host.test" = "10.0.2.2"
    "slow.test" = { address = "10.0.2.2", delay_s = 3.0 }
    "both.test" = { address = "10.0.2.2", address_6 = "fec0::2" }
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

import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

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
from esp32sock.simulator.environment.toml_values import (
    Table,
    integer,
    list_of,
    one_of,
    read_address,
    read_address_6,
    read_either_address,
    read_mac,
    read_password,
    read_prefix_6,
    read_seconds,
    read_ssid,
    read_table,
    read_tables,
    read_text,
)
from esp32sock.simulator.network.shaping import Name

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

_ENCRYPTIONS = {"open": 0, "wep": 1, "wpa": 2, "wpa2": 3, "wpa/wpa2": 4}
"""The numbers of AT+CWLAP (V1.0 4.2.4)."""

_FAILURES = {
    "timeout": JoinFailure.TIMEOUT,
    "wrong password": JoinFailure.WRONG_PASSWORD,
    "not found": JoinFailure.NOT_FOUND,
    "failed": JoinFailure.FAILED,
}


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
        table = Table("", tables)
        scenario = cls()
        entries = table.take("access_point", read_tables, None)
        if entries is not None:
            points = [_access_point(Table(f"access_point {n}", e), n) for n, e in enumerate(entries, 1)]
            scenario = replace(scenario, access_points=tuple(points))
        network = Table("network", table.take("network", read_table, {}))
        aliases = network.take("aliases", read_table, None)
        if aliases is not None:
            scenario = replace(scenario, aliases=tuple(_aliases(Table("network.aliases", aliases))))
        names = Table("network.names", network.take("names", read_table, {}))
        scenario = replace(
            scenario,
            names=tuple(_name(name, names) for name in list(names.left)),
            update=network.take("update_server", read_text, None),
            identity=_identity(Table("module", table.take("module", read_table, {}))),
        )
        network.end()
        smartconfig = table.take("smartconfig", read_table, None)
        if smartconfig is not None:
            scenario = replace(scenario, provisioning=_provisioning(Table("smartconfig", smartconfig)))
        wps = table.take("wps", read_table, None)
        if wps is not None:
            pressed = Table("wps", wps)
            scenario = replace(scenario, wps=pressed.take("ssid", read_ssid))
            pressed.end()
        clients = table.take("station", read_tables, ())
        scenario = replace(
            scenario,
            stations=tuple(_softap_client(Table(f"station {n}", e)) for n, e in enumerate(clients, 1)),
        )
        slots = Table("certificates", table.take("certificates", read_table, {}))
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


def _access_point(table: Table, number: int) -> AccessPoint:
    password = table.take("password", read_password, "")
    subnet = Subnet()
    point = AccessPoint(
        ssid=table.take("ssid", read_ssid),
        password=password,
        bssid=table.take("bssid", read_mac, f"10:01:00:c4:0a:{0x50 + number & 255:02x}"),
        channel=table.take("channel", integer(1, 14), AccessPoint("").channel),
        rssi_dbm=table.take("rssi", integer(-120, 0), AccessPoint("").rssi_dbm),
        encryption=table.take("encryption", one_of(_ENCRYPTIONS), 3 if password else 0),
        failures=tuple(table.take("failures", list_of(one_of(_FAILURES)), ())),
        subnet=Subnet(
            address=table.take("address", read_address, subnet.address),
            gateway=table.take("gateway", read_address, subnet.gateway),
            netmask=table.take("netmask", read_address, subnet.netmask),
            dns=table.take("dns", read_address, subnet.dns),
            prefix_6=table.take("prefix_6", read_prefix_6, subnet.prefix_6),
        ),
    )
    table.end()
    if bool(point.encryption) != bool(password):
        raise ValueError(f"{table.where}: an encrypted network needs a password, an open one has none")
    return point


def _identity(table: Table) -> Identity:
    default = Identity()
    identity = Identity(
        station_mac=table.take("mac", read_mac, default.station_mac),
        softap_mac=table.take("softap_mac", read_mac, default.softap_mac),
        host_name=table.take("host_name", read_text, default.host_name),
    )
    table.end()
    return identity


def _provisioning(table: Table) -> Provisioning:
    result = Provisioning(
        ssid=table.take("ssid", read_ssid),
        password=table.take("password", read_text, ""),
        after_s=table.take("after_s", read_seconds, 1.0),
    )
    table.end()
    return result


def _softap_client(table: Table) -> SoftApClient:
    after_s = table.take("after_s", read_seconds, SoftApClient("").after_s)
    result = SoftApClient(table.take("mac", read_mac), after_s)
    table.end()
    return result


def _certificate(table: Table, name: str, base: Path) -> tuple[str, str]:
    text = table.take(name, read_text)
    try:
        return slot_of(name, text, base)
    except ValueError as error:
        raise ValueError(f"{table.where}: {error}") from None


def _aliases(table: Table) -> list[tuple[str, str]]:
    read = read_either_address
    return [(_checked(table, key, read), table.take(key, read)) for key in list(table.left)]


def _checked(table: Table, key: str, read: Callable[[object], str]) -> str:
    try:
        return read(key)
    except ValueError as error:
        raise ValueError(f"{table.where}: {error}") from None


def _name(name: str, table: Table) -> Name:
    value = table.left[name]
    if isinstance(value, str):
        return Name(name, table.take(name, read_address))
    entry = Table(f"{table.where}.{name}", table.take(name, read_table))
    result = Name(
        name,
        entry.take("address", read_address, None),
        entry.take("delay_s", read_seconds, 0.0),
        entry.take("address_6", read_address_6, None),
    )
    entry.end()
    return result
