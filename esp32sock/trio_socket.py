"""The sockets of a module as trio has them, and name look-ups that do not block the loop.

Theory of operation. What the descriptor of a virtual socket shows is waited for in trio's own epoll:
connecting, accepting, all data. Opening a UDP link and looking up a name have no descriptor to show their
end: a worker thread waits for them while the loop runs on (with either engine; a worker thread is not the
engine's). `listen` alone is a plain function in trio: over an attached interface it blocks for one round trip
to the module; with the engine in this very loop it cannot wait, and a refusal is raised by the first
`accept` (`TrioInterface.open_tcp_listeners` does wait).
"""

from __future__ import annotations

import os
import select
from concurrent.futures import CancelledError
from contextlib import suppress
from socket import AF_INET, SHUT_RD, SO_ERROR, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET
from typing import TYPE_CHECKING, Any, Self, TypeVar

import trio

from esp32sock import socket as virtual
from esp32sock._address_text import address_text
from esp32sock.errors import Error
from esp32sock.net import fd_registry
from esp32sock.net.addresses import any_of, numeric
from esp32sock.net.resolver import getaddrinfo_enums
from esp32sock.net.tcp_socket import VirtualStream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from socket import AddressFamily, SocketKind
    from types import TracebackType

    from typing_extensions import Buffer

    from esp32sock.net.interface_api import Interface
    from esp32sock.net.socket_state import SocketState

R = TypeVar("R")

BACKLOG = 128
"""What trio's own `listen` passes by default."""


class ModuleSocket(trio.socket.SocketType):
    """A socket of the module as trio has them; see `trio.socket` for its use.

    Every method raises what trio's raises: OSError, `trio.ClosedResourceError` in a task that waits while
    another one closes the socket, `trio.BusyResourceError` for two tasks that wait for the same thing.
    Cancelling a data method or `accept` has no effect on the socket; cancelling `connect`, `bind`
    or the first `sendto` of a UDP socket closes it, because it is unknown how far they came.
    """

    def __init__(self, sock: virtual.socket, interface: Interface) -> None:
        super().__init__()
        sock.setblocking(False)
        self._sock = sock
        self._interface = interface
        self._did_shutdown_SHUT_WR = False

    # What needs no waiting.

    def detach(self) -> int:
        return self._sock.detach()

    def fileno(self) -> int:
        return self._sock.fileno()

    def getpeername(self) -> Any:
        return self._sock.getpeername()

    def getsockname(self) -> Any:
        return self._sock.getsockname()

    def getsockopt(self, level: int, optname: int, buflen: int | None = None) -> Any:
        return self._sock.getsockopt(level, optname, *(() if buflen is None else (buflen,)))

    def setsockopt(
        self, level: int, optname: int, value: int | Buffer | None, optlen: int | None = None
    ) -> None:
        length: tuple[Any, ...] = () if optlen is None else (optlen,)
        self._sock.setsockopt(level, optname, value, *length)

    def get_inheritable(self) -> bool:
        return self._sock.get_inheritable()

    def set_inheritable(self, inheritable: bool) -> None:
        self._sock.set_inheritable(inheritable)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def family(self) -> AddressFamily:
        return self._sock.family

    @property
    def type(self) -> SocketKind:
        return self._sock.type

    @property
    def proto(self) -> int:
        return self._sock.proto

    @property
    def did_shutdown_SHUT_WR(self) -> bool:
        return self._did_shutdown_SHUT_WR

    def __repr__(self) -> str:
        return f"<{__name__}.{type(self).__name__} over {self._sock!r}>"

    def dup(self) -> ModuleSocket:
        return ModuleSocket(self._sock.dup(), self._interface)

    def close(self) -> None:
        """Close; a task that waits here gets ClosedResourceError. What was sent is still delivered."""
        if self._sock.fileno() != -1:
            trio.lowlevel.notify_closing(self._sock)
            self._sock.close()

    async def prepare_reset(self) -> None:
        """Until the module has what was asked of the link by `setsockopt`, such as SO_LINGER; or cannot."""
        state = self._state
        if isinstance(state, VirtualStream) and state.has_stream_link() and state.handle is not None:
            asked = state.handle.set_options(state.options.for_stream())
            with suppress(Error, CancelledError):
                await trio.to_thread.run_sync(asked.result, abandon_on_cancel=True)

    def shutdown(self, flag: int) -> None:
        """As on Linux, but the module cannot send a FIN alone: the peer learns of SHUT_WR with the close."""
        self._sock.shutdown(flag)
        if flag != SHUT_RD:
            self._did_shutdown_SHUT_WR = True

    def is_readable(self) -> bool:
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(0))

    def listen(self, backlog: int = BACKLOG) -> None:
        """Start the module's one server; see the theory of operation for when a refusal is raised."""
        self._through(self._sock.listen, backlog)

    # Opening.

    async def bind(self, address: Any) -> None:
        try:
            address = await self._looked_up(address)
            if self._state is not None and self.type == SOCK_DGRAM:
                await self._in_worker(self._sock.bind, address)
            else:
                await trio.lowlevel.checkpoint()
                self._through(self._sock.bind, address)
        except trio.Cancelled:
            self.close()
            raise

    async def connect(self, address: Any) -> None:
        try:
            address = await self._looked_up(address)
            if self._state is not None and self.type == SOCK_DGRAM:
                await self._in_worker(self._sock.connect, address)
                return
            await trio.lowlevel.checkpoint_if_cancelled()
            try:
                self._through(self._sock.connect, address)
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self._sock)
            else:
                await trio.lowlevel.cancel_shielded_checkpoint()
                return
        except trio.Cancelled:
            self.close()
            raise
        self._raise_outcome(address)

    async def start_listening(self, backlog: int = BACKLOG) -> None:
        """`listen` without blocking the loop; the module's refusal is raised here. Cancelling closes."""
        try:
            await self._in_worker(self._sock.listen, backlog)
        except trio.Cancelled:
            self.close()
            raise

    async def accept(self) -> tuple[ModuleSocket, Any]:
        accepted, address = await self._when_ready(trio.lowlevel.wait_readable, self._sock.accept)
        return ModuleSocket(accepted, self._interface), address

    # Data.

    async def wait_writable(self) -> None:
        await trio.lowlevel.wait_writable(self._sock)

    async def recv(self, buflen: int, flags: int = 0, /) -> bytes:
        return await self._when_ready(trio.lowlevel.wait_readable, self._sock.recv, buflen, flags)

    async def recv_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> int:
        return await self._when_ready(
            trio.lowlevel.wait_readable, self._sock.recv_into, buffer, nbytes, flags
        )

    async def recvfrom(self, bufsize: int, flags: int = 0, /) -> tuple[bytes, Any]:
        return await self._when_ready(trio.lowlevel.wait_readable, self._sock.recvfrom, bufsize, flags)

    async def recvfrom_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
        return await self._when_ready(
            trio.lowlevel.wait_readable, self._sock.recvfrom_into, buffer, nbytes, flags
        )

    async def recvmsg(
        self, bufsize: int, ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[bytes, list[tuple[int, int, bytes]], int, Any]:
        return await self._when_ready(
            trio.lowlevel.wait_readable, self._sock.recvmsg, bufsize, ancbufsize, flags
        )

    async def recvmsg_into(
        self, buffers: Iterable[Buffer], ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[int, list[tuple[int, int, bytes]], int, Any]:
        return await self._when_ready(
            trio.lowlevel.wait_readable, self._sock.recvmsg_into, buffers, ancbufsize, flags
        )

    async def send(self, bytes: Buffer, flags: int = 0, /) -> int:  # noqa: A002
        return await self._when_ready(trio.lowlevel.wait_writable, self._sock.send, bytes, flags)

    async def sendto(self, *args: Any) -> int:
        if args:
            args = (*args[:-1], await self._looked_up(args[-1]))
        return await self._send_somewhere(self._sock.sendto, *args)

    async def sendmsg(
        self,
        buffers: Iterable[Buffer],
        ancdata: Iterable[tuple[int, int, Buffer]] = (),
        flags: int = 0,
        address: Any = None,
        /,
    ) -> int:
        if address is not None:
            address = await self._looked_up(address)
        # Lists: both may be asked for twice.
        return await self._send_somewhere(self._sock.sendmsg, list(buffers), list(ancdata), flags, address)

    async def _send_somewhere(self, operation: Callable[..., int], *args: Any) -> int:
        state = self._state
        if state is not None and self.type == SOCK_DGRAM and state.unused():
            try:
                return await self._in_worker(operation, *args)
            except BlockingIOError:
                pass  # the link is open, and there was no room just then
            except trio.Cancelled:
                self.close()
                raise
        return await self._when_ready(trio.lowlevel.wait_writable, operation, *args)

    # How it waits.

    @property
    def _state(self) -> SocketState | None:
        """What makes the socket virtual; None once the host's own stack serves it."""
        return fd_registry.state_by_id(id(self._sock))

    def _through(self, operation: Callable[..., R], *args: Any) -> R:
        with self._interface.use():
            return operation(*args)

    async def _in_worker(self, operation: Callable[..., R], *args: Any) -> R:
        return await in_worker(self._interface, operation, *args)

    async def _when_ready(
        self, wait: Callable[[Any], Awaitable[None]], operation: Callable[..., R], *args: Any
    ) -> R:
        """Try first, so that errors are raised at once, then whenever the descriptor may be ready."""
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            result = operation(*args)
        except BlockingIOError:
            pass
        else:
            await trio.lowlevel.cancel_shielded_checkpoint()
            return result
        while True:
            await wait(self._sock)
            try:
                return operation(*args)
            except BlockingIOError:
                continue  # another task or process was faster

    async def _looked_up(self, address: Any) -> Any:
        """The address with its host and service as numbers; anything strange is left to the call itself."""
        if not isinstance(address, tuple) or not 2 <= len(address) <= (2 if self.family == AF_INET else 4):
            return address
        host, port, *rest = address
        if host is None:
            host = ""
        if isinstance(port, int) and (not isinstance(host, str) or numeric(host, self.family) is not None):
            return host, port, *rest
        found = await self._in_worker(
            getaddrinfo_enums, host or any_of(self.family), port, self.family, self.type, self.proto
        )
        return (*found[0][4][:2], *rest)

    def _raise_outcome(self, address: Any) -> None:
        """OSError if the connecting that has just ended has failed."""
        state = self._state
        if state is not None:
            state.raise_error(f"connecting to {address_text(*address[:2])}")
        code = self._sock.getsockopt(SOL_SOCKET, SO_ERROR)
        if code:
            raise OSError(code, f"{os.strerror(code)}: connecting to {address!r}")


async def in_worker(interface: Interface, operation: Callable[..., R], *args: Any) -> R:
    """Do what waits for the module, on this interface; abandoned on cancellation."""

    def ask() -> R:
        with interface.use():
            return operation(*args)

    return await trio.to_thread.run_sync(ask, abandon_on_cancel=True)


def open_socket(
    interface: Interface,
    family: AddressFamily | int = AF_INET,
    type: SocketKind | int = SOCK_STREAM,  # noqa: A002
    proto: int = 0,
) -> ModuleSocket:
    """A new socket.

    OSError(EAFNOSUPPORT) for IPv6 where that is off, OSError(EPROTONOSUPPORT) for neither TCP nor UDP.
    """
    with interface.use():
        sock = virtual.socket(family, type, proto)
    state = fd_registry.state_by_id(id(sock))
    if state is not None:
        state.interface = interface
    return ModuleSocket(sock, interface)
