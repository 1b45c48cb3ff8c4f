"""Every setting of a module, once: from this table come the options of the command line, the variables of the
environment and the keys of the configuration files.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from esp32sock._dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

PORT, DIRECT, MODULE = "port", "direct", "module"
MODULE_VARIABLE = "ESP32SOCK_MODULE"
NONE = "none"
"""How a text says that an option is off which has no other value for it."""
_ON, _OFF = ("1", "yes", "true", "on"), ("0", "no", "false", "off")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a setting may be: `from_text` raises ValueError, `from_toml` too."""

    expected: str
    from_text: Callable[[str], object]
    from_toml: Callable[[object], object]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting; `name` is its name in `attach` and in files."""

    name: str
    kind: Kind
    help: str
    metavar: str = ""
    short: str = ""
    is_secret: bool = False

    @property
    def variable(self) -> str:
        """Of the environment."""
        return f"ESP32SOCK_{self.name.upper()}"

    @property
    def option(self) -> str:
        """Of the command line: without the unit, which the help names."""
        return f"--{self.name.removesuffix('_s').replace('_', '-')}"

    @property
    def is_switch(self) -> bool:
        """Whether the option takes no value."""
        return self.kind is SWITCH


def _same(kind: type, *others: type) -> Callable[[object], object]:
    def check(value: object) -> object:
        if type(value) not in (kind, *others):
            raise ValueError
        return value

    return check


def _integer(text: str) -> object:
    return int(text.replace("_", ""))


def _seconds(text: str) -> object:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def _switch(text: str) -> object:
    if text.lower() not in _ON + _OFF:
        raise ValueError
    return text.lower() in _ON


def _routes(value: object) -> object:
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return tuple(value)
    return _same(str)(value)


def _or_none(kind: Kind) -> Kind:
    """The same, or "none"."""

    def from_text(text: str) -> object:
        return None if text.lower() == NONE else kind.from_text(text)

    def from_toml(value: object) -> object:
        return None if value == NONE else kind.from_toml(value)

    return Kind(f'{kind.expected}, or "{NONE}"', from_text, from_toml)


def _choice(*words: str) -> Kind:
    def check(value: object) -> object:
        if value not in words:
            raise ValueError
        return value

    return Kind(" or ".join(f'"{word}"' for word in words), check, check)


INTEGER = Kind("a whole number", _integer, _same(int))
SECONDS = Kind("a number of seconds", _seconds, lambda value: _seconds(str(_same(int, float)(value))))
SWITCH = Kind("true or false", _switch, _same(bool))
TEXT = Kind("text", str, _same(str))
ROUTES = Kind("text with commas, or a list of texts", str, _routes)

SETTINGS = (
    Setting(PORT, TEXT, "serial device, usb:SERIAL, auto, pyserial URL, unix:PATH or sim://", "PORT", "-p"),
    Setting("baudrate", INTEGER, "baud rate (default: 115200)", "BAUD", "-b"),
    Setting("rtscts", SWITCH, "use RTS/CTS flow control on both sides"),
    Setting("ssid", TEXT, "access point to join, with the password in $ESP32SOCK_PASSWORD", "NAME"),
    Setting("password", TEXT, "of the access point", is_secret=True),
    Setting(
        DIRECT,
        ROUTES,
        "networks and names that this machine's own network serves, with commas; or none",
        "ROUTES",
    ),
    Setting("unread_link_bytes", INTEGER, "most unread bytes of one connection (default: 8 MiB)", "BYTES"),
    Setting("unread_bytes", INTEGER, "most unread bytes of all connections (default: 32 MiB)", "BYTES"),
    Setting("close_s", SECONDS, "seconds for the delivery at the end (default: 10)", "SECONDS"),
    Setting(
        "half_close_s",
        SECONDS,
        "seconds that a peer may be silent after the end of what is sent (default: 30)",
        "SECONDS",
    ),
    Setting("server_links", INTEGER, "connections that a server takes at a time, 1 to 5 (default: 3)", "N"),
    Setting(
        "receive",
        _or_none(_choice("active", "passive")),
        "force active or passive receive (default: by the firmware)",
        "MODE",
    ),
    Setting(
        "reset",
        _or_none(_choice("dtr", "rts")),
        "line of the adapter that restarts a silent module (default: none)",
        "LINE",
    ),
    Setting("fill_data_phase", SWITCH, "end a data phase that an earlier program left (default: on)"),
    Setting(
        "ipv6",
        _or_none(SWITCH),
        "IPv6 of the module on (true), unused (false), or used where it is on (none)",
        "SWITCH",
    ),
    Setting("dns_cache_s", SECONDS, "seconds that a found address is used again (default: 30)", "SECONDS"),
    Setting(
        "reclaim_idle_s",
        _or_none(SECONDS),
        "seconds after which an idle stream gives way to a connection that waits, or none (default: none)",
        "SECONDS",
    ),
    Setting(
        "heartbeat_s",
        _or_none(SECONDS),
        "seconds between two looks at the module, or none (default: 30)",
        "SECONDS",
    ),
    Setting(
        "trace", TEXT, "record the serial line in a file as text, without passwords; - for stderr", "FILE"
    ),
    Setting("pcap", TEXT, "the same as a pcapng file, for Wireshark", "FILE"),
)
BY_NAME = {setting.name: setting for setting in SETTINGS}


def parsed(setting: Setting, text: str) -> object:
    """The value that a text means; ValueError that says what is expected."""
    try:
        return setting.kind.from_text(text)
    except ValueError:
        shown = "this value" if setting.is_secret else repr(text)
        raise ValueError(f"{shown} is not {setting.kind.expected}") from None


def from_toml(setting: Setting, value: object) -> object:
    """The value of a key in a file; ValueError that says what is expected."""
    try:
        return setting.kind.from_toml(value)
    except ValueError:
        shown = "this value" if setting.is_secret else repr(value)
        raise ValueError(f"{shown} is not {setting.kind.expected}") from None
