"""One module, running: opened, probed, set up, used, and recovered when it restarts or its port is lost.

Theory of operation: `run` is a loop around one dialogue after another. Inside a dialogue, an unexpected
`ready` means that everything set up is gone: every socket has heard of it from the session already, and
the settings are made again while the turn is held, so that nobody's command meets a half set-up module. A
lost port ends the dialogue; the port is then opened again until it is back. Whoever needs the module
meanwhile waits in `ready`, bounded.
"""

from __future__ import annotations

import errno
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from esp32sock.at.commands import tcpip, wifi
from esp32sock.at.commands.redaction import redacted
from esp32sock.at.events import (
    Event,
    LinkClosed,
    LinkFault,
    LinkOpened,
    ModuleRestarted,
    ModuleStuck,
    OrphanLink,
    UnknownText,
    UnreadWaiting,
    WifiChanged,
)
from esp32sock.at.firmware import Firmware
from esp32sock.at.framing import DISCARD
from esp32sock.at.state import ModuleState
from esp32sock.at.urcs import Wifi
from esp32sock.errors import CommandError, Error, ModuleReset, PortError, RemoteProtocolError
from esp32sock.module import startup
from esp32sock.module.datagrams import DatagramRequest, run_datagram
from esp32sock.module.dialogue import Dialogue
from esp32sock.module.pool import LinkPool
from esp32sock.module.ports import Port, open_port
from esp32sock.module.receiving import Receiving
from esp32sock.module.server import ListenRequest, Server, run_server
from esp32sock.module.streams import StreamRequest, run_stream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from esp32sock.at.commands import Command
    from esp32sock.module.options import ModuleOptions
    from esp32sock.module.pool import Pump
    from esp32sock.module.pumps import StreamPump

R = TypeVar("R")

REOPEN_S = 0.5
"""Between two tries to get a lost port back."""
RESTART_S = 30.0
"""A restart takes 2 s on hardware, 18 to 25 s in an emulator (real-firmware/README)."""
READY_S = 10.0
"""How long a request waits for a module that is being set up."""
NETWORK_S = 5.0
"""How long a connection waits for an address while the station is joining; by taste."""
LINKS_END_S = 5.0
"""How long a command that ends links waits for them to be closed; by taste."""
WIFI_LOST_S = 0.8
"""The module closes its links itself when the station is lost (2.0 on); after this they are checked."""

log = logging.getLogger("esp32sock")


@dataclass(slots=True)
class Counters:
    """What was carried since the module was attached."""

    links_opened: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    restarts: int = 0
    unknown_lines: int = 0
    datagrams_dropped: int = 0
    datagrams_doubtful: int = 0

    def add(self, pump: Pump) -> None:
        self.bytes_sent += pump.sent_bytes
        self.bytes_received += pump.received_bytes


class Module:
    """A running module; everything in it happens in one trio nursery."""

    def __init__(
        self, options: ModuleOptions, opener: Callable[[str, int], Awaitable[Port]] = open_port
    ) -> None:
        self.options = options
        self.counters = Counters()
        self.addresses = wifi.Addresses()
        self._opener = opener
        self._dialogue: Dialogue | None = None
        self._pool: LinkPool | None = None
        self._changed = trio.Event()
        self._restarted = False
        self._stuck = False
        self._unread_bytes = 0
        self._lingering: set[StreamPump] = set()
        self._nursery: trio.Nursery | None = None
        self.receiving = Receiving(None, Firmware())
        self._lives = 0
        self.server: Server | None = None
        """Who accepts what the module accepted; there is one at most."""
        self.names_peers = False
        """Whether `+IPD` names the sender: UDP that hears anyone needs it, to others it is a waste."""
        self._all_ended = trio.Event()
        self._failure: Error | None = None
        self._watchers: list[Callable[[Event], object]] = []

    # -- what others ask ------------------------------------------------------------------------------

    @property
    def firmware(self) -> Firmware:
        return self._dialogue.session.firmware if self._dialogue else Firmware()

    @property
    def station_ip(self) -> str | None:
        return self.addresses.station_ip

    @property
    def dialogue(self) -> Dialogue:
        """The dialogue of now; PortError while there is none."""
        if self._dialogue is None:
            raise self._failure or PortError(f"the port {self.options.url} is not open")
        return self._dialogue

    @property
    def is_open(self) -> bool:
        return self._pool is not None

    @property
    def pool(self) -> LinkPool:
        if self._pool is None:
            raise PortError(f"the port {self.options.url} is not open")
        return self._pool

    async def ready(self) -> Dialogue:
        """The dialogue, once the module is set up; the reason as an Error if that takes too long."""
        with trio.move_on_after(READY_S):
            await self._until(lambda: self._is_ready)
            return self.dialogue
        raise self._failure or PortError(f"the module on {self.options.url} is not ready")

    async def wait_for_network(self, host: str | None = None) -> None:
        """Until the module can reach this address, or names if None, bounded; Error(ENETUNREACH) without."""
        if host is not None and self._is_softap_client(host):
            return
        with trio.move_on_after(NETWORK_S):
            await self._until(lambda: self.station_ip is not None)
            return
        raise Error(
            f"the module on {self.options.url} has no Wi-Fi: join an access point first, with ssid= and "
            "password= (or ESP32SOCK_SSID and ESP32SOCK_PASSWORD)"
        ).means(errno.ENETUNREACH)

    @property
    def _is_ready(self) -> bool:
        return self._dialogue is not None and self._dialogue.state is ModuleState.READY

    async def _until(self, holds: Callable[[], bool]) -> None:
        """Wait until this holds; looked at again whenever anything changes."""
        while not holds():
            await self._changed.wait()

    def _notify(self) -> None:
        """Something changed."""
        self._changed.set()
        self._changed = trio.Event()

    async def name_peers(self) -> None:
        """From now on every `+IPD` says who sent it."""
        if not self.names_peers:
            await self.execute(tcpip.ShowPeer(on=True))
            self.names_peers = self.dialogue.session.demux.recvdata_has_peer = True

    def _is_softap_client(self, host: str) -> bool:
        """Whether the address is in the module's own network (a /24, at-dialects 6), which needs no Wi-Fi."""
        own = self.addresses.softap_ip
        return own is not None and host.rpartition(".")[0] == own.rpartition(".")[0]

    def is_own(self, host: str) -> bool:
        """Whether the address is the module itself."""
        return host.startswith("127.") or host in (self.station_ip, self.addresses.softap_ip)

    def local_ip(self, peer: str) -> str:
        """What this peer sees as the address of the module, which talks to itself over loopback."""
        if peer.startswith("127."):
            return "127.0.0.1"
        if self._is_softap_client(peer) and self.addresses.softap_ip is not None:
            return self.addresses.softap_ip
        return self.station_ip or "0.0.0.0"

    async def execute(self, command: Command[R], *, timeout_s: float | None = None, force: bool = False) -> R:
        """Run one command; see `Dialogue.execute_in_turn` for what it raises.

        One that ends links is refused while there are any, Error(EBUSY); with `force` they end first.
        """
        dialogue = await self.ready()
        if command.ends_links:
            await self._end_links(command.label, force=force)
        return await dialogue.execute(command, timeout_s=timeout_s)

    async def _end_links(self, label: str, *, force: bool) -> None:
        open_now = [f"link {link_id}" for link_id in self.pool.pumps]
        if self.server is not None:
            open_now.append("the server")
        if open_now and not force:
            raise Error(
                f"{label} would end what is open ({', '.join(open_now)}): close it first, or say force=True"
            ).means(errno.EBUSY)
        self._end_pumps(Error(f"{label} ended the link").means(errno.ECONNRESET))
        with trio.move_on_after(LINKS_END_S):
            await self._until(lambda: not self.is_open or not self.pool.pumps)

    def watch(self, watcher: Callable[[Event], object]) -> Callable[[], object]:
        """Tell `watcher` every event from now on, passwords taken out; gives back what stops that."""
        self._watchers.append(watcher)

        def stop() -> None:
            if watcher in self._watchers:
                self._watchers.remove(watcher)

        return stop

    async def resolve(self, host: str) -> list[str]:
        """The addresses of a name; CommandError when the module does not find any."""
        await self.wait_for_network()
        return await self.execute(tcpip.Resolve(host))

    def open_stream(self, request: StreamRequest) -> None:
        """Begin a stream; its listener hears how it goes."""
        self.begin(run_stream, self, request)

    def open_datagram(self, request: DatagramRequest) -> None:
        """Begin a UDP link; its listener hears how it goes."""
        self.begin(run_datagram, self, request)

    def listen(self, request: ListenRequest) -> None:
        """Begin to listen; the request's listener hears how it goes."""
        self.begin(run_server, self, request)

    def begin(self, life: Callable[..., Awaitable[None]], *args: Any) -> None:
        """Run the whole life of a socket's other half; `drain` waits for it."""
        assert self._nursery is not None, "the module runs before it is used"
        self._lives += 1
        self._nursery.start_soon(self._live, life, *args)

    async def _live(self, life: Callable[..., Awaitable[None]], *args: Any) -> None:
        try:
            await life(*args)
        finally:
            self._lives -= 1
            if not self._lives:
                self._all_ended.set()

    def linger(self, pump: StreamPump) -> None:
        """The link of this pump is gone, its application has yet to close."""

        async def until_closed() -> None:
            self._lingering.add(pump)
            try:
                await pump.linger()
            finally:
                self._lingering.discard(pump)

        self.spawn(until_closed)

    async def drain(self) -> None:
        """Wait until every stream has ended and what was sent is delivered; at most `close_s`."""
        with trio.move_on_after(self.options.close_s):
            if self.server is not None:
                self.server.stop()
            for pump in list(self._pool.pumps.values()) if self._pool else []:
                pump.finish()
            while self._lives:
                self._all_ended = trio.Event()
                await self._all_ended.wait()
        for pump in list(self._lingering):
            pump.close_end()

    def stats(self) -> dict[str, int]:
        """The counters, with what open links have carried so far."""
        pumps = list(self._pool.pumps.values()) if self._pool else []
        return {
            "links_opened": self.counters.links_opened,
            "links_open": len(pumps),
            "bytes_sent": self.counters.bytes_sent + sum(pump.sent_bytes for pump in pumps if pump.running),
            "bytes_received": self.counters.bytes_received
            + sum(pump.received_bytes for pump in pumps if pump.running),
            "unread_bytes": self._unread_bytes,
            "restarts": self.counters.restarts,
            "unknown_lines": self.counters.unknown_lines,
            "datagrams_dropped": self.counters.datagrams_dropped,
            "datagrams_doubtful": self.counters.datagrams_doubtful,
        }

    def account(self, change_bytes: int) -> None:
        """A pump keeps more or less than before."""
        self._unread_bytes += change_bytes

    # -- running --------------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until cancelled; started once the module is set up, PortError or CommandError if it cannot be.

        A port that is lost later is opened again; `ready` raises the reason meanwhile.
        """
        started = False

        def begun() -> None:
            nonlocal started
            if not started:
                started = True
                task_status.started()

        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            while True:
                try:
                    await self._one_dialogue(begun)
                except Error as error:
                    if not started:
                        raise
                    self._failure = error
                    log.warning("%s", error)
                await trio.sleep(REOPEN_S)

    async def _one_dialogue(self, begun: Callable[[], None]) -> None:
        """From opening the port to losing it; always ends in an Error."""
        port = await self._opener(self.options.url, self.options.baud)
        dialogue = Dialogue(port, self)
        failure: Error | None = None
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(dialogue.run)
                self._dialogue, self._pool = dialogue, LinkPool(dialogue.session)
                try:
                    await self._start(dialogue)
                    begun()
                    await self._mind(dialogue)
                except Error as error:
                    failure = error
                nursery.cancel_scope.cancel()
        finally:
            self.addresses = wifi.Addresses()
            self._end_pumps(failure or PortError("the port was closed"))
            self._dialogue = self._pool = None
            with trio.CancelScope(shield=True):
                await port.aclose()
        if failure is not None:
            raise failure

    async def _start(self, dialogue: Dialogue) -> None:
        async with dialogue.turn():
            await startup.probe(dialogue)
            try:
                await self._set_up(dialogue)
                return
            except ModuleReset:
                log.warning("the module on %s restarted while it was set up", self.options.url)
        await self._bring_back(dialogue)

    async def _set_up(self, dialogue: Dialogue) -> None:
        """The settings, and what they make true."""
        self._restarted = False
        await startup.set_up(dialogue)
        self.names_peers = dialogue.session.demux.recvdata_has_peer = False
        self.receiving = Receiving(self.options.receive, dialogue.session.firmware)
        await self.receiving.set_up(dialogue)
        if self.options.rtscts:
            await startup.use_flow_control(dialogue)
        if self.options.ssid is not None:
            credentials = startup.Credentials(self.options.ssid, self.options.password)
            await startup.join(dialogue, credentials)
        await self._read_addresses(dialogue)
        if dialogue.state is ModuleState.SYNCING and not self._restarted:
            dialogue.session.set_up()
            self._notify()

    async def _read_addresses(self, dialogue: Dialogue) -> None:
        self.addresses = await dialogue.execute_in_turn(wifi.OwnAddresses())
        self._notify()

    async def _mind(self, dialogue: Dialogue) -> None:
        """Do what events ask for; raises when the port is lost or the module cannot be brought back."""
        while True:
            if dialogue.error is not None:
                raise dialogue.error
            if self._stuck:
                self._stuck = False
                dialogue.force_restart()
            if dialogue.state is not ModuleState.READY:
                await self._bring_back(dialogue)
            await self._until(lambda: dialogue.error is not None or self._stuck or not self._is_ready)

    async def _bring_back(self, dialogue: Dialogue) -> None:
        """After a restart: wait until it is up again, and set it up again."""
        self.counters.restarts += 1
        with trio.move_on_after(RESTART_S):
            while dialogue.state is not ModuleState.READY:
                await self._until(lambda: dialogue.state is not ModuleState.RESETTING)
                if dialogue.error is not None:
                    raise dialogue.error
                try:
                    async with dialogue.turn():
                        await self._set_up(dialogue)
                except (CommandError, ModuleReset) as error:
                    log.warning("setting up again: %s", error)
                    await trio.sleep(REOPEN_S)
            return
        raise PortError(f"the module on {self.options.url} restarted and did not come back").means(
            errno.ENETDOWN
        )

    def _end_pumps(self, error: Error) -> None:
        for pump in list(self._pool.pumps.values()) if self._pool else []:
            pump.fail(error)
        if self.server is not None:
            self.server.fail(error)

    # -- events (called in the dialogue's reading task) -----------------------------------------------

    def payload(self, link_id: int) -> None:
        """Payload of a link lies in the demultiplexer: on to its pump, within the limits."""
        demux = self.dialogue.session.demux
        pump = self.pool.pumps.get(link_id)
        if pump is None:
            demux.set_sink(link_id, DISCARD)
            return
        pump.collect(demux)
        limit = self.options.unread_link_bytes
        if pump.unread_bytes > limit or self._unread_bytes > self.options.unread_bytes:
            which = "unread_link_bytes" if pump.unread_bytes > limit else "unread_bytes"
            pump.fail(
                Error(
                    f"link {link_id}: {pump.unread_bytes} received bytes were not read, "
                    f"more than {which} allows"
                ).means(errno.ECONNRESET)
            )

    def event(self, event: Event) -> None:
        """Anything the module says that is not the result of a command."""
        if isinstance(event, UnknownText):
            event = UnknownText(redacted(event.text))
        for watcher in tuple(self._watchers):
            watcher(event)
        match event:
            case LinkOpened(accepted=True):
                self._accepted(event)
            case LinkOpened():
                pass  # whoever opened it waits for the result of CIPSTART
            case LinkClosed():
                self._link_closed(event)
            case LinkFault():
                self._link_faulty(event)
            case OrphanLink():
                self.spawn(self._close_orphan, event.link_id)
            case UnreadWaiting():
                pump = self.pool.pumps.get(event.link_id)
                if pump is not None:
                    pump.announce()
            case WifiChanged():
                self._wifi_changed(event.state)
            case ModuleRestarted():
                self._restarted = True
                self.addresses = wifi.Addresses()
                if self.server is not None:
                    self.server.fail(ModuleReset("the module restarted; it listens no more"))
            case ModuleStuck():
                log.warning("%s never ended; the module is restarted", event.label)
                self._stuck = True
            case UnknownText():
                self.counters.unknown_lines += 1
                log.debug("the module said %r", event.text)
            case _:
                log.debug("the module said %r", event)
        if self._pool is not None:
            self._pool.changed()
        self._notify()

    def port_lost(self, error: PortError) -> None:
        """The dialogue is over; `_mind` sees to it."""
        self._notify()

    def _accepted(self, event: LinkOpened) -> None:
        if self.server is None:
            self.spawn(self._close_orphan, event.link_id)
        else:
            self.server.accepted(event)

    def _link_closed(self, event: LinkClosed) -> None:
        self.dialogue.session.links.release(event.link_id)
        pump = self.pool.pumps.get(event.link_id)
        if pump is None:
            return
        self.pool.give_back(pump)
        error = event.error
        if error is None and self.station_ip is None:
            error = Error(f"link {event.link_id} was closed because the Wi-Fi was lost").means(
                errno.ECONNRESET
            )
        if error is None:
            pump.peer_closed()
        else:
            pump.fail(error)

    def _link_faulty(self, event: LinkFault) -> None:
        pump = self.pool.pumps.get(event.link_id)
        if pump is None:
            self.spawn(self._close_orphan, event.link_id)
        else:
            pump.fail(RemoteProtocolError(f"link {event.link_id}: {event.reason}"))

    def _wifi_changed(self, state: Wifi) -> None:
        if state is Wifi.DISCONNECTED:
            self.addresses = wifi.Addresses()
            self.spawn(self._check_links)
        elif state is Wifi.GOT_IP:
            self.spawn(self._refresh_addresses)

    def spawn(self, job: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """Begin a chore that nobody waits for."""
        assert self._nursery is not None, "the module runs before it is used"
        self._nursery.start_soon(self._tolerant, job, *args)

    @staticmethod
    async def _tolerant(job: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """A chore that fails because the module is gone needs no second report."""
        try:
            await job(*args)
        except Error as error:
            log.debug("%s", error)

    async def _close_orphan(self, link_id: int) -> None:
        await self.execute(tcpip.Close(link_id))

    async def _refresh_addresses(self) -> None:
        dialogue = await self.ready()
        async with dialogue.turn():
            await self._read_addresses(dialogue)

    async def _check_links(self) -> None:
        """The Wi-Fi was lost: whoever's link the module does not list any more hears of it."""
        await trio.sleep(WIFI_LOST_S)
        if self.station_ip is not None:
            return
        listed = {link.link_id for link in await self.execute(tcpip.Links())}
        for link_id, pump in list(self.pool.pumps.items()):
            if link_id not in listed:
                pump.fail(Error(f"link {link_id} was lost with the Wi-Fi").means(errno.ENETDOWN))
