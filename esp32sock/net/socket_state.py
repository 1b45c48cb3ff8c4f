"""The state behind a socket object, for the registries and the patched methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import _socket

    from esp32sock.net.interface_api import Interface
    from esp32sock.net.socketpairs import Key


class SocketState(Protocol):
    """The state of one socket: a virtual one, or a UDP socket that the host serves.

    It also has every method of `socket_methods.METHODS`, with the socket object as the first argument.
    """

    kind: int
    family: int
    proto: int
    key: Key
    interface: Interface | None

    def accept_descriptor(self, sock: _socket.socket, /) -> tuple[int, Any]:
        """A new descriptor and the peer's address, as `_accept` returns them."""

    def unused(self) -> bool:
        """Whether nothing was asked of the module yet, so that the host can still take over."""

    def raise_error(self, doing: str) -> None:
        """Raise what the engine reported and no call has raised yet, once."""

    def is_descriptor_open(self, fd: int) -> bool:
        """Whether a descriptor that has no object is still open."""

    def release(self) -> None:
        """No object of this process is left: give back what only this state holds."""
