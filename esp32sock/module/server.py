"""Listening: the module's one server joined to one end of a pair, a byte in it for each connection.

Accepted links get the ids 0 to n-1 (CIPSERVERMAXCONN=n), so that they and those we open cannot collide; where
the firmware lacks that command, ours are taken from the top and never the last free one (architecture,
known-bugs 13). The idle time-out is set to never.
"""

from __future__ import annotations

import errno
import logging
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import trio

from esp32sock.at.commands import servers, tcpip
from esp32sock.errors import CommandError, Error
from esp32sock.module.hangup import HangupWatch
from esp32sock.module.pumps import StreamPump
from esp32sock.module.streams import pump_to_the_end

if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable

    from esp32sock.at.events import LinkOpened
    from esp32sock.module.dialogue import Dialogue
    from esp32sock.module.module import Module

Address = tuple[str, int]

log = logging.getLogger("esp32sock")

FIRST_EPHEMERAL_PORT = 49152
LAST_PORT = 65535


class Accepted:
    """How an accepted stream fares, kept until its owner asks."""

    def __init__(self, pump: StreamPump, half_close_s: float) -> None:
        self.pump = pump
        self._listener: AcceptedListener | None = None
        self._ended: tuple[Error | None] | None = None
        self.half_close_s = half_close_s

    def attach(self, listener: AcceptedListener) -> None:
        """Tell this one from now on, and at once what happened before; it may hear the latter twice."""
        self._listener = listener
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
    """Who is told how a listener fares; `accepted` comes before the byte that announces it."""

    def listening(self, local: Address) -> None: ...
    def failed(self, error: Error) -> None: ...
    def accepted(
        self, user_end: _socket.socket, link_id: int, local: Address, remote: Address, stream: Accepted
    ) -> None: ...
    def ended(self, error: Error | None) -> None: ...


@dataclass(frozen=True, slots=True)
class ListenRequest:
    """A listener somebody wants; `port` 0 lets us choose."""

    end: _socket.socket
    port: int
    listener: ServerListener
    make_pair: Callable[[], tuple[_socket.socket, _socket.socket]]
    """(engine's end, user's end) for each accepted connection."""
    links: int = 3
    half_close_s: float = 30.0
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


class Server:
    """The module's server while it listens."""

    def __init__(self, module: Module, dialogue: Dialogue, request: ListenRequest, port: int) -> None:
        self.port = port
        self._module = module
        self._dialogue = dialogue
        self._request = request
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
        with self._scope, HangupWatch(self._request.end.fileno()) as hangup:
            await hangup.wait()
        self._ended = True
        return self._error

    @property
    def is_ending(self) -> bool:
        """Whether the application has closed its listener already, so that this server is about to go."""
        return self._ended or HangupWatch.check(self._request.end.fileno())

    def stop(self) -> None:
        """Stop accepting."""
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
        engine_end, user_end = self._request.make_pair()
        pump = StreamPump(
            self._dialogue,
            self._module.pool,
            event.link_id,
            engine_end,
            half_close_s=self._request.half_close_s,
            account=self._module.account,
            passive=self._module.receiving.passive,
        )
        self._module.pool.adopt(pump)
        self._unannounced += 1
        self._module.begin(self._serve, event, pump, user_end)

    async def all_announced(self) -> None:
        """Until the application can accept whatever the module has accepted so far."""
        while self._unannounced:
            await self._announced.wait()

    async def _serve(self, event: LinkOpened, pump: StreamPump, user_end: _socket.socket) -> None:
        stream = Accepted(pump, self._request.half_close_s)
        try:
            await self._announce(event, user_end, stream)
        except BaseException:
            user_end.close()
            raise
        finally:
            self._unannounced -= 1
            self._announced.set()
            self._announced = trio.Event()
        await pump_to_the_end(self._module, pump, stream)

    async def _announce(self, event: LinkOpened, user_end: _socket.socket, stream: Accepted) -> None:
        remote = event.remote or await self._remote(event.link_id)
        if self._module.is_own(remote[0]):
            self._module.pool.introduce(remote[1], stream.pump)
        local = (self._module.local_ip(remote[0]), self.port)
        self._request.listener.accepted(user_end, event.link_id, local, remote, stream)
        try:
            self._request.end.send(b"\0")
        except OSError:
            user_end.close()  # the listener was closed meanwhile

    async def _remote(self, link_id: int) -> Address:
        """Who it is; the module says so only when asked, and not any more once the link is gone."""
        try:
            listed = await self._dialogue.execute(tcpip.Links())
        except Error:
            listed = []
        peers = (link.remote for link in listed if link.link_id == link_id)
        host, port = next(peers, ("0.0.0.0", 0))
        return str(host), port


async def run_server(module: Module, request: ListenRequest) -> None:
    """The whole life of a listener; every outcome is told to it, none is raised.

    It survives a restart of the module and a port that was lost and is back: the server is started again.
    """
    server: Server | None = None
    error = Error("nobody waits for this listener any more").means(errno.ECONNABORTED)
    try:
        with request.scope:
            server = await _start(module, request, request.port)
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
        try:
            ended_by = await _serve_on(module, request, server)
        finally:
            request.listener.ended(ended_by)
            trio.lowlevel.notify_closing(request.end)
            request.end.close()
        await _stop(module)
    finally:
        last, module.server = module.server, None
        if last is not None:
            last.gone.set()
        module.server_ended()


async def _serve_on(module: Module, request: ListenRequest, server: Server) -> Error | None:
    """Serve until the application closes its listener; the error if the module does not come back."""
    while (lost := await server.run()) is not None:
        if server.is_final:
            return lost
        log.warning("the listener on port %d waits for the module to come back: %s", server.port, lost)
        module.server = None
        with HangupWatch(request.end.fileno()) as hangup:
            if hangup.hung_up:
                return None
        try:
            server = await _start(module, request, server.port)
        except Error as error:
            return error
    return None


async def _start(module: Module, request: ListenRequest, asked_port: int) -> Server:
    dialogue = await module.ready()
    while module.server is not None and module.server.is_ending:
        await module.server.gone.wait()
    if module.server is not None:
        same = module.server.port == asked_port
        raise Error(f"the module has one server, and it listens on port {module.server.port} already").means(
            errno.EADDRINUSE if same else errno.EMFILE
        )
    port = asked_port or random.randint(FIRST_EPHEMERAL_PORT, LAST_PORT)
    server = module.server = Server(module, dialogue, request, port)
    try:
        async with dialogue.turn():
            await _limit_links(module, dialogue, request.links)
            await module.receiving.prepare_server(dialogue, request.links)
            await dialogue.execute_in_turn(servers.Listen(port))
            module.pool.server_port = port
            await dialogue.execute_in_turn(servers.ServerTimeout(0))
    except BaseException:
        module.server = None
        server.gone.set()
        module.pool.reserve_for_server(0)
        raise
    return server


async def _limit_links(module: Module, dialogue: Dialogue, links: int) -> None:
    try:
        await dialogue.execute_in_turn(servers.ServerLinks(links))
        module.pool.reserve_for_server(links)
    except CommandError:
        module.pool.reserve_for_server(None)  # 0.10 has no such command: the server may take any id


async def _stop(module: Module) -> None:
    """Nothing where the module is gone, and its server with it."""
    if module.server is None:
        return
    try:
        await module.dialogue.execute(servers.StopListening())
        module.pool.server_port = None
        module.pool.reserve_for_server(0)
    except Error:
        pass
