"""Listening: the module's one server joined to one end of a pair, a byte in it for each connection.

Accepted links get the ids 0 to n-1 (CIPSERVERMAXCONN=n), so that they and those we open cannot collide; where
the firmware lacks that command, ours are taken from the top and never the last free one (architecture,
known-bugs 13). The idle time-out is set to never.
"""

from __future__ import annotations

import errno
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import trio

from esp32sock.at.commands import servers, tcpip
from esp32sock.engine.hangup import HangupWatch
from esp32sock.engine.tcp_link import pump_to_the_end
from esp32sock.engine.tcp_pump import StreamPump
from esp32sock.errors import CommandError, Error

if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable

    from esp32sock.at.events import LinkOpened
    from esp32sock.engine.channel import CommandChannel
    from esp32sock.engine.engine import Engine
    from esp32sock.engine.link_pool import LinkPool

Address = tuple[str, int]

log = logging.getLogger("esp32sock")


class Accepted:
    """How an accepted stream fares, kept until its owner asks."""

    def __init__(self, pump: StreamPump) -> None:
        self.pump = pump
        self.is_waiting = True
        """Whether it takes a place in the backlog: nobody has accepted it yet, but somebody may."""
        self._listener: AcceptedListener | None = None
        self._ended: tuple[Error | None] | None = None

    def attach(self, listener: AcceptedListener) -> None:
        """Tell this one from now on, and at once what happened before; it may hear the latter twice."""
        self._listener = listener
        self.is_waiting = False
        if self._ended is not None:
            listener.ended(*self._ended)

    def opened(self, link_id: int, local: Address, remote: Address) -> None:
        raise AssertionError("an accepted stream is open from the start")

    def failed(self, error: Error) -> None:
        raise AssertionError("an accepted stream is open from the start")

    def ended(self, error: Error | None) -> None:
        self._ended = (error,)
        if self._listener is not None:
            self._listener.ended(error)


class AcceptedListener(Protocol):
    def ended(self, error: Error | None) -> None: ...


class ServerListener(Protocol):
    """Who is told how a listener fares.

    `accepted` comes before the byte that announces it; `withdrawn` behind it, if that byte could not be sent:
    the end, which nobody can have accepted, is to be closed.
    """

    def listening(self, local: Address) -> None: ...
    def failed(self, error: Error) -> None: ...
    def accepted(
        self, user_end: _socket.socket, link_id: int, local: Address, remote: Address, stream: Accepted
    ) -> None: ...
    def withdrawn(self, user_end: _socket.socket) -> None: ...
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


class Server:
    """The module's server while it listens."""

    def __init__(self, module: Engine, dialogue: CommandChannel, request: ListenRequest) -> None:
        self.port = request.port
        self._module = module
        self.pool = module.pool
        self.dialogue = dialogue
        self.request = request
        self.gone = trio.Event()
        """Set when the module listens no more, and another server may start."""
        self.is_final = False
        """Whether it ended because somebody said so: it is not started again."""
        self._error: Error | None = None
        self._ended = False
        self._unannounced = 0
        self._announced = trio.Event()
        self._scope = trio.CancelScope()

    async def run(self) -> Error | None:
        """Until the application closes its listener, or the module is gone; the error then."""
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
        return self._ended or HangupWatch.check(self.request.end.fileno())

    def stop(self) -> None:
        """Stop accepting."""
        self._ended = True
        self._scope.cancel()

    def fail(self, error: Error) -> None:
        """The module restarted or is gone: nobody listens there any more."""
        self._error = error
        self._scope.cancel()

    def end_for(self, error: Error) -> None:
        """Somebody wants the module for something else: the listener ends with this error."""
        self.is_final = True
        self.fail(error)

    def accepted(self, event: LinkOpened) -> None:
        """The module accepted somebody; called in the reading task, so that no byte is lost."""
        waiting = self.request.waiting
        waiting[:] = [stream for stream in waiting if stream.is_waiting]
        if len(waiting) > self.request.backlog:
            log.debug("link %d, just accepted, is closed: enough wait on port %d", event.link_id, self.port)
            self._module.spawn(self._module.close_orphan, event.link_id)
            return
        try:
            engine_end, user_end = self.request.make_pair()
        except OSError as error:
            log.warning("link %d, just accepted, is closed: %s", event.link_id, error)
            self._module.spawn(self._module.close_orphan, event.link_id)
            return
        pump = StreamPump(
            self.dialogue,
            self.pool,
            event.link_id,
            engine_end,
            half_close_s=self._module.options.half_close_s,
            account=self._module.account,
            passive=self._module.receiving.passive,
        )
        self.pool.adopt(pump)
        stream = Accepted(pump)
        waiting.append(stream)
        self._unannounced += 1
        self._module.begin(self._serve, event, stream, user_end)

    async def all_announced(self) -> None:
        """Until the application can accept whatever the module has accepted so far."""
        while self._unannounced:
            await self._announced.wait()

    def leave(self) -> None:
        """It is the module's server no more: another may start. Idempotent."""
        if self._module.server is self:
            self._module.server = None
            self.pool.server_port = None
            self.pool.reserve_for_server(0)
        self.gone.set()
        self._module.server_ended()

    async def _serve(self, event: LinkOpened, stream: Accepted, user_end: _socket.socket) -> None:
        try:
            await self._announce(event, stream, user_end)
        except BaseException:
            user_end.close()
            stream.pump.close_end()
            raise
        finally:
            self._unannounced -= 1
            self._announced.set()
            self._announced = trio.Event()
        await pump_to_the_end(self._module, stream.pump, stream)

    async def _announce(self, event: LinkOpened, stream: Accepted, user_end: _socket.socket) -> None:
        remote = event.remote or await self._remote(event.link_id)
        if self._module.is_own(remote[0]):
            self.pool.pair_loopback(remote[1], stream.pump)
        local = (self._module.local_ip(remote[0]), self.port)
        self.request.listener.accepted(user_end, event.link_id, local, remote, stream)
        try:
            self.request.end.send(b"\0")
        except OSError:  # the listener was closed meanwhile, or its descriptor holds no more
            self.request.listener.withdrawn(user_end)
            stream.is_waiting = False

    async def _remote(self, link_id: int) -> Address:
        """Who it is; the module says so only when asked, and not any more once the link is gone."""
        try:
            listed = await self.dialogue.execute(tcpip.Links())
        except Error:
            listed = []
        peers = (link.remote for link in listed if link.link_id == link_id)
        host, port = next(peers, ("0.0.0.0", 0))
        return str(host), port


async def run_server(module: Engine, request: ListenRequest) -> None:
    """The whole life of a listener; every outcome is told to it, none is raised.

    It survives a restart of the module and a port that was lost and is back: the server is started again.
    """
    server: Server | None = None
    error = Error("nobody waits for this listener any more", errno=errno.ECONNABORTED)
    try:
        with request.scope:
            server = await _start(module, request)
    except Error as caught:
        error = caught
    finally:
        if server is None:  # also when the module ends meanwhile; the end is its owner's again
            request.listener.failed(error)
    if server is None:
        return
    request.listener.listening((module.station_ip or "0.0.0.0", server.port))
    ended_by: Error | None = None
    try:
        ended_by = await _serve_on(module, request, server)
    finally:
        request.listener.ended(ended_by)
        trio.lowlevel.notify_closing(request.end)
        request.end.close()
        if module.server is not None and module.server.request is request:
            await _stop(module.server)


async def _serve_on(module: Engine, request: ListenRequest, server: Server) -> Error | None:
    """Serve until the application closes its listener; the error if its place does not come back."""
    while (lost := await server.run()) is not None and not server.is_final:
        log.warning("the listener on port %d waits for the module to come back: %s", server.port, lost)
        server.leave()
        if HangupWatch.check(request.end.fileno()):
            return None
        try:
            server = await _start(module, request)
        except Error as error:
            return error
    return lost


async def _start(module: Engine, request: ListenRequest) -> Server:
    dialogue = await module.ready()
    while module.server is not None and module.server.is_ending:
        await module.server.gone.wait()
    if module.server is not None:
        same = module.server.port == request.port
        raise Error(
            f"the module has one server, and it listens on port {module.server.port} already",
            errno=errno.EADDRINUSE if same else errno.EMFILE,
        )
    server = module.server = Server(module, dialogue, request)
    try:
        async with dialogue.turn():
            await _limit_links(server.pool, dialogue, request.links)
            await module.receiving.prepare_server(dialogue, request.links)
            await dialogue.execute_exclusive(servers.Listen(server.port))
            server.pool.server_port = server.port
            await dialogue.execute_exclusive(servers.ServerTimeout(0))
    except BaseException:
        server.stop()
        module.begin(_stop, server)  # the module may listen, or be about to
        raise
    return server


async def _limit_links(pool: LinkPool, dialogue: CommandChannel, links: int) -> None:
    try:
        await dialogue.execute_exclusive(servers.ServerLinks(links))
        pool.reserve_for_server(links)
    except CommandError:
        pool.reserve_for_server(None)  # 0.10 has no such command: the server may take any id


async def _stop(server: Server) -> None:
    """Listen no more, and make room for the next; the module may be gone, and its server with it."""
    try:
        await server.dialogue.execute(servers.StopListening())
    except Error:
        pass
    finally:
        server.leave()
