"""What a link may be asked for, and how its owner is told what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import trio

if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable

    from esp32sock.at.tls import TlsOptions
    from esp32sock.errors import Error

Address = tuple[str, int]


class EndListener(Protocol):
    """Who is told how an open stream ends; called before its descriptor shows the same."""

    def ended(self, error: Error | None) -> None: ...


class StreamListener(EndListener, Protocol):
    """Who is told how a stream fares; called before its descriptor shows the same."""

    def opened(self, link_id: int, local: Address, remote: Address) -> None: ...
    def failed(self, error: Error) -> None: ...


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """What the module can be asked for on a TCP link; None leaves its own default."""

    keepalive_s: int | None = None
    nodelay: bool | None = None
    linger_s: int | None = None
    send_timeout_ms: int | None = None

    @property
    def need_a_command(self) -> bool:
        """Whether CIPSTART alone does not say it: NODELAY off, no linger and no time-out are the defaults."""
        return bool(self.nodelay) or self.linger_s not in (None, -1) or bool(self.send_timeout_ms)


NO_OPTIONS = LinkOptions()


class Replaced(Protocol):
    """An open stream that is to make place for another one."""

    @property
    def link_id(self) -> int | None:
        """Its link, None once that has ended."""


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """A TCP connection somebody wants, and the end of the pair it is to be joined to.

    With `tls` the module does TLS on it. `replaces` is a stream over which nothing went yet: it is closed
    before the new link is opened, but not before it is known that this firmware can do what is asked.
    """

    end: _socket.socket
    remote: Address
    listener: StreamListener
    filler_bytes: int = 0
    timeout: float | None = None
    wait_for_link_s: float | None = 0.0
    options: LinkOptions = NO_OPTIONS
    tls: TlsOptions | None = None
    replaces: Replaced | None = None
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    """Cancelled by whoever does not want the connection any more while it is opening."""


class DatagramListener(Protocol):
    """Who is told how a UDP link fares; called before its descriptor shows the same."""

    def opened(self, link_id: int, local: Address) -> None: ...
    def failed(self, error: Error) -> None: ...
    def doubtful(self, error: Error) -> None: ...
    def ended(self, error: Error | None) -> None: ...


@dataclass(frozen=True, slots=True)
class DatagramRequest:
    """A UDP link somebody wants; without `remote` it hears anyone, and must name its `local_port` (not 0)."""

    end: _socket.socket
    local_port: int
    remote: Address | None
    listener: DatagramListener
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


class Accepted:
    """How an accepted stream fares, kept until its owner asks."""

    def __init__(self) -> None:
        self.is_waiting = True
        """Whether it takes a place in the backlog: nobody has accepted it yet, but somebody may."""
        self._listener: EndListener | None = None
        self._ended: tuple[Error | None] | None = None

    def attach(self, listener: EndListener) -> None:
        """Tell this one from now on, and at once what happened before; it may hear the latter twice."""
        self._listener = listener
        self.is_waiting = False
        if self._ended is not None:
            listener.ended(*self._ended)

    def ended(self, error: Error | None) -> None:
        self._ended = (error,)
        if self._listener is not None:
            self._listener.ended(error)


class ServerListener(Protocol):
    """Hears what becomes of a listener.

    `accepted` comes before the byte that announces the connection; `accept_failed` follows if that byte could
    not be sent: the end is then closed unaccepted.
    """

    def listening(self, local: Address) -> None: ...
    def failed(self, error: Error) -> None: ...
    def accepted(
        self, user_end: _socket.socket, link_id: int, local: Address, remote: Address, stream: Accepted
    ) -> None: ...
    def accept_failed(self, user_end: _socket.socket) -> None: ...
    def ended(self, error: Error | None) -> None: ...


@dataclass(frozen=True, slots=True)
class ListenRequest:
    """A listener somebody wants."""

    end: _socket.socket
    port: int
    listener: ServerListener
    make_pair: Callable[[], tuple[_socket.socket, _socket.socket]]
    """(engine's end, user's end) for each accepted connection."""
    links: int = 3
    backlog: int = 128
    """One more than so many may wait to be accepted, as on Linux."""
    waiting: list[Accepted] = field(default_factory=list)
    """Those who may; they survive a restart of the server."""
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
