"""The non-volatile store: what a module keeps over a restart, and in a file for ever.

The file is JSON, one object. Values are what JSON has, and besides tuples, bytes and the simulator's own
frozen dataclasses, each written as an object with one key that names its type. It is written anew, as a
whole, after every change; a module that is killed leaves the old file or the new one.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from esp32sock._files import PRIVATE, replaced

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

T = TypeVar("T")

_PACKAGE = __package__ or ""


class Nvs:
    """Values by key. A key that was never written reads as the default that the reader gives."""

    def __init__(self, values: dict[str, object] | None = None) -> None:
        self._values: dict[str, object] = dict(values or {})

    def get(self, key: str, default: T) -> T:
        """The stored value; a value of another type than the default counts as not written."""
        value = self._values.get(key, default)
        return value if isinstance(value, type(default)) else default

    def set(self, key: str, value: object) -> None:
        if key not in self._values or self._values[key] != value:
            self._values[key] = value
            self._changed()

    def erase(self, *, keep: tuple[str, ...] = ()) -> None:
        """Forget everything but the keys that begin like this: AT+RESTORE."""
        self._values = {key: value for key, value in self._values.items() if key.startswith(keep)}
        self._changed()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._values))

    def _changed(self) -> None:
        """For a store that outlives the process."""


class NvsFile(Nvs):
    """A store that is a file. `values` fill it if there is no file yet.

    Raises ValueError if the file is not one of ours, OSError if it cannot be read or written.
    """

    def __init__(self, path: str | os.PathLike[str], values: dict[str, object] | None = None) -> None:
        self.path = Path(path)
        try:
            text = self.path.read_text("utf-8")
        except FileNotFoundError:
            super().__init__(values)
            self._changed()
        else:
            super().__init__(self._read(text))

    def _read(self, text: str) -> dict[str, object]:
        try:
            values = json.loads(text, object_hook=_decode)
        except (ValueError, TypeError, AttributeError, ImportError) as error:
            raise ValueError(f"{self.path}: not the flash of a simulated module: {error}") from None
        if not isinstance(values, dict):
            raise ValueError(f"{self.path}: not the flash of a simulated module: no object")
        return values

    def _changed(self) -> None:
        text = json.dumps(_encode(self._values), indent=1, sort_keys=True) + "\n"
        with replaced(self.path, new_mode=PRIVATE) as file:
            file.write(text.encode())


def _encode(value: object) -> Any:
    if isinstance(value, dict):
        return {key: _encode(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_encode(each) for each in value]
    if isinstance(value, tuple):
        return {"<tuple>": [_encode(each) for each in value]}
    if isinstance(value, bytes):
        return {"<bytes>": value.hex()}
    if is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        module = kind.__module__.removeprefix(_PACKAGE)
        return {
            f"<{module}:{kind.__qualname__}>": {
                f.name: _encode(getattr(value, f.name)) for f in fields(value)
            }
        }
    if isinstance(value, int | float | str | None):
        return value
    raise TypeError(f"the flash cannot hold {value!r}")


def _decode(pairs: dict[str, Any]) -> object:
    if len(pairs) != 1:
        return pairs
    ((key, value),) = pairs.items()
    if not (key.startswith("<") and key.endswith(">")):
        return pairs
    kind = key[1:-1]
    if kind == "tuple":
        return tuple(value)
    if kind == "bytes":
        return bytes.fromhex(value)
    module, _, name = kind.partition(":")
    if not module.startswith("."):
        raise ValueError(f"{key} is no type of the simulator")
    found = getattr(import_module(module, _PACKAGE), name)
    if not (isinstance(found, type) and is_dataclass(found)):
        raise ValueError(f"{key} is no type of the simulator")
    return found(**value)
