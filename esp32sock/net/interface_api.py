"""The narrow door between the sockets and whatever runs the module.

Everything above this file knows only these verbs, so that one day they can cross a Unix socket to a
process that owns the port. All of them may be called from any thread. What takes time answers through a
`concurrent.futures.Future` or through the events object given; events are called in the engine's thread,
must return at once, and are always called *before* the descriptor shows the same fact.

Errors in futures and events are `esp32sock.errors.Error`; their `errno` says what Linux would have said.
"""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from dataclasses import field
from typing import TYPE_CHECKING, TypeVar

from esp32sock._constants import LINKS
from esp32sock._dataclass import dataclass
from esp32sock.engine.requests import (
    DEFAULT_OPTIONS,
    AcceptedStream,
    Address,
    DatagramEvents,
    DatagramOpened,
    Handle,
    ListenEvents,
    Listening,
    StreamEvents,
    StreamOpened,
    StreamOptions,
)
from esp32sock.engine.stats import Stats
from esp32sock.net.error_map import os_error

if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from typing import Self

    from esp32sock.at.commands import Command
    from esp32sock.at.commands.wifi import JoinedTo
    from esp32sock.at.events import ModuleEvent
    from esp32sock.net.event_queue import EventQueue
    from esp32sock.net.routes import Routes

__all__ = (
    "DEFAULT_OPTIONS",
    "AcceptedStream",
    "Address",
    "DatagramEvents",
    "DatagramOpened",
    "Handle",
    "Interface",
    "ListenEvents",
    "Listening",
    "ModuleStatus",
    "Stats",
    "StreamEvents",
    "StreamOpened",
    "StreamOptions",
)

R = TypeVar("R")
Key = tuple[int, int]
"""The device and inode of the user's end of a socket: the same in every process that has it."""

MARGIN_S = 0.2
"""So long before a socket's time-out the wait for a free link ends."""


@dataclass(frozen=True, slots=True)
class ModuleStatus:
    """The state of the module as the interface has it now; `station_ip` is None without Wi-Fi.

    `station_ipv6` are the addresses of IPv6, a global one first; `has_ipv6` says whether there may be any.
    """

    port: str
    firmware: str
    build: str
    station_ip: str | None
    links: Mapping[int, str] = field(default_factory=dict)
    station_ipv6: tuple[str, ...] = ()
    has_ipv6: bool = False


if TYPE_CHECKING:
    Connection = tuple[_socket.socket, StreamOpened, AcceptedStream]


@dataclass(frozen=True, slots=True)
class FoundSocket:
    """A socket that another process began, and its addresses.

    The kind is SOCK_STREAM, SOCK_DGRAM, 0 for a listener, or -1 for one that is only bound. `one_peer`: the
    link of a UDP socket hears `remote` alone.
    """

    kind: int
    local: Address | None
    remote: Address | None
    one_peer: bool = False


def bounded_wait(wait_for_link_s: float | None, timeout: float | None) -> float | None:
    """How long to wait for a free link: less than a socket's time-out, so that its error gives the reason."""
    if timeout is None:
        return wait_for_link_s
    latest = max(0.0, timeout - MARGIN_S)
    return latest if wait_for_link_s is None else min(wait_for_link_s, latest)


class Interface(ABC):
    """One module as a network interface.

    Errors: `execute`, `resolve` and `join` raise OSError with the errno that Linux gives in the same case.
    Its `__cause__` is the `esp32sock.Error` with what the module answered, such as `CommandError.reason`.
    In the thread that runs the engine they would wait for themselves: OSError(EDEADLK).

    `wait_for_link_s` is what a socket that does not say otherwise passes to `open_stream`: its own timeout
    if that is shorter.
    """

    routes: Routes
    """What goes to the host and what to the module."""

    is_closed = False
    """Whether `close` was called."""

    is_shared = False
    """Whether its engine runs outside this process: it works on after a fork, for sockets of any process.

    The connections of a listener then wait outside too, for whichever process accepts: see `take_connection`.
    """

    wait_for_link_s: float | None = 5.0  # picked arbitrarily: long enough for a link that is just closing

    def may_block(self) -> bool:
        """Whether this thread may wait for an answer; False in the thread that runs the engine."""
        return True

    @property
    def is_ready(self) -> bool:
        """Whether the module is set up, as far as is known. Does not block."""
        return not self.is_closed

    @property
    def max_links(self) -> int:
        """How many links there can be at a time."""
        return LINKS

    def module(self, name: str) -> Interface:
        """The interface of one module, by its port or the last part of it; OSError(ENODEV) without."""
        port = self.status().port
        if name in (port, port.rpartition("/")[2]):
            return self
        raise os_error(errno.ENODEV, f"there is no module {name!r}; there is {port}")

    def with_address(self, host: str) -> Interface:
        """The interface of the module that has this address, this one itself if none is known to."""
        return self

    def has_free_link(self) -> bool:
        """Whether a socket that connects now finds a link of the module. Does not block."""
        return len(self.status().links) < LINKS

    @abstractmethod
    def use(self) -> AbstractContextManager[Interface]:
        """Use this interface in the present thread or task, within the block; the same as `using`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def new_handle(self) -> Handle:
        """A handle for one call of `open_stream`, `open_datagram` or `listen`.

        It is made and kept before the call, so that what interrupts the call at any point (a signal handler
        that raises) leaves no link: `abandon` gives up whatever has begun. Does not block.
        """

    @abstractmethod
    def open_stream(
        self,
        handle: Handle,
        end: _socket.socket,
        remote: Address,
        events: StreamEvents,
        *,
        options: StreamOptions = DEFAULT_OPTIONS,
        filler_bytes: int = 0,
        timeout: float | None = None,
        wait_for_link_s: float | None = 0.0,
        replacing: Handle | None = None,
    ) -> None:
        """Open a TCP link and pump it to and from `end`, which is the engine's until it says `failed`.

        Then the socket takes `end` back, with what is in it: the engine must not touch or close it any more.

        `filler_bytes` bytes already waiting in `end` are dropped once the outcome is known (that is what
        keeps the user's end unwritable until then). `timeout` bounds the connecting; `wait_for_link_s`
        how long to wait when all links are taken (None for ever). `replacing` is the handle of an open stream
        that is closed first; Error(EISCONN) if anything went over it.
        """

    @abstractmethod
    def open_datagram(
        self,
        handle: Handle,
        end: _socket.socket,
        local_port: int,
        remote: Address | None,
        events: DatagramEvents,
        *,
        ipv6: bool = False,
    ) -> None:
        """Open a UDP link over a SOCK_SEQPACKET `end`; each message is a header and a payload.

        As with a stream, `end` is the engine's until `failed`. The header is
        `esp32sock._constants.DATAGRAM_HEADER`. With `remote` only that peer is received from; without it,
        anyone (mode 2 of CIPSTART), over IPv6 if `ipv6`. `local_port` 0 lets the module choose.
        """

    @abstractmethod
    def listen(
        self,
        handle: Handle,
        end: _socket.socket,
        port: int,
        backlog: int,
        events: ListenEvents,
        *,
        ipv6: bool = False,
    ) -> None:
        """Start the module's server on `port`, for IPv6 alone if `ipv6`.

        A byte is written to `end` for each waiting connection.

        As with a stream, `end` is the engine's until `failed`. One more than `backlog` may wait until their
        `attach`; a connection beyond them is closed at once, and not reported.
        """

    def take_connection(self, key: Key) -> Connection | None:
        """The first connection that waits at the listener of this key, where `is_shared`; None if none does.

        Takes as long as a call to another process. Interrupted, it puts the byte back.
        """
        raise os_error(errno.EOPNOTSUPP, "the listeners of this interface are not shared")

    def note_bound(self, key: Key, local: Address) -> None:  # noqa: B027  (nothing to tell, in one process)
        """The socket of this key is bound; where `is_shared`, other processes may find it and listen."""

    def note_peer(self, key: Key, remote: Address) -> None:  # noqa: B027  (nothing to tell, in one process)
        """The UDP socket of this key, whose link hears anyone, is connected to `remote` now."""

    def find_socket(self, key: Key) -> FoundSocket | None:
        """What the socket of this key is, if another process began it, where `is_shared`; else None."""
        return None

    @abstractmethod
    def resolve(self, host: str, *, ipv6: bool = False) -> list[str]:
        """The IPv4 addresses of a name, or with `ipv6` its IPv6 addresses, asked of the module (CIPDOMAIN).

        `socket.gaierror` if it has none.
        Blocks for 8 s at most where the firmware can be told (4.1 on), else up to 35 s, and 25 s on a module
        that has fallen silent, after its turn on the line.
        """

    @abstractmethod
    def execute(self, command: Command[R], *, timeout: float | None = None, force: bool = False) -> R:
        """Run one command and block for its typed result.

        It takes at most `timeout` seconds from its turn on the line; None: as long as the command may take,
        20 s on a module that has fallen silent.
        A command that would end open links (`ends_links`: a restart, deep sleep, CIPMUX and their like) is
        refused with EBUSY while there are any; with `force` they end with ECONNRESET first. ValueError for
        arguments that no command line can hold, TypeError for what is no command.
        """

    @abstractmethod
    def join(
        self,
        ssid: str,
        password: str = "",
        *,
        bssid: str | None = None,
        timeout: float | None = None,
        force: bool = False,
    ) -> JoinedTo | None:
        """Join an access point now, and again after every restart and whenever it was lost.

        Blocks until the station has its address; at most `timeout` (None: as long as the module takes, up to
        45 s). Turns the station role on if need be. OSError with the module's reason: TimeoutError, EACCES
        (PermissionError) for a refused password, ENETUNREACH where no network of that name is in range,
        ConnectionRefusedError; EBUSY for links that it would end, unless `force` ends them.
        """

    @abstractmethod
    def watch(self, watcher: Callable[[ModuleEvent], object]) -> Callable[[], object]:
        """Call `watcher` with every event from now on, in the engine's thread; gives back what stops that."""

    @abstractmethod
    def events(self, maxsize: int = ...) -> EventQueue:
        """The events of the module from now on; any number of queues at a time, each keeps `maxsize`."""

    @abstractmethod
    def status(self) -> ModuleStatus:
        """What is known now, without asking the module."""

    @abstractmethod
    def stats(self) -> Stats:
        """Counters since attach: what was carried, and what went wrong and was mended."""

    @abstractmethod
    def routes_to_host(self, host: str) -> bool:
        """Whether the routing table gives this numeric address or name to the host's own stack."""

    @abstractmethod
    def close(self) -> None:
        """Deliver what was sent, close every link, end the engine. Idempotent; bounded in time."""
