"""Local port numbers: the module has one stack, so ports are shared by all sockets of an interface."""

from __future__ import annotations

import errno
import random
import weakref
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from esp32sock.net.error_map import os_error

if TYPE_CHECKING:
    from esp32sock.net.interface_api import Interface

# Above what Linux gives out by itself, because a simulated module shares the ports of this host. The ports
# that a module gives to outgoing links are its own business.
EPHEMERAL = range(61000, 65536)


class PortOwner(Protocol):
    """A socket that has a port."""

    kind: int

    @property
    def port_families(self) -> tuple[int, ...]:
        """In which families it has it."""


_Ports = weakref.WeakValueDictionary["tuple[int, int, int]", "PortOwner"]
_taken: weakref.WeakKeyDictionary[Interface, _Ports] = weakref.WeakKeyDictionary()


def claim(interface: Interface, owner: PortOwner, port: int) -> int:
    """Take a port for `owner` (0: any free one) and return it; OSError(EADDRINUSE) if it is taken."""
    ports = _taken.setdefault(interface, weakref.WeakValueDictionary())
    if port == 0:
        first = random.randrange(len(EPHEMERAL))
        in_turn = chain(EPHEMERAL[first:], EPHEMERAL[:first])
        port = next((number for number in in_turn if not _owners(ports, owner, number)), 0)
        if port == 0:
            raise os_error(errno.EADDRINUSE, "every port from 61000 to 65535 is bound")
    elif _owners(ports, owner, port) - {owner}:
        raise os_error(errno.EADDRINUSE, f"port {port} is bound by another socket of this interface")
    for family in owner.port_families:
        ports[owner.kind, family, port] = owner
    return port


def release(interface: Interface, owner: PortOwner, port: int) -> None:
    """Give a port back."""
    ports = _taken.get(interface)
    for family in owner.port_families if ports is not None else ():
        if ports is not None and ports.get((owner.kind, family, port)) is owner:
            del ports[owner.kind, family, port]


def _owners(ports: _Ports, owner: PortOwner, port: int) -> set[PortOwner]:
    """The sockets that have this port where `owner` would have it."""
    found = (ports.get((owner.kind, family, port)) for family in owner.port_families)
    return {socket for socket in found if socket is not None}
