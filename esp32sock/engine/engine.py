"""One module, running: the verbs of an engine, over the parts that carry them out."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, TypeVar

import trio

from esp32sock.at.commands import tcpip, wifi
from esp32sock.engine import startup
from esp32sock.engine.command_runner import CommandRunner
from esp32sock.engine.context import Context
from esp32sock.engine.description import describe_context, include
from esp32sock.engine.listener import run_server
from esp32sock.engine.requests import DatagramRequest, ListenRequest, StreamRequest
from esp32sock.engine.router import Router
from esp32sock.engine.supervisor import Supervisor
from esp32sock.engine.tcp_link import run_stream
from esp32sock.engine.trace import recording
from esp32sock.engine.transports import Port, open_port
from esp32sock.engine.udp_link import run_datagram
from esp32sock.engine.wifi import Station
from esp32sock.errors import CommandError, PortError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from esp32sock.at.commands import Command
    from esp32sock.at.events import ModuleEvent
    from esp32sock.at.firmware import Firmware
    from esp32sock.engine.options import Options
    from esp32sock.engine.requests import LinkHolder, Opening, StreamOptions
    from esp32sock.engine.stats import Stats

LOOK_UP_S = 8
"""How long the module may look for a name, and hold the line: a name server that answers does it sooner."""

R = TypeVar("R")
Request = StreamRequest | DatagramRequest | ListenRequest


class Engine:
    """A running module; everything in it happens in one trio nursery."""

    def __init__(self, options: Options, opener: Callable[[str, int], Awaitable[Port]] = open_port) -> None:
        self.options = options
        self.context = Context(options)
        """What the parts of the engine share; not for the code above `engine/`."""
        wanted = None if options.ssid is None else wifi.Join(options.ssid, options.password)
        self._station = Station(self.context, wanted)
        self._supervisor = Supervisor(self.context, self._station, opener)
        self._router = Router(self.context, self._station, self._supervisor)
        self._commands = CommandRunner(self.context, self._station, self._supervisor)
        include(self)

    # -- running --------------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until cancelled; started once the module is set up, PortError or CommandError if it cannot be.

        OSError for a file of `trace` or `pcap` that cannot be opened.
        A port that is lost later is opened again; verbs raise the reason meanwhile.
        """
        with recording(self.options.trace, self.options.pcap) as trace:
            async with trio.open_nursery() as nursery:
                self.context.tasks.nursery = nursery
                await self._supervisor.run(self._router, task_status.started, trace)

    async def drain(self) -> None:
        """Wait until every link has ended and what was sent is delivered; at most `close_s`.

        If that leaves time, the module echoes again then and announces links as after a boot, for the next
        program.
        """
        context = self.context
        with trio.move_on_after(self.options.close_s):
            if context.server is not None:
                context.server.stop()
            for pump in context.pumps():
                pump.finish()
            await context.tasks.all_ended()
            if context.is_ready:
                await startup.restore(context.channel)
        context.tasks.close_lingering()

    # -- commands -------------------------------------------------------------------------------------

    async def execute(self, command: Command[R], *, timeout: float | None = None, force: bool = False) -> R:
        """Run one command; see `CommandChannel.execute_exclusive` for what it raises.

        One that ends links is refused while there are any, Error(EBUSY); with `force` they end first. The
        serial settings are changed on both sides, as `baud.change` does. TypeError for what is no command.
        """
        return await self._commands.execute(command, timeout=timeout, force=force)

    async def join(
        self,
        ssid: str,
        password: str = "",
        *,
        bssid: str | None = None,
        timeout: float | None = None,
        force: bool = False,
    ) -> wifi.JoinedTo | None:
        """Join an access point now, and again after every restart and whenever it was lost.

        Turns the station on if need be. At most `timeout` (None: as long as the module takes, up to 45 s);
        links end as with `execute`. CommandError with the module's reason (its `errno`: ETIMEDOUT, EACCES for
        the password, ENETUNREACH where no such network is in range, ECONNREFUSED), Error(EBUSY) for open
        links.
        """

        async def execute(command: Command[R]) -> R:
            return await self.execute(command, force=force)

        return await self._station.join(execute, wifi.Join(ssid, password, bssid), timeout=timeout)

    async def resolve(self, host: str, *, ipv6: bool = False) -> list[str]:
        """The addresses of a name, as sockets have them, from the last `dns_cache_s` or the module.

        Those of IPv4, or those of IPv6.

        CommandError when the module does not find any, after LOOK_UP_S at most where the firmware has a
        time-out (4.1 on), else after up to 35 s; Error(ENETUNREACH) without Wi-Fi.
        """
        names = self.context.names_ipv6 if ipv6 else self.context.names
        known = names.get(host, trio.current_time())
        if known is not None:
            return known
        await self.context.wait_for_network()
        try:
            found = await self.execute(tcpip.Resolve(host, LOOK_UP_S * 1000, self._family(ipv6=ipv6)))
        except CommandError:
            await self.context.verify_network(host)
            raise
        addresses = [str(address) for address in found if (address.version == 6) is ipv6]
        names.put(host, addresses, trio.current_time())
        return addresses

    def _family(self, *, ipv6: bool) -> tcpip.Family:
        if ipv6:
            return tcpip.Family.IPV6
        return tcpip.Family.IPV4 if self.context.ipv6_is_on else tcpip.Family.IPV4_FIRST

    # -- links ----------------------------------------------------------------------------------------

    def open_stream(self, request: StreamRequest) -> None:
        """Begin a stream; its events report the progress."""
        self._begin(run_stream, request)

    def open_datagram(self, request: DatagramRequest) -> None:
        """Begin a UDP link; its events report the progress."""
        self._begin(run_datagram, request)

    def listen(self, request: ListenRequest) -> None:
        """Begin to listen; its events report the progress."""
        self._begin(run_server, request)

    def abandon(self, opening: Opening) -> None:
        """Give up what one of these began, open or not; nothing happens if it has ended."""
        opening.abandon()

    def finish(self, holder: LinkHolder) -> None:
        """Deliver what the socket of one link has sent, then end the link, as `drain` does with all."""
        pump = None if holder.link_id is None else self.context.pool.pumps.get(holder.link_id)
        if pump is not None:
            pump.finish()

    def _begin(self, life: Callable[..., Awaitable[None]], request: Request) -> None:
        try:
            self.context.tasks.begin(life, self.context, request)
        except RuntimeError:  # the nursery is closed: the engine is just ending
            request.failed(PortError("the interface was detached", errno=errno.ENETDOWN))

    async def set_link_options(self, holder: LinkHolder, options: StreamOptions) -> None:
        """Change the options of an open TCP link, as far as the firmware can; none while it is not open."""
        if holder.link_id is not None:
            channel = await self.context.ready()
            async with channel.exclusive():
                link_id = holder.link_id
                if link_id is not None:
                    await self.context.link_options.apply(channel, link_id, options)

    # -- what is known (in any thread) ----------------------------------------------------------------

    @property
    def firmware(self) -> Firmware:
        return self.context.firmware

    @property
    def station_ip(self) -> str | None:
        """As sockets have it; None without Wi-Fi."""
        return self.context.station_ip

    @property
    def is_open(self) -> bool:
        return self.context.is_open

    def links(self) -> dict[int, str]:
        """The open links: "TCP" or "SSL" by id; none while the port is lost."""
        return self.context.links()

    def stats(self) -> Stats:
        """The counters, with what open links have carried so far."""
        context = self.context
        return context.counters.snapshot(context.pumps(), context.unread_bytes, context.channel_repeats)

    def describe(self) -> list[str]:
        """The state of everything, for a diagnostic dump."""
        return describe_context(self.context)

    def watch(self, watcher: Callable[[ModuleEvent], object]) -> Callable[[], object]:
        """Tell `watcher` every event from now on, passwords taken out; gives back what stops that."""
        return self._router.watch(watcher)
