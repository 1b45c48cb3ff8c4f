"""What passes between a module and a network: requests one way, events the other.

The firmware never touches a socket. It puts `Request` objects into its outbox and is given `Event` objects;
both are plain data, so that a trace can print them and a test can play either side. `HostNetwork`
(network/host.py) answers with real sockets of this machine, `MemoryNetwork` (network/memory.py) with scripted
peers on the module's own clock.

Handles name what was opened. The module counts its own upwards from 1; a network numbers what it accepts
downwards from -1. They are never used twice, so an answer that comes late cannot reach the next owner of a
link id.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.simulator.kernel import Kernel


# Requests of the module


IpVersion: TypeAlias = Literal[4, 6]


@dataclass(frozen=True, slots=True)
class Resolve:
    """Look a name up, for an address of this version of IP; answered by `Resolved`."""

    token: int
    name: str
    version: IpVersion = 4


@dataclass(frozen=True, slots=True)
class Tls:
    """How to secure a stream; filled in by the SSL configuration commands. Certificates are PEM texts.

    `now_s` is the module's own clock, Unix time: the validity of a certificate is judged by it.
    """

    server_name: str | None = None
    """What stands in the ClientHello (SNI)."""
    common_name: str | None = None
    """What the certificate of the peer must be for."""
    verify: bool = False
    authorities: str = ""
    certificate: str = ""
    """Our own certificate with its key; a server always has one."""
    alpn: tuple[str, ...] = ()
    ciphers: tuple[int, ...] = ()
    psk: tuple[bytes, str] | None = None
    """A key and its identity: offered beside certificates."""
    now_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Ping:
    """One ICMP echo; answered by `Pinged`."""

    token: int
    address: str


@dataclass(frozen=True, slots=True)
class RequestTime:
    """Ask an SNTP server for the time; answered by `TimeReceived`."""

    token: int
    server: str


@dataclass(frozen=True, slots=True)
class RequestUpdate:
    """Ask the update server for its version; answered by `UpdateFound`."""

    token: int


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Connect to an IPv4 or IPv6 address; answered by `Opened` or `Failed`. At most `window_bytes` may be
    delivered before `Consumed` gives credit.
    """

    handle: int
    address: str
    port: int
    window_bytes: int
    keepalive_s: int = 0
    tls: Tls | None = None


@dataclass(frozen=True, slots=True)
class OpenDatagram:
    """Bind a datagram socket for the version of IP that the address is of; answered by `Opened` or `Failed`.
    `local_port` 0: the network chooses.
    """

    handle: int
    address: str
    port: int
    local_port: int


@dataclass(frozen=True, slots=True)
class Listen:
    """Accept streams of one version of IP on a port; answered by `Opened` or `Failed`, then by any number of
    `Accepted`.

    Port 0: the network chooses. `Opened` names the place where others reach the server.
    """

    handle: int
    port: int
    window_bytes: int
    tls: Tls | None = None
    version: IpVersion = 4


@dataclass(frozen=True, slots=True)
class Send:
    """Send on a stream; answered by `Sent` once the network has taken all of it. One at a time for each
    handle.
    """

    handle: int
    data: bytes


@dataclass(frozen=True, slots=True)
class SendDatagram:
    """Send one datagram; answered by `Sent`."""

    handle: int
    data: bytes
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Consumed:
    """The module has taken this many received bytes out of its buffer: the window opens again."""

    handle: int
    count: int


@dataclass(frozen=True, slots=True)
class Close:
    """Close a stream, datagram socket or listener. No event of the handle follows. `abort`: with RST."""

    handle: int
    abort: bool = False


Request: TypeAlias = (
    Resolve
    | Ping
    | RequestTime
    | RequestUpdate
    | OpenStream
    | OpenDatagram
    | Listen
    | Send
    | SendDatagram
    | Consumed
    | Close
)


# Events of the network


@dataclass(frozen=True, slots=True)
class Resolved:
    token: int
    address: str | None


@dataclass(frozen=True, slots=True)
class Pinged:
    token: int
    milliseconds: int | None


@dataclass(frozen=True, slots=True)
class TimeReceived:
    token: int
    unix_s: float | None


@dataclass(frozen=True, slots=True)
class UpdateFound:
    token: int
    version: str | None


@dataclass(frozen=True, slots=True)
class Opened:
    handle: int
    address: str
    port: int
    local_port: int


@dataclass(frozen=True, slots=True)
class Failed:
    handle: int
    reason: str


@dataclass(frozen=True, slots=True)
class Accepted:
    listener: int
    handle: int
    address: str
    port: int
    local_port: int


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes of a stream. They end where the peer pushed, or where the window did.

    `overhead`: how many more bytes they were on the way (TLS).
    """

    handle: int
    data: bytes
    overhead: int = 0


@dataclass(frozen=True, slots=True)
class DatagramReceived:
    handle: int
    data: bytes
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Sent:
    handle: int


@dataclass(frozen=True, slots=True)
class PeerClosed:
    """The peer sent FIN; comes behind all data."""

    handle: int


@dataclass(frozen=True, slots=True)
class PeerReset:
    """The peer sent RST, or the stream broke otherwise; data not yet delivered is lost."""

    handle: int


Event: TypeAlias = (
    Resolved
    | Pinged
    | TimeReceived
    | UpdateFound
    | Opened
    | Failed
    | Accepted
    | Received
    | DatagramReceived
    | Sent
    | PeerClosed
    | PeerReset
)

ITSELF = "127.0.0.1"
"""The module's own address, in requests and in events: its servers and UDP ports, if they are there."""
ITSELF_6 = "::1"
"""The same in IPv6."""


def version_of(address: str) -> IpVersion:
    """Which IP an address is of."""
    return 6 if ":" in address else 4


def itself(version: IpVersion) -> str:
    """The module's own address in that IP."""
    return ITSELF_6 if version == 6 else ITSELF


BROADCAST = "255.255.255.255"

PING_TIMEOUT_S = 1.0
"""Observed 1.0, 2.0, 4.1."""


class Network(ABC):
    """What stands behind the radio, for one module. `attach` comes first, once."""

    def attach(self, post: Callable[[Event], None], kernel: Kernel) -> None:
        """Learn where events go; `post` may be called from inside `handle`. The kernel is the module's."""
        self.post = post
        self.kernel = kernel

    @abstractmethod
    def handle(self, request: Request) -> None:
        """Begin to do what the module asks for. Must not block."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run whatever trio tasks the network needs, until cancelled; ready for `handle` once started."""
        task_status.started()
        await trio.sleep_forever()
