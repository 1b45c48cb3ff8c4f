"""Which module of a pool serves what: the rules, the least used one, and the one that a destination had."""

from __future__ import annotations

import errno
import os
import threading
from collections import OrderedDict
from dataclasses import field
from itertools import count
from typing import TYPE_CHECKING, TypeVar

from esp32sock._dataclass import dataclass
from esp32sock._monotonic import monotonic
from esp32sock.errors import ModuleReset, PortError
from esp32sock.net.routes import Routes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from esp32sock.errors import Error
    from esp32sock.net.interface_api import Interface

V = TypeVar("V")

MAX_REMEMBERED = 4096
"""Destinations whose module is remembered, and addresses whose name is; chosen."""
AVOIDED_S = 5.0
"""How long a module that could not serve a link comes last; chosen: about what a restart takes."""

_OF_THE_MODULE = frozenset({errno.EMFILE, errno.ENETDOWN, errno.ENETUNREACH})


@dataclass(frozen=True, slots=True)
class Pooling:
    """How a pool chooses a module; the names are those of `attach`, or the last part of a device's path.

    A link goes to the least used module, or, with `sticky`, to the one that has served its destination last
    as long as that one can. `rules` map networks, names and suffixes (as in `direct=`) to the only modules
    that may serve them; the first that matches counts. `listen_on` are the modules that listen for sockets
    which are not bound to one; None: all.
    """

    sticky: bool = False
    rules: Mapping[str, Sequence[str]] = field(default_factory=dict)
    listen_on: Sequence[str] | None = None


class PoolMember:
    """One module of a pool, and what the pool has open on it."""

    def __init__(self, name: str, interface: Interface) -> None:
        self.name = name
        self.interface = interface
        self.links = 0
        """Links of this pool that open or are open."""
        self.chosen = 0
        """Grows with every choice: the lowest was chosen longest ago."""
        self.avoid_until = 0.0

    def answers_to(self, name: str) -> bool:
        """Whether this module is meant; `/dev/ttyUSB0` is also `ttyUSB0`, as SO_BINDTODEVICE has names."""
        return name in (self.name, os.path.basename(self.name))

    @property
    def is_ready(self) -> bool:
        """Whether it can be expected to open a link without delay."""
        return not self.interface.is_closed and self.interface.is_ready

    def has_room(self) -> bool:
        """Whether a link is free, as far as is known here. Never waits for a broker: that may wait for us."""
        if self.interface.is_shared:
            return self.links < self.interface.max_links
        return self.interface.has_free_link()


def may_move(error: Error) -> bool:
    """Whether another module may well open what this one could not: the module failed, and not the peer."""
    return isinstance(error, PortError | ModuleReset) or error.errno in _OF_THE_MODULE


class PoolChooser:
    """Chooses a module for each link. May be used in any thread."""

    def __init__(
        self, members: Sequence[PoolMember], policy: Pooling, clock: Callable[[], float] = monotonic
    ) -> None:
        self.members = tuple(members)
        self.clock = clock
        self._sticky = policy.sticky
        self._rules = [
            (Routes(pattern), self.named(names, f"rule {pattern!r}"))
            for pattern, names in policy.rules.items()
        ]
        self.listeners = (
            self.members if policy.listen_on is None else self.named(policy.listen_on, "listen_on")
        )
        self._lock = threading.Lock()
        self._turn = count(1)
        self._last: OrderedDict[str, PoolMember] = OrderedDict()
        self._names: OrderedDict[str, str] = OrderedDict()

    def named(self, names: Iterable[str], what: str) -> tuple[PoolMember, ...]:
        """The modules of these names; ValueError for one that there is not, or for none at all."""
        found = []
        for name in [names] if isinstance(names, str) else names:
            member = next((one for one in self.members if one.answers_to(name)), None)
            if member is None:
                known = ", ".join(one.name for one in self.members)
                raise ValueError(f"{what}: the pool has no module {name!r}; there are {known}")
            found.append(member)
        if not found:
            raise ValueError(f"{what}: it names no module")
        return tuple(found)

    def note_name(self, name: str, addresses: Iterable[str]) -> None:
        """These addresses were found for this name: its rule is theirs."""
        with self._lock:
            for address in addresses:
                _remember(self._names, address, name)

    def allowed(self, host: str | None) -> tuple[PoolMember, ...]:
        """The modules that may serve this address or name; all for None."""
        if host is not None and self._rules:
            name = self._names.get(host)
            for routes, members in self._rules:
                if routes.to_host(host) or (name is not None and routes.to_host(name)):
                    return members
        return self.members

    def choose(
        self, host: str | None, tried: Iterable[PoolMember] = (), *, must_be_ready: bool = False
    ) -> PoolMember | None:
        """The module for a link to this host, and one link more on it; None if all were tried."""
        with self._lock:
            left = [one for one in self.allowed(host) if one not in tried and not one.interface.is_closed]
            if must_be_ready:
                left = [one for one in left if one.is_ready]
            if not left:
                return None
            last = self._last.get(host) if self._sticky and host is not None else None
            now = self.clock()
            member = min(
                left,
                key=lambda one: (
                    not one.is_ready,
                    one.avoid_until > now,
                    not one.has_room(),
                    one is not last,
                    one.links,
                    one.chosen,
                ),
            )
            member.links += 1
            member.chosen = next(self._turn)
            if self._sticky and host is not None:
                _remember(self._last, host, member)
            return member

    def take(self, member: PoolMember) -> None:
        """This module gets a link without having been chosen."""
        with self._lock:
            member.links += 1

    def release(self, member: PoolMember) -> None:
        """A link that was chosen for has ended, or has not opened."""
        with self._lock:
            member.links -= 1

    def avoid(self, member: PoolMember, error: Error) -> None:
        """This module could not serve a link; one that is only full is not to blame."""
        if error.errno != errno.EMFILE:
            member.avoid_until = self.clock() + AVOIDED_S


def _remember(found: OrderedDict[str, V], key: str, value: V) -> None:
    found[key] = value
    found.move_to_end(key)
    if len(found) > MAX_REMEMBERED:
        found.popitem(last=False)
