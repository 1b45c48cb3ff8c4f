"""What a gateway asks of the module, so that it knows neither the engine nor a broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import trio


class Network(Protocol):
    """Streams and datagrams over a module; `esp32sock.trio.TrioInterface` and `ModuleNetwork` are such."""

    async def open_tcp_stream(self, host: str, port: int) -> trio.SocketStream:
        """A connection; OSError that says why there is none. Cancelling gives the attempt up."""

    async def open_tcp_listeners(self, port: int) -> list[trio.SocketListener]:
        """The module's server on this port; OSError if the module refuses."""

    async def open_udp_socket(self, remote: tuple[str, int] | None = None) -> trio.socket.SocketType:
        """A UDP socket whose link is open, connected to `remote` if given; OSError if there is none."""

    async def resolve(self, host: str) -> list[str]:
        """The IPv4 addresses of a name; `socket.gaierror` if it has none."""


@runtime_checkable
class ModuleStream(Protocol):
    """What a stream socket of the module has beside those of the host."""

    async def prepare_reset(self) -> None:
        """Until the module knows that this stream is to be closed with a reset, or cannot do that."""
