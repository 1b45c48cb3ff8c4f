"""What the parts of a running engine share: the channel, its links, and what is known of the module.

No part of the engine uses the facade: a link, the listener, the Wi-Fi and the supervisor get this context.
"""

from __future__ import annotations

import errno
import logging
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Protocol

import trio

from esp32sock.at.commands import tcpip, wifi
from esp32sock.at.firmware import Firmware
from esp32sock.at.state import ModuleState
from esp32sock.engine.link_options import LinkOptions
from esp32sock.engine.name_cache import NameCache
from esp32sock.engine.receive_mode import ReceiveMode
from esp32sock.engine.stats import Counters
from esp32sock.engine.tasks import Tasks
from esp32sock.engine.tls_setup import TlsConfigurator
from esp32sock.errors import CommandError, Error, PortError

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.at.events import LinkOpened
    from esp32sock.engine.channel import CommandChannel
    from esp32sock.engine.link_pool import LinkPool, Pump
    from esp32sock.engine.options import Options

READY_S = 10.0
"""How long a request waits for a module that is being set up."""
NETWORK_S = 4.0
"""How long a connection waits for an address while the station is joining: less than the 5 s that programs
often give a connection; by taste."""
ASK_ADDRESS_S = 1.0
"""Between two questions for the address meanwhile."""

ANY_V6, LOOPBACK_V6 = "::", "::1"

log = logging.getLogger("esp32sock")


def is_ipv6(host: str | None) -> bool:
    """Whether a numeric address is one of IPv6; None stands for names."""
    return host is not None and ":" in host


class RunningServer(Protocol):
    """The module's one server, as `listener.py` runs it."""

    @property
    def port(self) -> int: ...
    @property
    def is_ipv6(self) -> bool: ...
    @property
    def is_ending(self) -> bool:
        """Whether its application has closed the listener already."""

    @property
    def closed(self) -> trio.Event:
        """Set when the module listens no more, and another server may start."""

    def accepted(self, event: LinkOpened) -> None:
        """The module has accepted a connection; called in the reading task."""

    def stop(self) -> None:
        """Stop accepting."""

    def fail(self, error: Error) -> None:
        """The module restarted or is lost: it listens no more until the server is started again."""

    def end_for(self, error: Error) -> None:
        """End the listener for good, with this error."""

    async def all_announced(self) -> None:
        """Wait until the application can accept whatever the module has accepted so far."""


class Network(Protocol):
    """The module's Wi-Fi, as `wifi.py` runs it."""

    async def verify(self) -> None:
        """Ask the module for its addresses; Error if it does not say them."""


class Context:
    """The state of one running engine, shared by its parts; used in the engine's trio run.

    `firmware`, `is_open` and the addresses may be read in any thread.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.tasks = Tasks()
        self.counters = Counters()
        self.names = NameCache(options.dns_cache_s)
        self.names_ipv6 = NameCache(options.dns_cache_s)
        self.ipv6_is_on = False
        """Whether the module's IPv6 is on, and to be used: it was turned on, or it has shown an address."""
        self._addresses = wifi.Addresses()
        self.receive_mode = ReceiveMode(None, Firmware())
        self.link_options = LinkOptions(Firmware())
        self.tls = TlsConfigurator(Firmware())
        self.server: RunningServer | None = None
        self.network: Network | None = None
        self.failure: Error | None = None
        """Why the module cannot be used now, once that is known."""
        self.unread_bytes = 0
        """What all links together keep for their applications."""
        self._channel: CommandChannel | None = None
        self._pool: LinkPool | None = None
        self._changed = trio.Event()

    # -- the channel and its links --------------------------------------------------------------------

    def connect(self, channel: CommandChannel, pool: LinkPool) -> None:
        """A port is open: this is its channel, and these are its links."""
        self._channel, self._pool = channel, pool

    def disconnect(self) -> None:
        """The port is lost or closed."""
        self.counters.repeats += self.channel_repeats
        self._channel = self._pool = None
        self.notify()

    @property
    def channel(self) -> CommandChannel:
        """The channel of now; PortError while there is none."""
        if self._channel is None:
            raise self._unavailable(f"the port {self.options.url} is not open")
        return self._channel

    @property
    def pool(self) -> LinkPool:
        """The links of the channel; PortError while there is none."""
        pool = self._pool  # read once: other threads ask, too
        if pool is None:
            raise PortError(f"the port {self.options.url} is not open")
        return pool

    @property
    def channel_repeats(self) -> int:
        """Commands that went out again on the channel of now."""
        channel = self._channel
        return 0 if channel is None else channel.session.repeats

    @property
    def is_open(self) -> bool:
        return self._pool is not None

    def pumps(self) -> list[Pump]:
        """The pumps of all links; none while the port is lost."""
        pool = self._pool
        return [] if pool is None else list(pool.pumps.values())

    def links(self) -> dict[int, str]:
        """The open links: "TCP" or "SSL" by id; none while the port is lost."""
        pool = self._pool
        return {} if pool is None else {n: "SSL" if n in pool.secure else "TCP" for n in list(pool.pumps)}

    def has_free_link(self) -> bool:
        """Whether one could be taken at once; True while the port is lost, when that is not the reason."""
        return self._pool is None or self._pool.has_free_link

    @property
    def is_ready(self) -> bool:
        """Whether the module is set up."""
        return self._channel is not None and self._channel.state is ModuleState.READY

    async def ready(self) -> CommandChannel:
        """The channel, once the module is set up; the reason as an Error after READY_S without."""
        with trio.move_on_after(READY_S):
            await self.until(lambda: self.is_ready)
            return self.channel
        raise self._unavailable(f"the module on {self.options.url} is not ready")

    def _unavailable(self, otherwise: str) -> Error:
        return self.unavailable() or PortError(otherwise)

    def unavailable(self) -> Error | None:
        """Why the module cannot be used now; ENETDOWN, as of an interface that is down, without a port."""
        if self.failure is None:
            return None
        error = self.failure.clone()
        if isinstance(error, PortError) and error.errno != errno.ETIMEDOUT:  # that one: it is silent
            error.errno = errno.ENETDOWN
        return error

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until this holds; looked at again after every `notify`. Unbounded."""
        while not holds():
            await self._changed.wait()

    def notify(self) -> None:
        """Something changed that `until` may wait for."""
        self._changed.set()
        self._changed = trio.Event()

    # -- what is known of the module ------------------------------------------------------------------

    @property
    def firmware(self) -> Firmware:
        channel = self._channel  # read once: other threads ask, too
        return channel.session.firmware if channel else Firmware()

    @property
    def addresses(self) -> wifi.Addresses:
        """The module's own addresses, as last reported."""
        return self._addresses

    @addresses.setter
    def addresses(self, addresses: wifi.Addresses) -> None:
        if addresses.station_ip != self._addresses.station_ip:
            self.names.forget_all()
            self.names_ipv6.forget_all()
        self._addresses = addresses
        if (addresses.station_ipv6 or addresses.softap_ipv6) and self.options.ipv6 is not False:
            self.ipv6_is_on = True

    @property
    def station_ip(self) -> str | None:
        """As sockets have it; None without Wi-Fi."""
        address = self.addresses.station_ip
        return None if address is None else str(address)

    @property
    def station_ipv6(self) -> tuple[str, ...]:
        """As sockets have them, a global address first; none while IPv6 is off or has no network."""
        return tuple(map(str, self.addresses.station_ipv6)) if self.ipv6_is_on else ()

    @property
    def softap_ip(self) -> str | None:
        """As sockets have it; None while the SoftAP is off."""
        address = self.addresses.softap_ip
        return None if address is None else str(address)

    def is_own(self, host: str) -> bool:
        """Whether the address is the module itself."""
        if is_ipv6(host):
            return host == LOOPBACK_V6 or IPv6Address(host) in self._own_ipv6
        return host.startswith("127.") or host in (self.station_ip, self.softap_ip)

    def local_ip(self, peer: str) -> str:
        """What this peer sees as the address of the module, which connects to itself over loopback."""
        if is_ipv6(peer):
            return self._local_ipv6(peer)
        if peer.startswith("127."):
            return "127.0.0.1"
        if self._is_softap_client(peer) and self.softap_ip is not None:
            return self.softap_ip
        return self.station_ip or "0.0.0.0"

    @property
    def _own_ipv6(self) -> tuple[IPv6Address, ...]:
        return self.addresses.station_ipv6 + self.addresses.softap_ipv6

    def _local_ipv6(self, peer: str) -> str:
        """Of the link for a peer on the link, else the global one, as far as there is one."""
        if peer == LOOPBACK_V6:
            return peer
        wanted = IPv6Address(peer).is_link_local
        best = sorted(self._own_ipv6, key=lambda address: address.is_link_local is not wanted)
        return str(best[0]) if best else ANY_V6

    def _is_softap_client(self, host: str) -> bool:
        """Whether the address is in the module's own network (a /24, at-dialects 6), which needs no Wi-Fi."""
        own = self.softap_ip
        return own is not None and host.rpartition(".")[0] == own.rpartition(".")[0]

    async def wait_for_network(self, host: str | None = None) -> None:
        """Until the module can reach this address, or names if None; Error(ENETUNREACH) after NETWORK_S.

        Error(ENETDOWN) while the module is set to a single link.
        """
        if not self.channel.session.demux.mux:
            raise Error(
                "the module is in single-link mode (AT+CIPMUX=0), and sockets need several links: "
                "execute tcpip.SetMultiplexed(on=True)",
                errno=errno.ENETDOWN,
            )
        if self.may_reach(host):
            return
        if is_ipv6(host) and not self.ipv6_is_on:
            raise Error(
                f"IPv6 is off on the module on {self.options.url}: turn it on with ipv6=True (from firmware "
                "2.2 on)",
                errno=errno.EAFNOSUPPORT,
            )
        with trio.move_on_after(NETWORK_S):
            while not self.may_reach(host):
                await self._ask_address()
                with trio.move_on_after(ASK_ADDRESS_S):
                    await self.until(lambda: self.may_reach(host))
            return
        raise self.no_network(host)

    def may_reach(self, host: str | None = None) -> bool:
        """Whether the module has a network for this address, or for names if None."""
        if host is not None and is_ipv6(host):
            return self._may_reach_ipv6(host)
        return self.addresses.station_ip is not None or (host is not None and self._is_softap_client(host))

    def _may_reach_ipv6(self, host: str) -> bool:
        own = self._own_ipv6 if self.ipv6_is_on else ()
        on_link = host in (ANY_V6, LOOPBACK_V6) or IPv6Address(host).is_link_local
        return any(on_link or not address.is_link_local for address in own)

    async def verify_network(self, host: str) -> None:
        """After a connection failed: Error(ENETUNREACH) if the reason is that there is no network."""
        if self.is_own(host) or self._is_softap_client(host):
            return
        await self._ask_address()
        if not self.may_reach(host):
            raise self.no_network(host)

    async def _ask_address(self) -> None:
        if self.network is not None:
            try:
                await self.network.verify()
            except CommandError as error:
                log.debug("%s", error)

    def no_network(self, host: str | None = None) -> Error:
        """What is wrong while the station has no address, of IPv6 for such a host."""
        if is_ipv6(host) and self.addresses.station_ip is not None:
            return Error(
                f"the module on {self.options.url} has no IPv6 address by which it reaches {host}: does its "
                "access point have IPv6?",
                errno=errno.ENETUNREACH,
            )
        return Error(
            f"the module on {self.options.url} has no Wi-Fi: join an access point first, with ssid= "
            "and password= (or ESP32SOCK_SSID and ESP32SOCK_PASSWORD)",
            errno=errno.ENETUNREACH,
        )

    async def enable_peer_info(self) -> None:
        """From now on every `+IPD` names its sender, which UDP links without a fixed peer need."""
        channel = await self.ready()
        if not channel.session.demux.recvdata_has_peer:
            await channel.execute(tcpip.ShowPeer(on=True))

    def account(self, change_bytes: int) -> None:
        """A link keeps so much more (or less) for its application than before."""
        self.unread_bytes += change_bytes
