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
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar, cast

import trio

from esp32sock.at.commands import Command, basic, sleep, tcpip, wifi
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
from esp32sock.engine import baud, command_policy, startup
from esp32sock.engine.channel import CommandChannel
from esp32sock.engine.link_pool import LinkPool
from esp32sock.engine.listener import ListenRequest, Server, run_server
from esp32sock.engine.options import DEFAULT_BAUD
from esp32sock.engine.receive_mode import ReceiveMode
from esp32sock.engine.shielded import run_shielded
from esp32sock.engine.stats import Counters
from esp32sock.engine.tcp_link import StreamRequest, run_stream
from esp32sock.engine.tls_setup import TlsConfigurator
from esp32sock.engine.transports import Port, open_port
from esp32sock.engine.udp_link import DatagramRequest, run_datagram
from esp32sock.engine.wifi import Station
from esp32sock.errors import CommandError, Error, ModuleReset, PortError, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from esp32sock.engine.link_pool import Pump
    from esp32sock.engine.options import Options
    from esp32sock.engine.tcp_pump import StreamPump

R = TypeVar("R")
Request = StreamRequest | DatagramRequest | ListenRequest

REOPEN_S = 0.5
"""Between two tries to get a lost port back."""
RESTART_S = 30.0
"""A restart takes 2 s on hardware, 18 to 25 s in an emulator (real-firmware/README)."""
READY_S = 10.0
"""How long a request waits for a module that is being set up."""
SetsUart = basic.SetUart | basic.SetStoredUart | basic.SetLegacyUart

log = logging.getLogger("esp32sock")


class Engine:
    """A running module; everything in it happens in one trio nursery."""

    def __init__(self, options: Options, opener: Callable[[str, int], Awaitable[Port]] = open_port) -> None:
        self.options = options
        self.counters = Counters()
        asked = None if options.ssid is None else wifi.Join(options.ssid, options.password)
        self.station = Station(self, asked)
        self._opener = opener
        self._bauds = deque([options.baudrate])
        """The rates to open the port at, in turn: the one that worked last first."""
        self._line_changes = False
        self._wakes_at = 0.0
        self._stores_passthrough = False
        self._dialogue: CommandChannel | None = None
        self._pool: LinkPool | None = None
        self._changed = trio.Event()
        self._restarted = False
        self._stuck = False
        self._unread_bytes = 0
        self._lingering: set[StreamPump] = set()
        self._nursery: trio.Nursery | None = None
        self.receiving = ReceiveMode(None, Firmware())
        self.securing = TlsConfigurator(Firmware())
        self._lives = 0
        self.server: Server | None = None
        """Who accepts what the module accepted; there is one at most."""
        self._all_ended = trio.Event()
        self._failure: Error | None = None
        self._watchers: list[Callable[[Event], object]] = []

    # -- what others ask ------------------------------------------------------------------------------

    @property
    def firmware(self) -> Firmware:
        dialogue = self._dialogue  # other threads ask, too
        return dialogue.session.firmware if dialogue else Firmware()

    @property
    def addresses(self) -> wifi.Addresses:
        """The module's own addresses, as last heard."""
        return self.station.addresses

    @property
    def station_ip(self) -> str | None:
        """As sockets have it; None without Wi-Fi."""
        address = self.addresses.station_ip
        return None if address is None else str(address)

    @property
    def softap_ip(self) -> str | None:
        """As sockets have it; None while the SoftAP is off."""
        address = self.addresses.softap_ip
        return None if address is None else str(address)

    @property
    def dialogue(self) -> CommandChannel:
        """The dialogue of now; PortError while there is none."""
        if self._dialogue is None:
            raise self._why_not(f"the port {self.options.url} is not open")
        return self._dialogue

    def _why_not(self, otherwise: str) -> Error:
        return PortError(otherwise) if self._failure is None else self._failure.clone()

    @property
    def is_open(self) -> bool:
        return self._pool is not None

    @property
    def pool(self) -> LinkPool:
        pool = self._pool  # other threads ask, too
        if pool is None:
            raise PortError(f"the port {self.options.url} is not open")
        return pool

    async def ready(self) -> CommandChannel:
        """The dialogue, once the module is set up; the reason as an Error if that takes too long."""
        with trio.move_on_after(READY_S):
            await self.until(lambda: self._is_ready)
            return self.dialogue
        raise self._why_not(f"the module on {self.options.url} is not ready")

    async def wait_for_network(self, host: str | None = None) -> None:
        """Until the module can reach this address, or names if None, bounded; Error(ENETUNREACH) without."""
        if not self.dialogue.session.demux.mux:
            raise Error(
                "the module was told to have one link (AT+CIPMUX=0), and sockets need several: "
                "execute tcpip.SetMultiplexed(on=True)",
                errno=errno.ENETDOWN,
            )
        if host is None or not self._is_softap_client(host):
            await self.station.wait()

    @property
    def _is_ready(self) -> bool:
        return self._dialogue is not None and self._dialogue.state is ModuleState.READY

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until this holds; looked at again whenever anything changes."""
        while not holds():
            await self._changed.wait()

    def notify(self) -> None:
        """Something changed."""
        self._changed.set()
        self._changed = trio.Event()

    async def enable_peer_info(self) -> None:
        """From now on every `+IPD` says who sent it: UDP that hears anyone needs it, others do not."""
        if not self.dialogue.session.demux.recvdata_has_peer:
            await self.execute(tcpip.ShowPeer(on=True))

    def _is_softap_client(self, host: str) -> bool:
        """Whether the address is in the module's own network (a /24, at-dialects 6), which needs no Wi-Fi."""
        own = self.softap_ip
        return own is not None and host.rpartition(".")[0] == own.rpartition(".")[0]

    def server_ended(self) -> None:
        """The server is gone from the module, and another may start."""
        self.notify()

    def is_own(self, host: str) -> bool:
        """Whether the address is the module itself."""
        return host.startswith("127.") or host in (self.station_ip, self.softap_ip)

    def local_ip(self, peer: str) -> str:
        """What this peer sees as the address of the module, which talks to itself over loopback."""
        if peer.startswith("127."):
            return "127.0.0.1"
        if self._is_softap_client(peer) and self.softap_ip is not None:
            return self.softap_ip
        return self.station_ip or "0.0.0.0"

    async def execute(self, command: Command[R], *, timeout: float | None = None, force: bool = False) -> R:
        """Run one command; see `CommandChannel.execute_exclusive` for what it raises.

        One that ends links is refused while there are any, Error(EBUSY); with `force` they end first. The
        serial settings are changed on both sides, as `baud.change` does. TypeError for what is no command.
        """
        if not isinstance(command, Command):
            wanted = "a command is wanted, like esp32sock.at.commands.Raw(b'AT'), not a"
            raise TypeError(f"{wanted} {type(command).__name__}")
        command_policy.reject_unsupported(self, command)
        if isinstance(command, SetsUart) and timeout is not None:
            raise ValueError("a change of the serial line is never cut short: leave timeout out")
        result = await self._execute_exclusive(command, timeout, force=force)
        self.station.on_command_succeeded(command)
        if isinstance(command, basic.Restore):
            self._bauds.append(DEFAULT_BAUD)
        if isinstance(command, sleep.DeepSleep):
            self._wakes_at = trio.current_time() + command.duration.total_seconds()
            self._failure = Error(f"the module sleeps for {command.duration}", errno=errno.ENETDOWN)
        return result

    async def _execute_exclusive(self, command: Command[R], timeout: float | None, *, force: bool) -> R:
        """Nothing that the command ends may come between the look and the command."""
        while True:
            dialogue = await self.ready()
            ended = await command_policy.clear(self, command, force=force)
            async with dialogue.turn():
                if self.is_open and command_policy.AffectedLinks.on(self, command).without(ended):
                    continue
                if isinstance(command, SetsUart):
                    return cast("R", await self._change_line(dialogue, command))
                self.securing.on_command_succeeded(command)  # it may be, whatever comes back
                return await dialogue.execute_exclusive(command, timeout=timeout)

    def _expect_baud(self, baud: int | None) -> None:
        """The module was heard at this rate; after a restart it may be at that of the options again."""
        self._bauds = deque(dict.fromkeys([baud or self.options.baudrate, self.options.baudrate]))

    async def _change_line(self, dialogue: CommandChannel, command: SetsUart) -> None:
        """Never half-way: the two ends would not understand each other."""
        store = not isinstance(command, basic.SetUart)
        self._line_changes = True
        dialogue.session.line_changes()
        try:
            await run_shielded(lambda: baud.change(dialogue, command.settings, store=store))
        finally:
            self._line_changes = False
            self._expect_baud(dialogue.port.baudrate)
            if dialogue.state is ModuleState.SYNCING:
                dialogue.session.set_up()
            self.notify()

    def watch(self, watcher: Callable[[Event], object]) -> Callable[[], object]:
        """Tell `watcher` every event from now on, passwords taken out; gives back what stops that."""
        self._watchers.append(watcher)

        def stop() -> None:
            if watcher in self._watchers:
                self._watchers.remove(watcher)

        return stop

    async def resolve(self, host: str) -> list[str]:
        """The addresses of a name, as sockets have them; CommandError when the module does not find any."""
        await self.wait_for_network()
        return [str(address) for address in await self.execute(tcpip.Resolve(host))]

    def open_stream(self, request: StreamRequest) -> None:
        """Begin a stream; its listener hears how it goes."""
        self._begin(run_stream, request)

    def open_datagram(self, request: DatagramRequest) -> None:
        """Begin a UDP link; its listener hears how it goes."""
        self._begin(run_datagram, request)

    def listen(self, request: ListenRequest) -> None:
        """Begin to listen; the request's listener hears how it goes."""
        self._begin(run_server, request)

    def _begin(self, life: Callable[..., Awaitable[None]], request: Request) -> None:
        try:
            self.begin(life, self, request)
        except RuntimeError:  # the nursery is closed: the module is just ending
            request.listener.failed(PortError("the interface was detached", errno=errno.ENETDOWN))

    def begin(self, life: Callable[..., Awaitable[None]], *args: Any) -> None:
        """Run the whole life of a socket's other half; `drain` waits for it."""
        assert self._nursery is not None, "the module runs before it is used"
        self._nursery.start_soon(self._live, life, *args)
        self._lives += 1

    async def _live(self, life: Callable[..., Awaitable[None]], *args: Any) -> None:
        try:
            await life(*args)
        except Exception:
            # A fault of ours: it costs this socket, and not the engine.
            log.exception("a socket is given up")
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
        pool = self._pool  # which may end meanwhile, in another thread
        pumps = list(pool.pumps.values()) if pool else []
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
                    await self._one_dialogue(begun, lambda: started)
                except Error as error:
                    if not started:
                        raise
                    self._failure = error
                    log.warning("%s", error)
                await trio.sleep(REOPEN_S)

    async def _one_dialogue(self, begun: Callable[[], None], is_started: Callable[[], bool]) -> None:
        """From opening the port to losing it; always ends in an Error."""
        baud = self._bauds[0]
        self._bauds.rotate(-1)  # the next one, if nothing answers at this
        port = await self._opener(self.options.url, baud)
        dialogue = CommandChannel(port, self)
        failure: Error | None = None
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(dialogue.run)
                self._dialogue, self._pool = dialogue, LinkPool(dialogue.session)
                try:
                    await self._start(dialogue, first=not is_started())
                    self._expect_baud(baud)
                    begun()
                    await self._supervise(dialogue)
                except Error as error:
                    failure = error
                nursery.cancel_scope.cancel()
        finally:
            self.station.forget()
            self._end_pumps(failure or PortError("the port was closed"))
            self._dialogue = self._pool = None
            self.notify()
            with trio.CancelScope(shield=True):
                await port.aclose()
        if failure is not None:
            raise failure

    async def _start(self, dialogue: CommandChannel, *, first: bool) -> None:
        async with dialogue.turn():
            await startup.probe(dialogue)
            try:
                await self._set_up(dialogue, must_join=first)
                return
            except ModuleReset:
                log.warning("the module on %s restarted while it was set up", self.options.url)
        await self._recover(dialogue)

    async def _set_up(self, dialogue: CommandChannel, *, must_join: bool = False) -> None:
        """The settings, and what they make true."""
        self._restarted = False
        if await startup.set_up(dialogue):
            self._stores_passthrough = True
        self.receiving = ReceiveMode(self.options.receive, dialogue.session.firmware)
        await self.receiving.set_up(dialogue)
        self.securing = TlsConfigurator(dialogue.session.firmware)
        if self.options.rtscts:
            await startup.use_flow_control(dialogue)
        await self.station.set_up(dialogue, must_join=must_join)
        if dialogue.state is ModuleState.SYNCING and not self._restarted:
            dialogue.session.set_up()
            self._failure = None
            self.notify()

    async def _supervise(self, dialogue: CommandChannel) -> None:
        """Do what events ask for; raises when the port is lost or the module cannot be brought back."""
        while True:
            if dialogue.error is not None:
                raise dialogue.error
            if self._stuck:
                self._stuck = False
                dialogue.force_restart()
            if self._needs_set_up:
                await self._recover(dialogue)
            await self.until(lambda: dialogue.error is not None or self._stuck or self._needs_set_up)

    @property
    def _needs_set_up(self) -> bool:
        return not self._is_ready and not self._line_changes

    async def _recover(self, dialogue: CommandChannel) -> None:
        """After a restart: wait until it is up again, and set it up again."""
        self.counters.restarts += 1
        asleep_s = max(0.0, self._wakes_at - trio.current_time())
        with trio.move_on_after(RESTART_S + asleep_s):
            while dialogue.state is not ModuleState.READY:
                await self.until(lambda: dialogue.state is not ModuleState.RESETTING)
                if dialogue.error is not None:
                    raise dialogue.error
                try:
                    async with dialogue.turn():
                        if self._stores_passthrough:
                            await startup.leave_stored_passthrough(dialogue)
                        await self._set_up(dialogue)
                except (CommandError, ModuleReset) as error:
                    log.warning("setting up again: %s", error)
                    await trio.sleep(REOPEN_S)
            return
        raise PortError(
            f"the module on {self.options.url} restarted and did not come back", errno=errno.ENETDOWN
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
        if pump.unread_bytes > self.options.unread_link_bytes:
            self._overflowed(pump, "unread_link_bytes")
        elif self._unread_bytes > self.options.unread_bytes:
            hoarder = max(self.pool.pumps.values(), key=lambda one: one.unread_bytes)
            self._overflowed(hoarder, "unread_bytes")

    @staticmethod
    def _overflowed(pump: Pump, limit: str) -> None:
        unread = f"{pump.unread_bytes} received bytes were not read"
        error = Error(f"link {pump.link_id}: {unread}, more than {limit} allows")
        error.errno = errno.ECONNRESET
        pump.fail(error)

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
                self.spawn(self.close_orphan, event.link_id)
            case UnreadWaiting():
                pump = self.pool.pumps.get(event.link_id)
                if pump is not None:
                    pump.announce()
            case WifiChanged():
                self.station.changed(event.state)
            case ModuleRestarted():
                self._restarted = self.securing.forgotten = True
                self.station.forget()
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
        self.notify()

    def port_lost(self, error: PortError) -> None:
        """The dialogue is over; `_supervise` sees to it."""
        self.notify()

    def _accepted(self, event: LinkOpened) -> None:
        if self.server is None:
            self.spawn(self.close_orphan, event.link_id)
        else:
            self.server.accepted(event)

    def _link_closed(self, event: LinkClosed) -> None:
        self.dialogue.session.links.release(event.link_id)
        pump = self.pool.pumps.get(event.link_id)
        if pump is None:
            return
        self.pool.give_back(pump)
        error = event.error
        if error is None:
            error = self.station.lost(event.link_id)
        if error is None:
            pump.peer_closed()
        else:
            pump.fail(error)

    def _link_faulty(self, event: LinkFault) -> None:
        pump = self.pool.pumps.get(event.link_id)
        if pump is None:
            self.spawn(self.close_orphan, event.link_id)
        else:
            pump.fail(RemoteProtocolError(f"link {event.link_id}: {event.reason}"))

    def spawn(self, job: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """Begin a chore that nobody waits for."""
        assert self._nursery is not None, "the module runs before it is used"
        self._nursery.start_soon(self._run_background, job, *args)

    @staticmethod
    async def _run_background(job: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """A chore that fails because the module is gone needs no second report."""
        try:
            await job(*args)
        except Error as error:
            log.debug("%s", error)

    async def close_orphan(self, link_id: int) -> None:
        """Close a link that nobody here has; by our turn it may be somebody's who came in the meantime."""
        dialogue = await self.ready()
        async with dialogue.turn():
            if link_id not in self.pool.pumps:
                await dialogue.execute_exclusive(tcpip.Close(link_id))
