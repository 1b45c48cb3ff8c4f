"""trio over the module, without a patch: its sockets, its name look-ups, and an engine in the caller's loop.

Unmodified trio programs, over an attached interface (both settings hold for one `trio.run`):

    trio.socket.set_custom_socket_factory(esp32sock.shims.trio.SocketFactory())
    trio.socket.set_custom_hostname_resolver(esp32sock.shims.trio.HostnameResolver())

Programs that want no background thread:

    async with esp32sock.shims.trio.open_interface("/dev/ttyUSB0") as interface:
        stream = await interface.open_tcp_stream("example.com", 80)

Theory of operation. What the descriptor of a virtual socket can tell is waited for in trio's own epoll:
connecting, accepting, all data. Opening a UDP link and looking up a name have no descriptor to show their
end: a worker thread waits for them while the loop runs on (with either engine; a worker thread is not the
engine's). `listen` alone is a plain function in trio: over an attached interface it blocks for one round trip
to the module; with the engine in this very loop it cannot wait, and a refusal is raised by the first
`accept` (`TrioInterface.open_tcp_listeners` does wait).
"""

from __future__ import annotations

import errno
import os
import select
import threading
from contextlib import asynccontextmanager
from socket import AF_INET, SHUT_RD, SO_ERROR, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET
from typing import TYPE_CHECKING, Any, Self, TypeVar

import trio

from esp32sock import socket as ours
from esp32sock.engine.thread import EngineThread
from esp32sock.errors import unwrap_group
from esp32sock.net import fd_registry
from esp32sock.net.addresses import ANY, numeric
from esp32sock.net.error_map import translated
from esp32sock.net.event_queue import MAX_EVENTS
from esp32sock.net.local_interface import LocalInterface, choices, default, new_module, using
from esp32sock.net.resolver import getaddrinfo_enums, getnameinfo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
    from contextlib import AbstractContextManager
    from socket import AddressFamily, SocketKind
    from types import TracebackType

    from typing_extensions import Buffer

    from esp32sock.at.commands import Command, wifi
    from esp32sock.engine.engine import Engine
    from esp32sock.engine.options import Options
    from esp32sock.net.event_queue import EventChannel
    from esp32sock.net.interface_api import Interface, ModuleStatus
    from esp32sock.net.routes import Direct
    from esp32sock.net.virtual_socket import VirtualSocket

R = TypeVar("R")

BACKLOG = 128
"""What trio's own `listen` passes by default."""
CANCELLED_CLOSE_S = 1.0
"""How long a cancelled `open_interface` still closes links, which the module would keep; by taste."""


class ModuleSocket(trio.socket.SocketType):
    """A socket of the module's as trio has them; `SocketFactory` makes it, see `trio.socket` for its use.

    Every method raises what trio's raises: OSError, `trio.ClosedResourceError` in a task that waits while
    another one closes the socket, `trio.BusyResourceError` for two tasks that wait for the same thing.
    Cancelling a data method or `accept` has no effect on the socket; cancelling `connect`, `bind`
    or the first `sendto` of a UDP socket closes it, because nobody knows how far they came.
    """

    def __init__(self, sock: ours.socket, interface: Interface) -> None:
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
        """Close; who waits on this socket gets ClosedResourceError. What was sent is still delivered."""
        if self._sock.fileno() != -1:
            trio.lowlevel.notify_closing(self._sock)
            self._sock.close()

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
    def _state(self) -> VirtualSocket | None:
        """What makes the socket virtual; None once the host's own stack serves it."""
        return fd_registry.state_by_id(id(self._sock))

    def _through(self, operation: Callable[..., R], *args: Any) -> R:
        with using(self._interface):
            return operation(*args)

    async def _in_worker(self, operation: Callable[..., R], *args: Any) -> R:
        """Do what waits for the module; abandoned on cancellation."""
        return await trio.to_thread.run_sync(self._through, operation, *args, abandon_on_cancel=True)

    async def _when_ready(
        self, wait: Callable[[Any], Awaitable[None]], operation: Callable[..., R], *args: Any
    ) -> R:
        """Try first, so that errors are told at once, then whenever the descriptor may be ready."""
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
        if self.family != AF_INET or not isinstance(address, tuple) or len(address) != 2:
            return address
        host, port = address
        if host is None:
            host = ""
        if isinstance(port, int) and (not isinstance(host, str) or numeric(host) is not None):
            return host, port
        found = await self._in_worker(getaddrinfo_enums, host or ANY, port, AF_INET, self.type, self.proto)
        return found[0][4]

    def _raise_outcome(self, address: Any) -> None:
        """OSError if the connecting that has just ended has failed."""
        state = self._state
        if state is not None:
            state.raise_error(f"connecting to {address[0]}:{address[1]}")
        code = self._sock.getsockopt(SOL_SOCKET, SO_ERROR)
        if code:
            raise OSError(code, f"{os.strerror(code)}: connecting to {address!r}")


class SocketFactory(trio.abc.SocketFactory):
    """Makes trio's sockets virtual: `trio.socket.set_custom_socket_factory(SocketFactory())`.

    `interface` is the one they use; None: that of `esp32sock.default()`, OSError(ENETDOWN) without any.
    """

    def __init__(self, interface: Interface | None = None) -> None:
        self._interface = default() if interface is None else interface

    def socket(
        self,
        family: AddressFamily | int = AF_INET,
        type: SocketKind | int = SOCK_STREAM,  # noqa: A002
        proto: int = 0,
    ) -> ModuleSocket:
        """A new socket; OSError(EAFNOSUPPORT) for IPv6, OSError(EPROTONOSUPPORT) for neither TCP nor UDP."""
        sock = ours.socket(family, type, proto)
        state = fd_registry.state_by_id(id(sock))
        if state is not None:
            state.interface = self._interface
        return ModuleSocket(sock, self._interface)


class HostnameResolver(trio.abc.HostnameResolver):
    """Asks the module for names: `trio.socket.set_custom_hostname_resolver(HostnameResolver())`.

    Names that the routes give to the host are looked up there. Raises `socket.gaierror` as `getaddrinfo`
    does. Cancelling returns at once; the module still answers the question that was put to it.
    """

    def __init__(self, interface: Interface | None = None) -> None:
        self._interface = default() if interface is None else interface

    async def getaddrinfo(
        self,
        host: str | bytes | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,  # noqa: A002
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        return await self._in_worker(getaddrinfo_enums, host, port, family, type, proto, flags)

    async def getnameinfo(self, sockaddr: tuple[Any, ...], flags: int) -> tuple[str, str]:
        return await self._in_worker(getnameinfo, sockaddr, flags)

    async def _in_worker(self, operation: Callable[..., R], *args: Any) -> R:
        def ask() -> R:
            with using(self._interface):
                return operation(*args)

        return await trio.to_thread.run_sync(ask, abandon_on_cancel=True)


class TrioInterface:
    """One module whose engine runs in this trio program; `open_interface` gives it.

    `socket_factory` and `hostname_resolver` are for trio's `set_custom_...` functions, where a whole program
    is to go through the module; the methods here need no such setting.
    """

    def __init__(self, interface: LocalInterface, module: Engine) -> None:
        self._interface = interface
        self._module = module
        self.socket_factory = SocketFactory(interface)
        self.hostname_resolver = HostnameResolver(interface)

    async def open_tcp_stream(self, host: str | bytes, port: int) -> trio.SocketStream:
        """Connect; the addresses of a name are tried one after another, because links are few.

        OSError that says why the last one failed, `socket.gaierror` if the name has none. Cancelling gives
        the attempt up and leaves no link.
        """
        found = await self.hostname_resolver.getaddrinfo(host, port, AF_INET, SOCK_STREAM)
        failure: OSError | None = None
        for family, kind, proto, _, address in found:
            sock = self.socket_factory.socket(family, kind, proto)
            try:
                await sock.connect(address)
                return trio.SocketStream(sock)
            except OSError as error:
                sock.close()
                failure = error
            except BaseException:
                sock.close()
                raise
        raise failure or OSError(errno.EADDRNOTAVAIL, f"no address to connect to: {host!r}")

    async def open_tcp_listeners(
        self, port: int, *, host: str = "", backlog: int = BACKLOG
    ) -> list[trio.SocketListener]:
        """Listen on the module's one server: a list of one, as `trio.serve_listeners` takes it.

        Port 0 takes a free one. OSError if the module refuses (EADDRINUSE or EMFILE: it listens already).
        Cancelling stops what was begun.
        """
        sock = self.socket_factory.socket()
        try:
            await sock.bind((host, port))
            await sock.start_listening(backlog)
            return [trio.SocketListener(sock)]
        except BaseException:
            sock.close()
            raise

    def socket(self, type: SocketKind | int = SOCK_STREAM) -> ModuleSocket:  # noqa: A002
        """A socket as those of `trio.socket`; SOCK_DGRAM for UDP."""
        return self.socket_factory.socket(AF_INET, type)

    async def resolve(self, host: str) -> list[str]:
        """The IPv4 addresses of a name; `socket.gaierror` if there are none. Cancelling returns at once."""
        found = await self.hostname_resolver.getaddrinfo(host, None, AF_INET, SOCK_STREAM)
        return [str(address[0]) for *_, address in found]

    async def execute(self, command: Command[R], *, timeout: float | None = None, force: bool = False) -> R:
        """Run one command, as `Interface.execute` does; raises `esp32sock.errors.Error`.

        Cancelling returns at once; a command that was sent already is carried out all the same.
        """
        return await self._module.execute(command, timeout=timeout, force=force)

    async def join(
        self,
        ssid: str,
        password: str = "",
        *,
        bssid: str | None = None,
        timeout: float | None = None,
        force: bool = False,
    ) -> wifi.JoinedTo | None:
        """Join an access point, as `Interface.join` does, with its errors.

        Cancelling returns at once; a join that was begun goes on in the module.
        """
        with translated(f"joining {ssid!r}"):
            return await self._module.join(ssid, password, bssid=bssid, timeout=timeout, force=force)

    def events(self, maxsize: int = MAX_EVENTS) -> EventChannel:
        """What the module says unasked, from now on: `async for event in interface.events()`.

        The latest `maxsize` are kept for a reader that is late. It ends with the interface, or by `close`.
        """
        return self._interface.event_channel(maxsize)

    def status(self) -> ModuleStatus:
        """What is known now, without asking the module."""
        return self._interface.status()

    def stats(self) -> dict[str, int]:
        """Counters since the interface was opened, as `Interface.stats`."""
        return self._interface.stats()

    def use(self) -> AbstractContextManager[Interface]:
        """Sockets that this task makes within the block, and threads it starts with its context, are here.

        Blocking calls belong into `trio.to_thread`: in the loop itself they are refused (EDEADLK), since the
        engine could not run meanwhile.
        """
        return self._interface.use()


@asynccontextmanager
async def open_interface(
    url: str | None = None, *, direct: Direct | None = None, **options: Any
) -> AsyncIterator[TrioInterface]:
    """Run a module in this trio program, without a thread of its own; arguments and errors as `attach`.

    At the end of the block, also when it failed, what was sent is delivered and every link closed, at most
    `close_s` long; a cancelled block closes links for CANCELLED_CLOSE_S at most. Sockets that are still open
    then end as if the module were gone. Does not become the default interface.
    """
    chosen, routes = choices(url, direct, options)
    engine = _EngineHere(chosen)
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        try:
            module = await _started(engine, nursery)
            interface = LocalInterface(chosen, routes, engine, module)
            try:
                yield TrioInterface(interface, module)
            finally:
                await _close(module)
                interface.close()
        except Exception as error:
            failure = error  # raised outside, or the nursery would wrap it in a group
        finally:
            engine.scope.cancel()
    if failure is not None:
        raise failure


async def _started(engine: _EngineHere, nursery: trio.Nursery) -> Engine:
    """The module, set up; OSError if it cannot be."""
    with translated(f"attaching {engine.options.url}"):
        try:
            module: Engine = await nursery.start(engine.run)
            return module
        except ExceptionGroup as group:
            raise unwrap_group(group) from None


async def _close(module: Engine) -> None:
    """End the links; shortly, if the caller was cancelled."""
    try:
        await module.drain()
    except trio.Cancelled:
        with trio.move_on_after(CANCELLED_CLOSE_S, shield=True):
            await module.drain()
        raise


class _EngineHere(EngineThread):
    """The engine as a task of the caller's loop; what is asked from other threads reaches it all the same."""

    def __init__(self, options: Options) -> None:
        super().__init__(lambda: new_module(options))
        self._thread = threading.current_thread()  # the one where nothing may block
        self.options = options
        self.scope = trio.CancelScope()

    async def run(self, *, task_status: trio.TaskStatus[Engine]) -> None:
        """Run until `scope` is cancelled; the caller's cancellation alone must not cut links off."""
        self._token = trio.lowlevel.current_trio_token()
        module = self._make()
        with self.scope:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                await nursery.start(module.run)
                self.scope.shield = True
                task_status.started(module)

    def stop(self) -> None:
        """Nothing: the end of the block ends it."""
