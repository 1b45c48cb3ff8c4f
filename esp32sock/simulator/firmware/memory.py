"""What settings are in force: those of this run over those in flash.

With AT+SYSSTORE=0 a setting holds until the next restart only (at-dialects 5); without that command every
setting is stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from esp32sock.simulator.nvs import Nvs

T = TypeVar("T")


class Memory:
    """Settings by key, fresh after every boot."""

    def __init__(self, nvs: Nvs) -> None:
        self._nvs = nvs
        self._values: dict[str, object] = {}

    def get(self, key: str, default: T) -> T:
        """The setting; one of another type than the default counts as never made."""
        value = self._values.get(key)
        return value if isinstance(value, type(default)) else self._nvs.get(key, default)

    def set(self, key: str, value: object, *, store: bool) -> None:
        self._values[key] = value
        if store:
            self._nvs.set(key, value)
