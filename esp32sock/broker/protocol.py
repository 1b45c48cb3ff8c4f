"""The messages between a broker and its clients, version 1; every one a frozen data class.

Theory of operation. The connection is a Unix socket of type SOCK_SEQPACKET: one record is one message, its
length is the kernel's, and it is sent and received as a whole together with its descriptors, also when a
signal handler interrupts the program. The record is JSON, see `values`.

The client says `Hello`, the broker `Welcome` or `Refused`. Then the client sends a `Call` for each verb.
`number` 0 has no reply; any other is answered by one `Reply` or `Failure`. Links are numbered by the
client, so that it can abandon one before the broker has answered; what happens to a link comes as
`LinkEvent`, in order. A socket is also known by its key, the device and inode of the user's end, because that
stays the same in every process that inherits or receives the descriptor.

Descriptors: `OpenStream` brings (engine's end, signal), `OpenDatagram` and `Listen` bring (engine's end),
the reply to `Accept` (user's end, engine's end, signal), the reply to `Find` (engine's end, signal) for a
stream. On the signal the broker sends CLEAN or BROKEN when the link ends; its end without either says that
the broker died.
"""

import _socket
from dataclasses import dataclass
from typing import Any

from esp32sock.at.commands import Command
from esp32sock.at.firmware import Firmware
from esp32sock.broker import values
from esp32sock.engine.requests import (
    DatagramOpened,
    Listening,
    StreamOpened,
    StreamOptions,
)
from esp32sock.errors import Error

VERSION = 1

MAX_BYTES = 131072
"""The longest record; half of the least send buffer that Linux gives by default, 212992."""
MAX_DESCRIPTORS = 3
MAX_FILLER_BYTES = 1 << 20

CLEAN, BROKEN = b"c", b"b"

Key = tuple[int, int]
Address = tuple[str, int]

STREAM, DATAGRAM, LISTENER, BOUND = int(_socket.SOCK_STREAM), int(_socket.SOCK_DGRAM), 0, -1
"""The kinds of a socket, as `Found` says them."""


# -- the beginning --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message: which client, and for which module ("": the broker's only one)."""

    version: int
    program: str
    module: str = ""


@dataclass(frozen=True, slots=True)
class Welcome:
    """The broker serves this client; `rights` are the names of what it may do."""

    version: int
    port: str
    firmware: Firmware
    rights: tuple[str, ...]
    wait_for_close_s: float
    """How long the delivery at the end may take, `close_s` of the module's options."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker serves this client no longer, or never did; the connection ends."""

    error: Error


# -- verbs ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenStream:
    """`Interface.open_stream`."""

    link: int
    key: Key
    remote: Address
    options: StreamOptions
    filler_bytes: int
    timeout: float | None
    wait_for_link_s: float | None
    replacing: int | None


@dataclass(frozen=True, slots=True)
class OpenDatagram:
    """`Interface.open_datagram`."""

    link: int
    key: Key
    local_port: int
    remote: Address | None
    ipv6: bool = False


@dataclass(frozen=True, slots=True)
class Listen:
    """`Interface.listen`."""

    link: int
    key: Key
    port: int
    backlog: int
    ipv6: bool = False


@dataclass(frozen=True, slots=True)
class NoteBound:
    """The socket `key` is bound there, and is neither connected nor listening."""

    key: Key
    local: Address


@dataclass(frozen=True, slots=True)
class NotePeer:
    """The open UDP socket `key` is connected to this peer, though its link hears any."""

    key: Key
    remote: Address


@dataclass(frozen=True, slots=True)
class Accept:
    """Take the first connection that waits at the listener `key`; None if there is none."""

    link: int
    key: Key


@dataclass(frozen=True, slots=True)
class Announce:
    """Put a byte into the listener `key` again: the taking of a connection was interrupted."""

    key: Key


@dataclass(frozen=True, slots=True)
class Find:
    """What the socket `key` is; the answer is `Found` or None."""

    key: Key


@dataclass(frozen=True, slots=True)
class Abandon:
    """`Handle.abandon`."""

    link: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """Nothing waits any more for the answer to this call."""

    call: int


@dataclass(frozen=True, slots=True)
class SetOptions:
    """`Handle.set_options`."""

    link: int
    options: StreamOptions


@dataclass(frozen=True, slots=True)
class Resolve:
    """`Interface.resolve`: the addresses of a name."""

    host: str
    ipv6: bool = False


@dataclass(frozen=True, slots=True)
class Execute:
    """`Interface.execute`; the answer is `Lines`."""

    command: Command[Any]
    timeout: float | None
    force: bool


@dataclass(frozen=True, slots=True)
class Join:
    """`Interface.join`."""

    ssid: str
    password: str
    bssid: str | None
    timeout: float | None
    force: bool

    def __repr__(self) -> str:
        return f"Join({self.ssid!r}, ...)"


@dataclass(frozen=True, slots=True)
class GetStatus:
    """`Interface.status`; the answer is `Status`."""


@dataclass(frozen=True, slots=True)
class GetStats:
    """`Interface.stats`."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Send the module's events from now on, or no more."""

    on: bool


@dataclass(frozen=True, slots=True)
class Finish:
    """Deliver what was sent and end every link of this client; answered when that is done."""


Verb = (
    OpenStream | OpenDatagram | Listen | NoteBound | NotePeer | Accept | Announce | Find | Abandon | Cancel
    | SetOptions | Resolve | Execute | Join | GetStatus | GetStats | Watch | Finish
)  # fmt: skip


AT_ONCE = (
    OpenStream, OpenDatagram, Listen, NoteBound, NotePeer, Accept, Announce, Find, Abandon, Cancel, Watch,
    GetStatus, GetStats,
)  # fmt: skip
"""Verbs that begin something, or are answered without the module; in the order in which they come."""


@dataclass(frozen=True, slots=True)
class Call:
    """One verb; answered under its number, unless that is 0."""

    number: int
    verb: Verb


# -- answers and events ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reply:
    """The result of a call."""

    number: int
    value: Any


@dataclass(frozen=True, slots=True)
class Failure:
    """A call raised this."""

    number: int
    error: Exception


@dataclass(frozen=True, slots=True)
class Lines:
    """The response lines of a command; None for one that the engine carries out by other means."""

    lines: tuple[bytes, ...] | None
    firmware: Firmware


@dataclass(frozen=True, slots=True)
class Status:
    """`ModuleStatus` as data."""

    port: str
    firmware: str
    build: str
    station_ip: str | None
    links: tuple[tuple[int, str], ...]
    clients: int
    station_ipv6: tuple[str, ...] = ()
    has_ipv6: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A socket that another process began: its kind, and its addresses as far as it has any.

    `one_peer`: the link of a UDP socket hears `remote` alone.
    """

    kind: int
    local: Address | None
    remote: Address | None
    one_peer: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """What waited at a listener."""

    opened: StreamOpened


@dataclass(frozen=True, slots=True)
class Opened:
    """The link is up, or the listener listens."""

    opened: StreamOpened | DatagramOpened | Listening


@dataclass(frozen=True, slots=True)
class Failed:
    """It was never opened; the client's end is its own again."""

    error: Error


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A datagram's fate is not known."""

    error: Error


@dataclass(frozen=True, slots=True)
class Ended:
    """It has ended; None as TCP means it to."""

    error: Error | None


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """What happens to a link of the client."""

    link: int
    event: Opened | Failed | Doubtful | Ended


@dataclass(frozen=True, slots=True)
class ModuleEvent:
    """What the module reports by itself, one of `esp32sock.events`."""

    event: Any


Message = Hello | Welcome | Refused | Call | Reply | Failure | LinkEvent | ModuleEvent

values.register(
    Hello, Welcome, Refused, Call, Reply, Failure, LinkEvent, ModuleEvent, OpenStream, OpenDatagram,
    Listen, NoteBound, NotePeer, Accept, Announce, Find, Abandon, Cancel, SetOptions, Resolve, Execute, Join,
    GetStatus, GetStats, Watch, Finish, Lines, Status, Found, Accepted, Opened, Failed, Doubtful, Ended,
)  # fmt: skip
