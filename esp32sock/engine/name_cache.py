"""Names that were looked up lately: a look-up holds the line for as long as its name server takes.

Theory of operation: only what was found is kept, for a fixed time, since the module does not say for how long
an answer holds. Another network may have other answers, so all is forgotten with the Wi-Fi.
"""

from __future__ import annotations

from collections import OrderedDict

MOST = 256
"""How many names are kept, the latest ones; by taste."""


class NameCache:
    """Addresses by name; times in seconds of one clock, supplied by the caller."""

    def __init__(self, lifetime_s: float) -> None:
        self._lifetime_s = lifetime_s
        self._found: OrderedDict[str, tuple[float, tuple[str, ...]]] = OrderedDict()

    def get(self, name: str, now: float) -> list[str] | None:
        """What was found for this name, in any letter case; None if that is not known or too old."""
        until, addresses = self._found.get(name.lower(), (now, ()))
        return list(addresses) if now < until else None

    def put(self, name: str, addresses: list[str], now: float) -> None:
        """The module found this; nothing is not kept."""
        if self._lifetime_s <= 0 or not addresses:
            return
        self._found.pop(name.lower(), None)
        self._found[name.lower()] = now + self._lifetime_s, tuple(addresses)
        while len(self._found) > MOST:
            self._found.popitem(last=False)

    def forget_all(self) -> None:
        """Another network may have other answers."""
        self._found.clear()
