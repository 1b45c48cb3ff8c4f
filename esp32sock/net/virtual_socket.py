"""What a virtual socket is beside its descriptor: addresses, options, the error that no call has raised yet.

One state serves all objects and descriptors of a socket. Its methods take the Python object as their first
argument and do what they can natively, on the descriptor, through the C class `_socket.socket`.
"""

from __future__ import annotations

import _socket
import errno
import sys
from abc import ABC, abstractmethod
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from esp32sock._hangup import hung_up
from esp32sock.errors import Error
from esp32sock.net import context, fd_registry, local_ports, options, socketpairs
from esp32sock.net.addresses import ANY, ANY_V6, LOOPBACK, LOOPBACK_V6, any_of, named, parse, unmapped
from esp32sock.net.error_map import is_being_raised, os_error, raise_from
from esp32sock.net.options import SocketOptions
from esp32sock.net.resolver import address_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esp32sock.engine.requests import Address
    from esp32sock.net.interface_api import Handle, Interface


class VirtualSocket(ABC):
    """State of one virtual socket; see VirtualStream and VirtualDatagram."""

    kind: int

    def __init__(self, proto: int, key: socketpairs.Key, family: int = _socket.AF_INET) -> None:
        self.proto = proto
        self.family = family
        self.key = key
        self.end: socketpairs.EngineEnd | None = None  # the other end, while the engine does not have it
        self.fork_count = context.forks()
        self.options = SocketOptions(family)
        self.interface: Interface | None = None
        self.handle: Handle | None = None
        self.bound: Address | None = None
        self.any_port = True  # the program did not ask for a local port of its own
        self.local: Address | None = None
        self.remote: Address | None = None
        self.scope = 0  # of the peer, as the program gave it
        self.error: Error | None = None

    # What the two kinds do differently.

    @abstractmethod
    def connect(self, sock: _socket.socket, address: Any, /) -> None:
        """As `socket.connect`."""

    @abstractmethod
    def getpeername(self, sock: _socket.socket, /) -> Any:
        """As `socket.getpeername`."""

    @abstractmethod
    def fresh_user_end(self) -> socketpairs.EngineEnd:
        """The owner of a descriptor as a new socket of this kind has it."""

    def unused(self) -> bool:
        """Whether nothing was asked of the module yet, so that the host can still take over."""
        return self.handle is None

    def has_stream_link(self) -> bool:
        """Whether there is a link whose options can be changed."""
        return False

    def accepts(self) -> bool:
        """Whether this is a listener."""
        return False

    def has_filled_buffer(self, sock: _socket.socket) -> bool:
        """Whether its descriptor is full, not to be writable before it is connected."""
        return False

    # What they have in common.

    def check_usable(self, sock: _socket.socket) -> None:
        """OSError if this process may not ask the module, or the descriptor was closed behind our back."""
        context.refuse_after_fork(self.fork_count, self.interface)
        if socketpairs.key_of(sock.fileno()) != self.key:
            raise os_error(errno.EBADF, f"descriptor {sock.fileno()} was closed and belongs to another file")

    @abstractmethod
    def listen(self, sock: _socket.socket, backlog: int = 128, /) -> None:
        """As `socket.listen`."""

    @abstractmethod
    def accept_descriptor(self, sock: _socket.socket, /) -> tuple[int, Any]:
        """As `socket._accept`: what `accept` makes a socket of, and the peer's address."""

    def is_descriptor_open(self, fd: int) -> bool:
        """Whether a descriptor that has no object is still open."""
        if self.end is not None:
            return not hung_up(self.end.fileno())
        try:
            return socketpairs.key_of(fd) == self.key
        except OSError:
            return False

    def require_interface(self) -> Interface:
        """The interface of this socket, chosen when it is first needed."""
        if self.interface is None:
            self.interface = context.interface()
        return self.interface

    def refuse_mapped(self, host: str) -> None:
        """OSError(ENETUNREACH) for an IPv4 peer of a socket that is to have none."""
        if ":" not in host and self.options.is_ipv6_only():
            raise os_error(errno.ENETUNREACH, f"{host}: this socket is for IPv6 only (IPV6_V6ONLY)")

    def connect_ex(self, sock: _socket.socket, address: Any, /) -> int:
        parse("connect_ex", address, self.family)
        try:
            self.connect(sock, address)
        except (_socket.gaierror, _socket.herror):
            raise
        except OSError as error:
            # A timeout of ours has no errno; the C module says EAGAIN then.
            return errno.EAGAIN if error.errno is None else error.errno
        return 0

    def bind(self, sock: _socket.socket, address: Any, /) -> None:
        host, port = parse("bind", address, self.family)
        sys.audit("socket.bind", sock, address)
        self.check_usable(sock)
        if self.bound is not None or not self.unused():
            raise os_error(errno.EINVAL, "bind: this socket is already bound")
        dotted = unmapped(address_of(host, self.family))
        if dotted not in (ANY, ANY_V6) and context.to_host(dotted):
            self.move_to_host(sock)
            _socket.socket.bind(sock, named((dotted, port), self.family))
            return
        interface = self.interface = self.require_interface().with_address(dotted)
        _refuse_foreign(interface, dotted)
        self.bound = dotted, local_ports.claim(interface, self, port)
        self.any_port = not port
        interface.note_bound(self.key, self.bound)

    def getsockname(self, sock: _socket.socket, /) -> Any:
        self._check_open(sock)
        return named(self._local_address(), self.family)

    def _local_address(self) -> Address:
        return self.local or self.bound or (any_of(self.family), 0)

    @property
    def port_families(self) -> tuple[int, ...]:
        """In which families a port of its own is taken: an IPv6 socket has it in both, as on Linux."""
        is_alone = self.family == _socket.AF_INET or self.options.is_ipv6_only()
        return (self.family,) if is_alone else (_socket.AF_INET, _socket.AF_INET6)

    def getsockopt(self, sock: _socket.socket, level: int, optname: int, buflen: int = 0, /) -> int | bytes:
        self._check_open(sock)
        option = (level, optname)
        if option in options.NATIVE:
            with self._carrier(sock, option) as carrier:
                return _socket.socket.getsockopt(carrier, level, optname, *([buflen] if buflen else []))
        facts = {
            _socket.SO_TYPE: self.kind,
            _socket.SO_DOMAIN: self.family,
            _socket.SO_PROTOCOL: self.proto or _DEFAULT_PROTO[self.kind],
            _socket.SO_ACCEPTCONN: int(self.accepts()),
        }
        if option == (_socket.SOL_SOCKET, _socket.SO_ERROR):
            value = options.int_bytes(self.take_error_number(sock))
        elif level == _socket.SOL_SOCKET and optname in facts:
            value = options.int_bytes(facts[optname])
        else:
            value = self.options.read(option)
        return options.decoded(value, buflen)

    def setsockopt(
        self, sock: _socket.socket, level: int, optname: int, value: Any, optlen: int | None = None, /
    ) -> None:
        self._check_open(sock)
        option = (level, optname)
        encoded = options.encoded(value, optlen)
        if option in options.NATIVE:
            with self._carrier(sock, option) as carrier:
                _socket.socket.setsockopt(carrier, level, optname, encoded)
        if option == options.V6ONLY and self.bound is not None and self.family == _socket.AF_INET6:
            raise os_error(errno.EINVAL, "IPV6_V6ONLY: this socket is bound")
        if option == options.BINDTODEVICE:
            self._use_module(encoded)
        before = self.options.for_stream()
        self.options.store(option, encoded)
        changed = option in options.HONOURED and self.options.for_stream() != before
        if changed and self.has_stream_link() and self.fork_count == context.forks():
            assert self.handle is not None
            # Best effort: whether the firmware has it is not worth failing for, and this call must not wait.
            with suppress(Error):
                self.handle.set_options(self.options.for_stream()).add_done_callback(_ignore_result)

    def _use_module(self, name: bytes) -> None:
        """The module of this name serves this socket; OSError(ENODEV) without, EINVAL once it is in use."""
        if self.bound is not None or not self.unused():
            raise os_error(errno.EINVAL, "SO_BINDTODEVICE: this socket is bound or connected")
        device = name.rstrip(b"\0").decode(errors="replace")
        self.interface = context.interface().module(device) if device else None

    @contextmanager
    def _carrier(self, sock: _socket.socket, option: options.Option) -> Iterator[_socket.socket]:
        """Where the kernel keeps an option: a send buffer that must stay full for now has a stand-in."""
        if option != options.SNDBUF or not self.has_filled_buffer(sock):
            yield sock
            return
        with closing(socketpairs.EngineEnd(_socket.AF_UNIX, self.kind)) as stand_in:
            socketpairs.limit_sending(
                stand_in.fileno(), self.options.sndbuf_bytes() or socketpairs.SNDBUF_BYTES
            )
            yield stand_in

    def take_error_number(self, sock: _socket.socket) -> int:
        """SO_ERROR: the errno of what went wrong, reported once."""
        error, self.error = self.error, None
        return 0 if error is None else error.errno

    def raise_error(self, doing: str) -> None:
        """Raise what the engine reported and no call has raised yet, once."""
        error = self.error
        if error is None:
            return
        try:
            raise_from(error, doing)
        finally:
            if is_being_raised(error) and self.error is error:
                self.error = None

    def move_to_host(self, sock: _socket.socket) -> None:
        """Become a socket of the host, under the same descriptor numbers; nothing virtual is left."""
        host_socket = _socket.socket(self.family, self.kind, self.proto)
        try:
            self.options.copy_to(host_socket)
            if self.bound is not None:
                self._bind_on_host(host_socket, self.bound)
            for each in fd_registry.objects_of(self):
                socketpairs.replace(each.fileno(), host_socket)
                fd_registry.forget(each)
        finally:
            host_socket.close()
        self.release()

    def _bind_on_host(self, host_socket: _socket.socket, bound: Address) -> None:
        """The same port if it can be: one that was chosen here may be in use on the host."""
        try:
            host_socket.bind(named(bound, self.family))
        except OSError as error:
            if not self.any_port or error.errno != errno.EADDRINUSE:
                raise
            host_socket.bind(named((bound[0], 0), self.family))

    def replace_descriptor(self, sock: _socket.socket) -> None:
        """Give the descriptors a new file, after a failed attempt has used up the old one."""
        with closing(self.fresh_user_end()) as fresh:
            for each in fd_registry.objects_of(self):
                socketpairs.replace(each.fileno(), fresh)
        fd_registry.rekey(self, socketpairs.key_of(sock.fileno()))

    def release(self) -> None:
        """No object of this process is left: give back what only this state holds."""
        if self.end is not None:
            if not hung_up(self.end.fileno()):
                fd_registry.park(-1, self)  # a duplicate that we know nothing of is still open
                return
            self.end.close()
            self.end = None
        self.release_port()

    def release_port(self) -> None:
        """Let others bind our port."""
        if self.bound is not None and self.interface is not None:
            local_ports.release(self.interface, self, self.bound[1])

    def sendmsg_afalg(self, sock: _socket.socket, /, *args: Any, **kwargs: Any) -> int:
        raise os_error(errno.EOPNOTSUPP, "sendmsg_afalg works on AF_ALG sockets only")

    def _check_open(self, sock: _socket.socket) -> None:
        socketpairs.key_of(sock.fileno())


_DEFAULT_PROTO = {_socket.SOCK_STREAM: _socket.IPPROTO_TCP, _socket.SOCK_DGRAM: _socket.IPPROTO_UDP}


def _refuse_foreign(interface: Interface, dotted: str) -> None:
    if dotted in (ANY, ANY_V6, LOOPBACK, LOOPBACK_V6):
        return
    status = interface.status()
    own = status.station_ipv6 if ":" in dotted else (status.station_ip,)
    station = next(iter(own), None)
    if dotted in own:
        return
    has = "no address yet" if station is None else f"the address {station}"
    raise os_error(errno.EADDRNOTAVAIL, f"bind to {dotted}: the module has {has}; bind to '' for any")


def _ignore_result(answer: Any) -> None:
    if not answer.cancelled():
        answer.exception()
