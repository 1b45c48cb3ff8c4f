"""Unsolicited result codes: one table from line to meaning.

Source: at-dialects 3.4. Lines stand alone, without their CR LF; framing has taken payload out already.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum, auto
from ipaddress import ip_address

from esp32sock._dataclass import dataclass

MAX_PORT = 65535


class Wifi(Enum):
    """What a WIFI line means for the station."""

    CONNECTED = auto()
    GOT_IP = auto()
    DISCONNECTED = auto()
    GOT_IPV6 = auto()
    """An IPv6 address, of the link or a global one (at-dialects 7.14)."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The AT task is up after a boot."""


@dataclass(frozen=True, slots=True)
class LinkUp:
    """A link opened; what the line does not say, or cannot be right, is None."""

    link_id: int
    accepted: bool | None = None
    remote: tuple[str, int] | None = None
    local_port: int | None = None
    kind: str | None = None
    """TCP, SSL or UDP, with `v6` over IPv6."""


@dataclass(frozen=True, slots=True)
class LinkDown:
    """A link closed."""

    link_id: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Passive receive: this much is unread in the module."""

    link_id: int
    unread_bytes: int


@dataclass(frozen=True, slots=True)
class WifiLine:
    """The station's state changed."""

    state: Wifi


@dataclass(frozen=True, slots=True)
class Restarting:
    """The module obeys an AT+RST that came while a command was running."""


@dataclass(frozen=True, slots=True)
class AmbiguousLine:
    """A known line that the session has no use for."""

    text: bytes


Urc = Ready | LinkUp | LinkDown | Waiting | WifiLine | Restarting | AmbiguousLine


def _link_conn(match: re.Match[bytes]) -> Urc:
    link_id, accepted = int(match[2]), match[4] == b"1"
    if match[1] != b"0":
        return LinkDown(link_id)
    remote = _peer(match[5].decode(), _port(match[6]))
    return LinkUp(link_id, accepted, remote, _port(match[7]), match[3].decode())


def _peer(address: str, port: int | None) -> tuple[str, int] | None:
    try:
        host = str(ip_address(address))
    except ValueError:
        return None
    return None if port is None else (host, port)


def _port(digits: bytes) -> int | None:
    port = int(digits)
    return port if port <= MAX_PORT else None


Meaning = Callable[[re.Match[bytes]], Urc]

_WITH_ID: tuple[tuple[bytes, Meaning], ...] = (
    (rb"(\d),CONNECT", lambda m: LinkUp(int(m[1]))),
    (rb"(\d),CLOSED", lambda m: LinkDown(int(m[1]))),
    (rb"\+IPD,(\d),(\d{1,9})", lambda m: Waiting(int(m[1]), int(m[2]))),
)
_WITHOUT_ID: tuple[tuple[bytes, Meaning], ...] = (
    (rb"CONNECT", lambda _: LinkUp(0)),
    (rb"CLOSED", lambda _: LinkDown(0)),
    (rb"\+IPD,(\d{1,9})", lambda m: Waiting(0, int(m[1]))),
)
"""In single-link mode the link is 0 (at-dialects 7.1); in the other these are what is left of a line."""

COUNTED_URCS = rb"\+(?:MQTTSUBRECV|WS_DATA|WRITE|NOTIFY|INDICATE|BTDATA|BLUFIDATA):.*"
"""Framing leaves their payload in them (at-dialects 7.12)."""

_EITHER: tuple[tuple[bytes, Meaning], ...] = (
    (rb"ready", lambda _: Ready()),
    (rb"(\d),CONNECT FAIL", lambda m: LinkDown(int(m[1]))),
    (rb'\+LINK_CONN:(\d),(\d),"(\w+)",(\d),"([0-9A-Fa-f.:]*)",(\d{1,5}),(\d{1,5})', _link_conn),
    (rb"WIFI CONNECTED", lambda _: WifiLine(Wifi.CONNECTED)),
    (rb"WIFI GOT IP", lambda _: WifiLine(Wifi.GOT_IP)),
    (rb"WIFI GOT IPv6 [LG]L", lambda _: WifiLine(Wifi.GOT_IPV6)),
    (rb"WIFI DISCONNECT", lambda _: WifiLine(Wifi.DISCONNECTED)),
    (rb"Will force to restart!!!", lambda _: Restarting()),
    (
        COUNTED_URCS
        + rb"|\+MQTT(?:CONNECTED|DISCONNECTED|PUB:)\b.*|\+WS_(?:CONNECTED|DISCONNECTED|CLOSED):.*"
        rb"|\+QUITT|\+TIME_UPDATED|Have \d+ Connections|NO (?:CERT|PRVT_KEY|CA) FOUND"
        rb"|\+(?:STA_CONNECTED|STA_DISCONNECTED|DIST_STA_IP|ETH_\w+|SCRD|CIPSENDL)\b.*"
        rb"|smartconfig .*|Smart get wifi info|ssid:.*|password:.*"
        rb"|(?:\x1b\[[0-9;]*m)?[EWIDV] \(\d+\) .*",  # the log of a board whose AT and log share a port
        lambda m: AmbiguousLine(m[0]),
    ),
)

_TABLES = tuple(
    tuple((re.compile(pattern, re.DOTALL), meaning) for pattern, meaning in (*links, *_EITHER))
    for links in (_WITHOUT_ID, _WITH_ID)
)  # by mux


def parse_urc(text: bytes, *, mux: bool) -> Urc | None:
    """The meaning of this unsolicited line, None if it has none; `mux` as AT+CIPMUX."""
    for pattern, meaning in _TABLES[mux]:
        match = pattern.fullmatch(text)
        if match:
            return meaning(match)
    return None
