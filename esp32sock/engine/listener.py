"""Listening: the module's one server joined to one end of a pair, a byte in it for each connection.

Accepted links get the ids 0 to n-1 (CIPSERVERMAXCONN=n), so that they never collide with links that the
engine opens; where the firmware lacks that command, the engine takes ids from the top and never the last
free one (architecture, known-bugs 13). The idle time-out is set to never.
"""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING

import trio

from esp32sock._address_text import address_text
from esp32sock._hangup import hung_up
from esp32sock.at.commands import servers
from esp32sock.engine.context import ANY_V6
from esp32sock.engine.hangup import HangupWatch
from esp32sock.engine.link_announcements import announced_link
from esp32sock.engine.link_closing import close_orphan
from esp32sock.engine.reconcile import expect_listed
from esp32sock.engine.repeating import list_links
from esp32sock.engine.requests import Accepted, Listening, StreamOpened
from esp32sock.engine.tcp_link import pump_to_the_end
from esp32sock.engine.tcp_pump import StreamPump
from esp32sock.errors import CommandError, Error, ModuleReset, PortError

if TYPE_CHECKING:
    import _socket

    from esp32sock.at.events import LinkOpened
    from esp32sock.engine.channel import CommandChannel
    from esp32sock.engine.context import Context
    from esp32sock.engine.link_pool import LinkPool
    from esp32sock.engine.requests import Address, ListenRequest

START_TRIES = 5
"""How often a module that is back may refuse to listen."""
START_AGAIN_S = 0.5
"""Between two tries to listen again; by taste."""

log = logging.getLogger("esp32sock")


class _NotAcceptedError(Error):
    """The module opened the link, but not for a client: its CIPSTART was given up."""


class Server:
    """The module's server while it listens."""

    def __init__(self, context: Context, channel: CommandChannel, request: ListenRequest) -> None:
        self.port = request.port
        self.is_ipv6 = request.ipv6
        self._context = context
        self.pool = context.pool
        self.channel = channel
        self.request = request
        self.closed = trio.Event()
        """Set when the module listens no more, and another server may start."""
        self.is_final = False
        """Whether it ended for good: it is not started again."""
        self._error: Error | None = None
        self._ended = False
        self._unannounced = 0
        self._warned = False
        self._announced = trio.Event()
        self._scope = trio.CancelScope()

    async def run(self) -> Error | None:
        """Wait until the application closes its listener (None), or the module is lost (the error)."""
        try:
            with self._scope, HangupWatch(self.request.end.fileno()) as hangup:
                await hangup.wait()
        except Error as error:  # no descriptor for the watch
            self.end_for(error)
        finally:
            self._ended = True
        return self._error

    @property
    def is_ending(self) -> bool:
        """Whether the application has closed its listener already, so that this server is about to go."""
        return self._ended or hung_up(self.request.end.fileno())

    def stop(self) -> None:
        """Stop accepting."""
        self._ended = True
        self._scope.cancel()

    def fail(self, error: Error) -> None:
        """The module restarted or is lost: it listens no more until the server is started again."""
        self._error = error
        self._scope.cancel()

    def end_for(self, error: Error) -> None:
        """End the listener for good, with this error: a command ends the server."""
        self.is_final = True
        self.fail(error)

    def accepted(self, event: LinkOpened) -> None:
        """The module accepted a connection; called in the reading task, so that no byte is lost."""
        waiting = self.request.waiting
        waiting[:] = [stream for stream in waiting if stream.is_waiting]
        if len(waiting) > self.request.backlog:
            log.debug(
                "closing link %d, just accepted: the backlog of port %d is full", event.link_id, self.port
            )
            self._context.tasks.spawn(close_orphan, self._context, event.link_id)
            return
        try:
            engine_end, user_end = self.request.make_pair()
        except OSError as error:
            log.warning("closing link %d, just accepted: %s", event.link_id, error)
            self._context.tasks.spawn(close_orphan, self._context, event.link_id)
            return
        pump = StreamPump(
            self.channel,
            self.pool,
            event.link_id,
            engine_end,
            half_close_s=self._context.options.half_close_s,
            account=self._context.account,
            looks=self._context.receive_mode.looks,
        )
        self.pool.adopt(pump, f"TCP accepted on port {self.request.port}")
        self._warn_when_full()
        stream = Accepted(event.link_id)
        waiting.append(stream)
        self._unannounced += 1
        self._context.tasks.begin(self._serve, event, pump, stream, user_end)

    def _warn_when_full(self) -> None:
        """Once: the module refuses further clients without a word (CIPSERVERMAXCONN, at-dialects 7.9)."""
        if self.pool.is_server_full and not self._warned:
            self._warned = True
            log.warning(
                "port %d has all the connections that it may have; the module refuses more clients until one "
                "ends (server_links=%d, at most 5)",
                self.port,
                self._context.options.server_links,
            )

    async def all_announced(self) -> None:
        """Until the application can accept whatever the module has accepted so far."""
        while self._unannounced:
            await self._announced.wait()

    def release(self) -> None:
        """It is the module's server no more: another may start. Idempotent."""
        if self._context.server is self:
            self._context.server = None
            self.pool.server_port = None
            self.pool.reserve_for_server(0)
        self.closed.set()
        self._context.notify()

    async def _serve(
        self, event: LinkOpened, pump: StreamPump, stream: Accepted, user_end: _socket.socket
    ) -> None:
        try:
            await self._announce(event, pump, stream, user_end)
        except _NotAcceptedError as error:
            user_end.close()
            stream.is_waiting = False
            pump.fail(error)
        except BaseException:
            user_end.close()
            pump.close_end()
            raise
        finally:
            self._unannounced -= 1
            self._announced.set()
            self._announced = trio.Event()
        await pump_to_the_end(self._context, pump, stream)

    async def _announce(
        self, event: LinkOpened, pump: StreamPump, stream: Accepted, user_end: _socket.socket
    ) -> None:
        options = self._context.link_options
        if not options.are_applied(event.link_id):  # an accepted socket before it had others
            async with self.channel.exclusive():
                await options.apply(self.channel, event.link_id)
        remote = await self._remote(event)
        if self._context.is_own(remote[0]):
            self.pool.pair_loopback(remote[1], pump)
        local = (self._context.local_ip(remote[0]), self.port)
        log.info("link %d from %s was accepted on port %d", event.link_id, address_text(*remote), self.port)
        opened = StreamOpened(event.link_id, local, remote)
        self.request.events.accepted(user_end, opened, self.request.make_handle(stream))
        try:
            self.request.end.send(b"\0")
        except OSError:  # the listener was closed meanwhile, or its descriptor holds no more
            self.request.events.accept_failed(user_end)
            stream.is_waiting = False

    async def _remote(self, event: LinkOpened) -> Address:
        """The address of the peer, announced or asked; 0.0.0.0 or :: when the link is closed already.

        _NotAcceptedError when the module lists it as one that it opened by a command.
        """
        links = self.channel.session.links
        announced = announced_link(links, event.link_id, "TCP")
        if announced is not None and links[event.link_id].generation == event.generation:
            self.pool.listed[event.link_id] = announced
            return str(announced.remote[0]), announced.remote[1]
        try:
            listed = await list_links(self.channel)
        except Error:
            listed = None
        shown = None if listed is None else listed.get(event.link_id)
        unknown = (ANY_V6 if self.is_ipv6 else "0.0.0.0"), 0
        if links[event.link_id].generation != event.generation:
            return unknown
        if shown is None:
            expect_listed(self._context, event.link_id, listed)
            return unknown
        if not shown.accepted:
            raise _NotAcceptedError(f"link {event.link_id} is a late one of our own")
        self.pool.listed[event.link_id] = shown
        host, port = shown.remote
        return str(host), port


async def run_server(context: Context, request: ListenRequest) -> None:
    """The whole life of a listener; every outcome goes to its events, none is raised.

    It survives an outage of any length: the server is started again as soon as the module is set up.
    """
    server: Server | None = None
    error = Error("the listener was cancelled", errno=errno.ECONNABORTED)
    try:
        with request.opening.scope:
            server = await _start(context, request)
    except Error as caught:
        error = caught
    finally:
        if server is None:  # also when the module ends meanwhile; the end is its owner's again
            request.failed(error)
    if server is None:
        return
    log.info("listening on port %d of the module", server.port)
    request.events.listening(Listening((_own_address(context, request), server.port)))
    ended_by: Error | None = None
    try:
        with trio.CancelScope() as serving:
            request.opening.opened(serving.cancel)
            ended_by = await _serve_on(context, request, server)
    finally:
        request.events.ended(ended_by)
        trio.lowlevel.notify_closing(request.end)
        request.end.close()
        current = context.server
        if isinstance(current, Server) and current.request is request:
            await _stop(current)


def _own_address(context: Context, request: ListenRequest) -> str:
    if request.ipv6:
        return next(iter(context.station_ipv6), ANY_V6)
    return context.station_ip or "0.0.0.0"


async def _serve_on(context: Context, request: ListenRequest, server: Server) -> Error | None:
    """Serve until the application closes its listener; the error if its place does not come back."""
    while (lost := await server.run()) is not None and not server.is_final:
        log.warning("the listener on port %d waits for the module to come back: %s", server.port, lost)
        server.release()
        try:
            again = await _start_again(context, request)
        except Error as error:
            return error
        if again is None:
            return None
        server = again
    return lost


async def _start_again(context: Context, request: ListenRequest) -> Server | None:
    """Listen once more, when the module is back; None when the application closes its listener before.

    Waits without a bound. Error when the module has another server by then, or refuses START_TRIES times.
    """
    outcome: Server | Error | None = None
    with HangupWatch(request.end.fileno()) as hangup:
        if hangup.hung_up:
            return None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_when_closed, hangup, nursery.cancel_scope)
            try:
                outcome = await _keep_starting(context, request)
            except Error as error:  # raised below: not in a group of the nursery's making
                outcome = error
            nursery.cancel_scope.cancel()
    if isinstance(outcome, Error):
        raise outcome
    return outcome


async def _cancel_when_closed(hangup: HangupWatch, scope: trio.CancelScope) -> None:
    await hangup.wait()
    scope.cancel()


async def _keep_starting(context: Context, request: ListenRequest) -> Server:
    refusals = 0
    while True:
        await context.until(lambda: context.is_ready)
        try:
            return await _start(context, request)
        except CommandError:
            refusals += 1
            if refusals == START_TRIES:
                raise
        except Error as error:
            if context.is_ready and not isinstance(error, ModuleReset | PortError):
                raise
            log.debug("the listener waits on: %s", error)
        await trio.sleep(START_AGAIN_S)


async def _start(context: Context, request: ListenRequest) -> Server:
    channel = await context.ready()
    while context.server is not None and context.server.is_ending:
        await context.server.closed.wait()
    if context.server is not None:
        same = context.server.port == request.port
        raise Error(
            f"the module has one server, as every AT firmware, and it listens on port {context.server.port} "
            "already",
            errno=errno.EADDRINUSE if same else errno.EMFILE,
        )
    if request.ipv6:
        await context.wait_for_network(ANY_V6)
    server = context.server = Server(context, channel, request)
    try:
        async with channel.exclusive():
            await _limit_links(server.pool, channel, request.links)
            await context.receive_mode.prepare_server(channel, request.links)
            for link_id in range(request.links):
                await context.link_options.apply(channel, link_id)
            await channel.execute_exclusive(servers.Listen(server.port, server.is_ipv6))
            server.pool.server_port = server.port
            await channel.execute_exclusive(servers.ServerTimeout(0))
    except BaseException:
        server.stop()
        context.tasks.begin(_stop, server)  # the module may listen, or be about to
        raise
    return server


async def _limit_links(pool: LinkPool, channel: CommandChannel, links: int) -> None:
    try:
        await channel.execute_exclusive(servers.ServerLinks(links))
        pool.reserve_for_server(links)
    except CommandError:
        pool.reserve_for_server(None)  # 0.10 has no such command: the server may take any id


async def _stop(server: Server) -> None:
    """Stop listening and make room for the next server; harmless when the module is lost."""
    try:
        await server.channel.execute(servers.StopListening())
        await list_links(server.channel)  # a client whose CONNECT was lost is found at the latest now
    except Error:
        pass
    finally:
        server.release()
