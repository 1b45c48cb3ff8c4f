"""Which Python objects and which descriptors belong to which virtual socket.

Objects find their state by identity, in a plain dictionary: that is the whole cost of the patch for sockets
that are not ours. A descriptor finds it by (st_dev, st_ino), however it was duplicated or passed on.

A state is kept alive by its objects and, while a link is open, by the engine (through the events object).
Between `detach()` and the next `socket(fileno=...)` there may be neither: then it is parked here, until the
descriptor is adopted or closed.
"""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING

from esp32sock.net.socketpairs import key_of

if TYPE_CHECKING:
    import _socket

    from esp32sock.net.socket_state import SocketState
    from esp32sock.net.socketpairs import Key

_states: dict[int, SocketState] = {}
_objects: dict[int, weakref.ref[_socket.socket]] = {}
_by_key: weakref.WeakValueDictionary[Key, SocketState] = weakref.WeakValueDictionary()
_parked: dict[Key, tuple[int, SocketState]] = {}

# The state of a socket object by id(), None for a socket of the host. Every method of every socket calls it.
state_by_id = _states.get


def adopt(sock: _socket.socket, state: SocketState) -> None:
    """From now on `sock` is an object of this virtual socket."""
    if _parked:
        _sweep()
    number = id(sock)
    _objects[number] = weakref.ref(sock, partial(_collected, number))
    _states[number] = state
    _by_key[state.key] = state
    _parked.pop(state.key, None)


def forget(sock: _socket.socket) -> SocketState | None:
    """The object no longer stands for its virtual socket (closed or detached); which one that was."""
    state = _states.pop(id(sock), None)
    _objects.pop(id(sock), None)
    return state


def find(fd: int) -> SocketState | None:
    """The virtual socket behind a descriptor; None if there is none, or no such descriptor."""
    try:
        return _by_key.get(key_of(fd))
    except OSError:
        return None


def find_by_key(key: Key) -> SocketState | None:
    """The virtual socket of this key; None if this process knows none."""
    return _by_key.get(key)


def park(fd: int, state: SocketState) -> None:
    """Keep a state that has a descriptor but no object."""
    _by_key[state.key] = state
    _parked[state.key] = (fd, state)


def is_parked(fd: int, state: SocketState) -> bool:
    """Whether it is parked with this descriptor, and the descriptor is still open."""
    return _parked.get(state.key) == (fd, state) and state.is_descriptor_open(fd)


def has_objects(state: SocketState) -> bool:
    """Whether any object stands for this virtual socket."""
    return any(other is state for other in list(_states.values()))


def objects_of(state: SocketState) -> list[_socket.socket]:
    """The living objects of a virtual socket."""
    numbers = [number for number, other in list(_states.items()) if other is state]
    found = [_objects[number]() for number in numbers if number in _objects]
    return [sock for sock in found if sock is not None]


def living() -> list[tuple[_socket.socket, SocketState]]:
    """Every object that stands for a virtual socket, with its state."""
    found = [(reference(), _states.get(number)) for number, reference in list(_objects.items())]
    return [(sock, state) for sock, state in found if sock is not None and state is not None]


def rekey(state: SocketState, key: Key) -> None:
    """The descriptors of a state have been given another open file."""
    _by_key.pop(state.key, None)
    _parked.pop(state.key, None)
    state.key = key
    _by_key[key] = state


def release_if_unused(state: SocketState) -> None:
    """To be called after an object of `state` has ended and its descriptor was closed."""
    if not has_objects(state) and state.key not in _parked:
        state.release()


def _collected(number: int, _: weakref.ref[_socket.socket]) -> None:
    state = _states.pop(number, None)
    _objects.pop(number, None)
    if state is not None:
        release_if_unused(state)


def _sweep() -> None:
    """Drop the parked states whose descriptor was closed meanwhile."""
    for key, (fd, state) in list(_parked.items()):
        if not state.is_descriptor_open(fd):
            _parked.pop(key, None)
            state.release()
