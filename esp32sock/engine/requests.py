"""The one set of types for asking for a link, and for hearing what becomes of it.

The engine, the sockets and whatever carries the verbs between two processes use these types; so this file
imports the standard library only. Events are called in the engine's thread, must return at once, and are
called before the descriptor shows the same fact.
"""

from __future__ import annotations

import dataclasses
from dataclasses import field
from typing import TYPE_CHECKING, Protocol

from esp32sock._dataclass import dataclass

if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable
    from concurrent.futures import Future

    import trio

    from esp32sock.at.tls import TlsOptions
    from esp32sock.errors import Error

Address = tuple[str, int]


# -- what is known of a link --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What a TCP link may be asked for; None leaves the firmware's own default.

    Seconds as the AT commands take them: keep-alive 0 to 7200, linger -1 (off) upwards, send timeout
    in milliseconds. With `tls` the module does TLS on it, from the first byte; a firmware that cannot do
    what is asked there refuses with Error(EPROTONOSUPPORT) before anything is sent, and a handshake that
    fails is Error(EPROTO).
    """

    keepalive_s: int | None = None
    nodelay: bool | None = None
    linger_s: int | None = None
    send_timeout_ms: int | None = None
    tls: TlsOptions | None = None


DEFAULT_OPTIONS = StreamOptions()


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """A link is up; the addresses are those of the module's own stack."""

    link_id: int
    local: Address
    remote: Address


@dataclass(frozen=True, slots=True)
class DatagramOpened:
    """A UDP link is up on this local address."""

    link_id: int
    local: Address


@dataclass(frozen=True, slots=True)
class Listening:
    """The module's one server listens here."""

    local: Address


# -- what happens to a link ---------------------------------------------------------------------------


class EndEvents(Protocol):
    """The end of an open stream; the error is None if it ended as TCP means it to."""

    def ended(self, error: Error | None) -> None: ...


class StreamEvents(EndEvents, Protocol):
    """What happens to a stream; `failed` excludes `opened`, `ended` comes once after `opened`."""

    def opened(self, opened: StreamOpened) -> None: ...
    def failed(self, error: Error) -> None: ...


class DatagramEvents(Protocol):
    """What happens to a UDP link; `doubtful` reports a datagram whose fate is not known."""

    def opened(self, opened: DatagramOpened) -> None: ...
    def failed(self, error: Error) -> None: ...
    def doubtful(self, error: Error) -> None: ...
    def ended(self, error: Error | None) -> None: ...


class ListenEvents(Protocol):
    """What happens to a listener; `accepted` hands over the user's end of a new pair, already connected.

    It comes before the byte that announces the connection. `accept_failed` follows at once if that byte could
    not be written: the end is then to be closed unaccepted.
    """

    def listening(self, listening: Listening) -> None: ...
    def failed(self, error: Error) -> None: ...
    def accepted(self, user_end: _socket.socket, opened: StreamOpened, events_to: AcceptedStream) -> None: ...
    def accept_failed(self, user_end: _socket.socket) -> None: ...
    def ended(self, error: Error | None) -> None: ...


class Handle(Protocol):
    """What an open call is given: the way to give up on it."""

    def abandon(self) -> None:
        """Give up, at any time and more than once: what is open is closed, and what opens late too.

        The engine's end is the socket's again if nothing had opened, and closed otherwise.
        """

    def set_options(self, options: StreamOptions) -> Future[None]:
        """Change what can be changed on an open link; fails with the firmware's answer."""


class AcceptedStream(Handle, Protocol):
    """The handle of a stream that was accepted, and where its owner puts the events object."""

    def attach(self, events: StreamEvents) -> None:
        """Report to `events` from now on; what happened before is reported at once, in the calling thread."""


class LinkHolder(Protocol):
    """What has a link for a while."""

    @property
    def link_id(self) -> int | None:
        """Its link; None before it is open and after it has ended."""


@dataclasses.dataclass(slots=True, eq=False)
class Opening:
    """One open call, from the request to the end of its link."""

    scope: trio.CancelScope
    """Around the opening alone: cancelled when the link is not wanted any more."""
    link_id: int | None = None
    _end: Callable[[], object] | None = None

    def opened(self, end: Callable[[], object]) -> None:
        """It is open, and `end` ends it: at once if it was given up just before."""
        self._end = end
        if self.scope.cancel_called:
            end()

    def abandon(self) -> None:
        """Give it up, whether it opens or is open; in the engine's loop."""
        self.scope.cancel()
        if self._end is not None:
            self._end()


class Accepted:
    """An accepted stream: its link, and its end, kept until its owner asks."""

    def __init__(self, link_id: int) -> None:
        self.link_id: int | None = link_id
        self.is_waiting = True
        """Whether it takes a place in the backlog: it is not accepted yet, but may be."""
        self._events: EndEvents | None = None
        self._ended: tuple[Error | None] | None = None

    def attach(self, events: EndEvents) -> None:
        """Report to `events` from now on, and at once what happened before; that may be reported twice."""
        self._events = events
        self.is_waiting = False
        if self._ended is not None:
            events.ended(*self._ended)

    def ended(self, error: Error | None) -> None:
        """The link has ended."""
        self.link_id = None
        self._ended = (error,)
        if self._events is not None:
            self._events.ended(error)


# -- what is asked for --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """A TCP connection, and the end of the pair to join it to.

    `filler_bytes` at the head of `end` are dropped once it is open. `timeout` bounds the connecting in
    seconds, `wait_for_link_s` the wait while all links are taken (None: for ever). `replaces` is a stream
    over which nothing went yet: it is closed before the new link is opened, but not before it is known that
    this firmware can do what is asked.
    """

    end: _socket.socket
    remote: Address
    events: StreamEvents
    opening: Opening
    options: StreamOptions = DEFAULT_OPTIONS
    filler_bytes: int = 0
    timeout: float | None = None
    wait_for_link_s: float | None = 0.0
    replaces: LinkHolder | None = None

    def opened(self, opened: StreamOpened) -> None:
        self.opening.link_id = opened.link_id
        self.events.opened(opened)

    def failed(self, error: Error) -> None:
        """`end` is its owner's again."""
        self.events.failed(error)

    def ended(self, error: Error | None) -> None:
        self.opening.link_id = None
        self.events.ended(error)


@dataclass(frozen=True, slots=True)
class DatagramRequest:
    """A UDP link; without `remote` it receives from any peer, and must name its `local_port` (not 0).

    With `ipv6` these are peers of IPv6; `remote` says by itself which it is.
    """

    end: _socket.socket
    local_port: int
    remote: Address | None
    events: DatagramEvents
    opening: Opening
    ipv6: bool = False

    def failed(self, error: Error) -> None:
        """`end` is its owner's again."""
        self.events.failed(error)


@dataclass(frozen=True, slots=True)
class ListenRequest:
    """A listener, and the end that gets a byte for each connection."""

    end: _socket.socket
    port: int
    events: ListenEvents
    opening: Opening
    make_pair: Callable[[], tuple[_socket.socket, _socket.socket]]
    """(engine's end, user's end) for each accepted connection."""
    make_handle: Callable[[Accepted], AcceptedStream]
    """What the owner of an accepted connection gets for it."""
    links: int = 3
    """How many connections the module may have accepted at a time, 1 to 5."""
    backlog: int = 128
    """One more than so many may wait to be accepted, as on Linux."""
    closes_end_on_failure: bool = False
    """Whether nothing waits for the outcome, so that only the closed end shows a failure."""
    ipv6: bool = False
    """Listen for IPv6, and for nothing else."""
    waiting: list[Accepted] = field(default_factory=list)
    """The connections that wait; they survive a restart of the server."""

    def failed(self, error: Error) -> None:
        """`end` is its owner's again, unless it is to show the failure."""
        self.events.failed(error)
        if self.closes_end_on_failure:
            self.end.close()
