"""Values as JSON and back: the plain types, and data classes, enums and errors of a fixed list. No pickle.

A value that JSON lacks is an object with one tag: `{"bytes": "..."}`, `{"tuple": [...]}`, `{"data": name,
"fields": {...}}`. The name of a class is its file and its own (`wifi.Join`); only the classes registered here
and those of a fixed list of files can be named, so a peer chooses among them. Fields are checked against
their types. A file of that list is imported when one of its classes is first named: to import them all takes
most of the time in which a client starts.
"""

from __future__ import annotations

import enum
import errno
import json
import pkgutil
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib import import_module
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Union

from esp32sock import errors
from esp32sock.at import commands, firmware
from esp32sock.engine import requests
from esp32sock.errors import Error

MAX_DEPTH = 12
"""How deep values may nest; chosen, messages of ours need 6."""

Check = Callable[[Any], bool]

_REQUEST_TYPES = (
    requests.StreamOptions,
    requests.StreamOpened,
    requests.DatagramOpened,
    requests.Listening,
)
_ERROR_FIELDS = ("command", "result", "error_code", "reason", "lines")
_NO_MESSAGE = (ValueError, TypeError, LookupError, AttributeError, RecursionError, ArithmeticError, Error)
"""What making a value out of anything may raise."""
_PLAIN_ERRORS: dict[str, type[Exception]] = {"ValueError": ValueError, "TypeError": TypeError}


class InvalidMessage(Error):
    """What a peer sent is no message of this protocol."""

    errno = errno.EPROTO


def _name_of(kind: type) -> str:
    return f"{kind.__module__.rpartition('.')[2]}.{kind.__name__}"


def _types_in(module: types.ModuleType) -> list[type]:
    """The data classes and enums that a module defines."""
    return [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and kind.__module__ == module.__name__
        if is_dataclass(kind) or issubclass(kind, enum.Enum)
    ]


_AT = commands.__name__.rpartition(".")[0]
_FILES = {
    **{found.name: f"{commands.__name__}.{found.name}" for found in pkgutil.iter_modules(commands.__path__)},
    "events": f"{_AT}.events",
    "urcs": f"{_AT}.urcs",
}
"""The files whose data classes and enums may be named; each is imported with the first of them."""

_known: dict[str, type] = {}
_forms: dict[type, tuple[str, tuple[str, ...]]] = {}
"""The name and the fields of each data class that was sent."""
_checks: dict[type, dict[str, Check]] = {}
"""What the fields of each data class that came must be; none for those that may be anything."""


def register(*kinds: type) -> None:
    """Allow these data classes and enums as values; in the importing of the file that defines them."""
    _known.update({_name_of(kind): kind for kind in kinds})


register(*_REQUEST_TYPES, firmware.Firmware)


def _find(name: str) -> type | None:
    """The class of this name; None if there is none, or it may not be named."""
    file = _FILES.get(name.partition(".")[0])
    if name not in _known and file is not None:
        register(*_types_in(import_module(file)))
    if name == "tls.TlsOptions":
        register(_tls().TlsOptions)
    return _known.get(name)


@cache
def _error_types() -> dict[str, type[Error]]:
    return {
        kind.__name__: kind
        for kind in (*vars(errors).values(), _tls().TlsRefused)
        if isinstance(kind, type) and issubclass(kind, Error)
    }


@cache
def _for_checkers_only() -> dict[str, Any]:
    """Types that annotations name and their files import for type checkers only."""
    return {
        "TlsOptions": _tls().TlsOptions,
        "Wifi": import_module(_FILES["urcs"]).Wifi,
        "Error": Error,
    }


def _tls() -> Any:
    return import_module(f"{_AT}.tls")


def dumps(value: object) -> bytes:
    """A value as JSON text; TypeError for one that is of no known type."""
    return _write(_encode(value)).encode()


def loads(text: bytes) -> Any:
    """The value of JSON text that a peer sent; InvalidMessage if it has none."""
    try:
        return _decode(_read(text.decode()), 0)
    except InvalidMessage:
        raise
    except _NO_MESSAGE as error:
        raise InvalidMessage(f"not a message: {error}") from error


def _no_number(name: str) -> None:
    raise InvalidMessage(f"not a message: {name} is no number")


_write = json.JSONEncoder(separators=(",", ":")).encode
_read = json.JSONDecoder(parse_constant=_no_number).decode
_PLAIN = frozenset({type(None), bool, int, float, str})


def _encode(value: Any) -> Any:
    """The common types first: a verb must not take long."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    form = _forms.get(kind)
    if form is not None:
        name, names = form
        return {"data": name, "fields": {field: _encode(getattr(value, field)) for field in names}}
    if kind is tuple:
        return {"tuple": [_encode(one) for one in value]}
    return _encode_other(value)


def _encode_other(value: Any) -> Any:
    match value:
        case enum.Enum():
            _require_known(type(value))
            return {"enum": _name_of(type(value)), "value": _encode(value.value)}
        case None | bool() | int() | float() | str():
            return value
        case bytes() | bytearray() | memoryview():
            return {"bytes": bytes(value).decode("latin-1")}
        case timedelta():
            return {"microseconds": value // timedelta(microseconds=1)}
        case datetime():
            return {"datetime": value.isoformat()}
        case IPv4Address():
            return {"ipv4": str(value)}
        case IPv6Address():
            return {"ipv6": str(value)}
        case list():
            return [_encode(one) for one in value]
        case tuple():
            return {"tuple": [_encode(one) for one in value]}
        case Mapping():
            return {"mapping": [[_encode(key), _encode(one)] for key, one in value.items()]}
        case Error():
            name = next(kind.__name__ for kind in type(value).__mro__ if kind.__name__ in _error_types())
            return {"error": name, "fields": _encode(_error_fields(value))}
        case ValueError() | TypeError():
            name = "ValueError" if isinstance(value, ValueError) else "TypeError"
            return {"error": name, "fields": _encode({"args": (str(value),)})}
    kind = type(value)
    _require_known(kind)
    _forms[kind] = _name_of(kind), tuple(field.name for field in fields(value) if field.init)
    return _encode(value)


def _require_known(kind: type) -> None:
    if _find(_name_of(kind)) is not kind:
        raise TypeError(f"a {kind.__name__} cannot be sent to another process")


def _error_fields(error: Error) -> dict[str, Any]:
    notes = getattr(error, "__notes__", ())
    kept = {name: value for name, value in vars(error).items() if name in _ERROR_FIELDS}
    return {**kept, "args": tuple(map(str, error.args)), "errno": error.errno, "__notes__": list(notes)}


def _decode(value: Any, depth: int) -> Any:
    if type(value) in _PLAIN:
        return value
    if depth > MAX_DEPTH:
        raise InvalidMessage("not a message: nested too deep")
    match value:
        case {"data": str(name), "fields": dict(inner)}:
            return _data(name, {key: _decode(one, depth + 1) for key, one in inner.items()})
        case list():
            return [_decode(one, depth + 1) for one in value]
        case {"bytes": str(text)}:
            return text.encode("latin-1")
        case {"microseconds": int(count)}:
            return timedelta(microseconds=count)
        case {"datetime": str(text)}:
            return datetime.fromisoformat(text)
        case {"ipv4": str(text)}:
            return IPv4Address(text)
        case {"ipv6": str(text)}:
            return IPv6Address(text)
        case {"tuple": list(items)}:
            return tuple(_decode(one, depth + 1) for one in items)
        case {"mapping": list(pairs)}:
            return {_decode(key, depth + 1): _decode(one, depth + 1) for key, one in pairs}
        case {"enum": str(name), "value": inner}:
            return _class_named(name, enum.Enum)(_decode(inner, depth + 1))
        case {"error": str(name), "fields": {"mapping": list()} as inner}:
            return _error(name, _decode(inner, depth + 1))
    raise InvalidMessage("not a message: a value of no known form")


def _class_named(name: str, base_class: type = object) -> Any:
    kind = _find(name)
    if kind is None or not issubclass(kind, base_class):
        raise InvalidMessage(f"not a message: no type is called {name[:80]!r}")
    return kind


def _data(name: str, values: dict[str, Any]) -> Any:
    kind = _class_named(name)
    value = kind(**values)
    for field, is_right in _checks_of(kind).items():
        if field in values and not is_right(values[field]):
            raise InvalidMessage(f"{name}: {field} cannot be a {type(values[field]).__name__}")
    return value


def _error(name: str, values: dict[str, Any]) -> Exception:
    args = values.pop("args", ())
    if name in _PLAIN_ERRORS:
        return _PLAIN_ERRORS[name](*args)
    kind = _error_types().get(name)
    if kind is None:
        raise InvalidMessage(f"not a message: no error is called {name[:80]!r}")
    error = kind.__new__(kind, *args)
    error.args = tuple(args)
    notes = values.pop("__notes__", [])
    vars(error).update(values)
    for note in notes:
        error.add_note(str(note))
    return error


def _checks_of(kind: type) -> dict[str, Check]:
    """What its fields must be; nothing where the types cannot be had: such a class is never sent."""
    if kind not in _checks:
        try:
            hints = typing.get_type_hints(kind, localns=_for_checkers_only())
        except NameError:
            hints = {}
        _checks[kind] = {name: check for name, hint in hints.items() if (check := _check_of(hint))}
    return _checks[kind]


def _check_of(hint: Any) -> Check | None:
    """Whether a value is of an annotated type, as far as messages use them; None if it may be anything."""
    if hint is Any:
        return None
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        checks = [_check_of(one) for one in inner]
        classes = [check for check in checks if isinstance(check, _IsOf)]
        others = [check for check in checks if check and not isinstance(check, _IsOf)]
        if None in checks:
            return None
        kinds = _IsOf(tuple(kind for check in classes for kind in check.kinds))
        return (
            (lambda value: kinds(value) or any(is_right(value) for is_right in others)) if others else kinds
        )
    if hint is float:
        return lambda value: isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return lambda value: isinstance(value, int) and not isinstance(value, bool)
    if origin is typing.Literal:
        return lambda value: value in inner
    if origin is tuple:
        return _check_of_tuple(inner)
    if origin is list:
        is_item = _check_of(inner[0])
        return lambda value: isinstance(value, list) and (is_item is None or all(map(is_item, value)))
    kind = type(None) if hint is None else origin or hint
    return _IsOf((kind,)) if isinstance(kind, type) else None


def _check_of_tuple(inner: tuple[Any, ...]) -> Check:
    checks = [_check_of(one) or (lambda value: True) for one in inner if one is not ...]
    if inner[1:] == (...,):
        return lambda value: isinstance(value, tuple) and all(map(checks[0], value))
    return lambda value: (
        isinstance(value, tuple)
        and len(value) == len(checks)
        and all(is_right(one) for is_right, one in zip(checks, value, strict=True))
    )


class _IsOf:
    """Whether a value is of one of these classes."""

    __slots__ = ("kinds",)

    def __init__(self, kinds: tuple[type, ...]) -> None:
        self.kinds = kinds

    def __call__(self, value: object) -> bool:
        return isinstance(value, self.kinds)
