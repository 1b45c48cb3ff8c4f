"""The non-volatile store: what a module remembers over a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")


class Nvs:
    """Values by key. A key that was never written reads as the default that the reader gives."""

    def __init__(self, values: dict[str, object] | None = None) -> None:
        self._values: dict[str, object] = dict(values or {})

    def get(self, key: str, default: T) -> T:
        """The stored value; a value of another type than the default counts as not written."""
        value = self._values.get(key, default)
        return value if isinstance(value, type(default)) else default

    def set(self, key: str, value: object) -> None:
        self._values[key] = value

    def erase(self) -> None:
        """Forget everything: AT+RESTORE."""
        self._values.clear()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._values))
