"""The values of a scenario's TOML: each is read by a function that raises ValueError with the cause."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}\Z")


class _Required:
    """Stands for "no default"."""


_REQUIRED = _Required()


class Table:
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


def read_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value


def read_ssid(value: object) -> str:
    text = read_text(value)
    if not 1 <= len(text.encode()) <= 32:
        raise ValueError(f"{text!r} has not 1 to 32 bytes")
    return text


def read_password(value: object) -> str:
    text = read_text(value)
    if len(text.encode()) > 64:
        raise ValueError("it has more than 64 bytes")
    return text


def read_mac(value: object) -> str:
    text = read_text(value).lower()
    if not _MAC.match(text):
        raise ValueError(f"{text!r} is not like 24:0a:c4:12:34:56")
    return text


def read_address(value: object) -> str:
    try:
        return str(ipaddress.IPv4Address(read_text(value)))
    except ipaddress.AddressValueError:
        raise ValueError(f"{value!r} is no IPv4 address") from None


def read_address_6(value: object) -> str:
    try:
        return str(ipaddress.IPv6Address(read_text(value)))
    except ipaddress.AddressValueError:
        raise ValueError(f"{value!r} is no IPv6 address") from None


def read_either_address(value: object) -> str:
    try:
        return str(ipaddress.ip_address(read_text(value)))
    except ValueError:
        raise ValueError(f"{value!r} is no IP address") from None


def read_prefix_6(value: object) -> str:
    """The first half of an IPv6 address; empty: there is none."""
    text = read_text(value)
    if not text:
        return ""
    prefix = ipaddress.IPv6Address(read_address_6(text))
    if int(prefix) & ((1 << 64) - 1):
        raise ValueError(f"{text!r} is more than a prefix of 64 bits, as in fec0::")
    return str(prefix)


MOST_S = 86_400.0
"""A longer wait is a mistake."""


def read_seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_S:
        raise ValueError(f"{value!r} is no number of seconds up to {MOST_S:.0f}")
    return float(value)


def integer(lowest: int, highest: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise ValueError(f"{value!r} is no whole number from {lowest} to {highest}")
        return value

    return read


def one_of(choices: Mapping[str, T]) -> Callable[[object], T]:
    def read(value: object) -> T:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"{value!r} is none of {', '.join(choices)}")
        return choices[value]

    return read


def list_of(read_one: Callable[[object], T]) -> Callable[[object], list[T]]:
    def read(value: object) -> list[T]:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{value!r} is no list")
        return [read_one(each) for each in value]

    return read


def read_table(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is no table")
    return value


def read_tables(value: object) -> list[Mapping[str, object]]:
    return list_of(read_table)(value)
