"""The routing table: which destinations the host's own stack serves, and which go through the module."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

Direct = str | Iterable[str] | Callable[[str], bool]

# paho-mqtt, multiprocessing, debuggers and test servers connect to themselves over loopback.
LOOPBACK = ("127.0.0.0/8", "::1", "localhost", ".localhost")

ENVIRONMENT = "ESP32SOCK_DIRECT"


class Routes:
    """What goes to the host: networks (`10.0.0.0/8`), names, name suffixes (`.lan`), or a function's choice.

    `direct` is one text with commas, an iterable of texts, or a callable that is given a numeric address or
    a name and says whether it is the host's. `()` and `"none"` send everything through the module.
    """

    def __init__(self, direct: Direct = LOOPBACK) -> None:
        self.direct = direct
        self._chooses = direct if callable(direct) else None
        self._networks: list[IPv4Network | IPv6Network] = []
        self._names: set[str] = set()
        self._suffixes: tuple[str, ...] = ()
        if not callable(direct):
            self.direct = ",".join(_entries(direct))
            for entry in _entries(self.direct):
                self._add(entry)

    @classmethod
    def from_environment(cls) -> Routes:
        """ESP32SOCK_DIRECT if set, else loopback."""
        text = os.environ.get(ENVIRONMENT)
        return cls() if text is None else cls(text)

    def to_host(self, host: str) -> bool:
        """Whether this numeric address or name is served by the host."""
        if self._chooses is not None:
            return bool(self._chooses(host))
        try:
            address = ip_address(host)
        except ValueError:
            name = host.rstrip(".").lower()
            return name in self._names or name.endswith(self._suffixes)
        return any(address in network for network in self._networks)

    def _add(self, entry: str) -> None:
        try:
            self._networks.append(ip_network(entry, strict=False))
        except ValueError:
            if "/" in entry or ":" in entry or any(character.isspace() for character in entry):
                raise ValueError(
                    f"direct route {entry!r}: give a network such as 192.168.1.0/24 or fd00::/8, a name, or "
                    ".suffix"
                ) from None
            name = entry.rstrip(".").lower().removeprefix("*")
            if name.startswith("."):
                self._suffixes += (name,)
            else:
                self._names.add(name)


def _entries(direct: str | Iterable[str]) -> list[str]:
    parts = direct.split(",") if isinstance(direct, str) else direct
    entries = [part.strip() for part in parts]
    return [entry for entry in entries if entry and entry.lower() != "none"]
