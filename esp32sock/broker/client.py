"""The verbs of `net/interface_api.py` over a broker in another process; the standard library suffices."""

from __future__ import annotations

import errno
import os
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast
from weakref import WeakSet

from esp32sock.at.commands import Command
from esp32sock.broker import guards, protocol
from esp32sock.broker.client_handles import AcceptedHandle, ClientHandle
from esp32sock.broker.client_links import AcceptedLink, DatagramLink, ListenerLink, StreamLink
from esp32sock.broker.connection import BrokerConnection
from esp32sock.broker.guards import Guard
from esp32sock.broker.server_links import signal_pair
from esp32sock.errors import CommandError, Error
from esp32sock.net import context
from esp32sock.net.error_map import os_error, translated
from esp32sock.net.event_queue import MAX_EVENTS, EventQueue
from esp32sock.net.interface_api import (
    DEFAULT_OPTIONS,
    DatagramEvents,
    FoundSocket,
    Handle,
    Interface,
    ListenEvents,
    ModuleStatus,
    Stats,
    StreamEvents,
    StreamOptions,
    bounded_wait,
)
from esp32sock.net.socketpairs import EngineEnd, key_of

if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from esp32sock.at.commands.wifi import JoinedTo
    from esp32sock.at.events import ModuleEvent
    from esp32sock.at.firmware import Firmware
    from esp32sock.engine.requests import Address
    from esp32sock.net.interface_api import Connection, Key
    from esp32sock.net.routes import Routes

R = TypeVar("R")

SCHEME = "unix:"

FINISH_MARGIN_S = 5.0
"""Beyond the delivery that the module's options allow, at `close`."""


class BrokerInterface(Interface):
    """A module that a broker has: `attach("unix:PATH")`. Every process of a program may use it."""

    is_shared = True

    def __init__(self, path: str, routes: Routes, module: str = "") -> None:
        self.is_closed = False
        self._connection = BrokerConnection(path, module)
        self.routes = routes
        self._event_queues: WeakSet[EventQueue] = WeakSet()
        self._at_close: list[Callable[[], object]] = []
        self._process = os.getpid()

    @property
    def url(self) -> str:
        """What to attach for the same module."""
        return SCHEME + f"{self._connection.path}#{self._connection.module}".removesuffix("#")

    def call_at_close(self, job: Callable[[], object]) -> None:
        """Call `job` once at the end of `close`, the latest first; in a forked child: not at all."""
        self._at_close.append(job)

    def __repr__(self) -> str:
        return f"<esp32sock.Interface {self.url!r}{', closed' if self.is_closed else ''}>"

    def connect(self) -> None:
        """Call the broker now; PortError if it cannot be reached, or refuses."""
        self._connection.connect()

    @property
    def firmware(self) -> Firmware:
        """The module's firmware, as the broker reported it at the last connection."""
        return self._connection.connect().firmware

    def watch(self, watcher: Callable[[ModuleEvent], object]) -> Callable[[], object]:
        """Tell `watcher` every event from now on, in the thread that reads; gives back what stops that."""
        return self._connection.watch(watcher)

    def disconnect(self) -> None:
        """Leave at once; what is open breaks. For clients that have no sockets."""
        self.is_closed = True
        self._connection.close()

    def may_block(self) -> bool:
        return not self._connection.is_reader

    def use(self) -> AbstractContextManager[Interface]:
        return context.using(self)

    def new_handle(self) -> Handle:
        return ClientHandle(self._connection, self._connection.new_number())

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
        number, end = _number(handle), _engine_end(end)
        brokers, ours = signal_pair()
        verb = protocol.OpenStream(
            number,
            end.user_key,
            remote,
            options,
            filler_bytes,
            timeout,
            bounded_wait(wait_for_link_s, timeout),
            None if replacing is None else _number(replacing),
        )
        with closing(brokers):
            self._connection.begin(number, StreamLink(events, end, end.user_key, ours), verb, (end, brokers))

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
        number, end = _number(handle), _engine_end(end)
        verb = protocol.OpenDatagram(number, end.user_key, local_port, remote, ipv6)
        self._connection.begin(number, DatagramLink(events, end), verb, (end,))

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
        number, end = _number(handle), _engine_end(end)
        verb = protocol.Listen(number, end.user_key, port, backlog, ipv6)
        self._connection.begin(number, ListenerLink(events, end), verb, (end,))

    def take_connection(self, key: Key) -> Connection | None:
        try:
            answer = self._result("accept", protocol.Accept(number := self._connection.new_number(), key))
        except BaseException:
            with suppress(Error, OSError):
                self._connection.post(protocol.Announce(key))
            raise
        if answer is None:
            return None
        return self._accepted(number, answer)

    def _accepted(self, number: int, answer: Any) -> Connection:
        accepted, (user_end, *others) = answer
        end, signal = others or signal_pair()
        link = AcceptedLink(end, key_of(user_end.fileno()), signal)
        self._connection.expect(number, link)
        return user_end, accepted.opened, AcceptedHandle(self._connection, number, link)

    def note_bound(self, key: Key, local: Address) -> None:
        with suppress(Error, OSError):  # `listen` reports a missing right to listen
            self._connection.post(protocol.NoteBound(key, local))

    def note_peer(self, key: Key, remote: Address) -> None:
        with suppress(Error, OSError):  # the socket itself works on
            self._connection.post(protocol.NotePeer(key, remote))

    def find_socket(self, key: Key) -> FoundSocket | None:
        answer = self._result("socket", protocol.Find(key))
        if answer is None:
            return None
        found = answer
        if isinstance(answer, tuple):
            found, (end, signal) = answer
            guards.watch([Guard(key, end, signal, lambda: None)])
        return FoundSocket(found.kind, found.local, found.remote, found.one_peer)

    def resolve(self, host: str, *, ipv6: bool = False) -> list[str]:
        doing = f"looking up {host!r}"
        with translated(doing, name=host):
            return cast("list[str]", self._ask(doing, protocol.Resolve(host, ipv6)))

    def execute(self, command: Command[R], *, timeout: float | None = None, force: bool = False) -> R:
        if not isinstance(command, Command):
            wanted = "expected a command such as esp32sock.at.commands.Raw(b'AT'), not a"
            raise TypeError(f"{wanted} {type(command).__name__}")
        doing = command.label
        with translated(doing):
            answer = self._ask(doing, protocol.Execute(command, timeout, force))
            if answer.lines is None:
                return cast("R", None)
            try:
                return command.parse(answer.lines, answer.firmware)
            except (ValueError, LookupError, TypeError, ArithmeticError) as error:
                raise CommandError(doing, "what this release cannot read") from error

    def join(
        self,
        ssid: str,
        password: str = "",
        *,
        bssid: str | None = None,
        timeout: float | None = None,
        force: bool = False,
    ) -> JoinedTo | None:
        verb = protocol.Join(ssid, password, bssid, timeout, force)
        return cast("JoinedTo | None", self._result(f"joining {ssid!r}", verb))

    def events(self, maxsize: int = MAX_EVENTS) -> EventQueue:
        with translated("events"):
            queue = EventQueue(self._connection.watch, maxsize)
        self._event_queues.add(queue)
        return queue

    def status(self) -> ModuleStatus:
        found = cast("protocol.Status", self._result("status", protocol.GetStatus()))
        return ModuleStatus(
            found.port,
            found.firmware,
            found.build,
            found.station_ip,
            dict(found.links),
            found.station_ipv6,
            found.has_ipv6,
        )

    def stats(self) -> Stats:
        return cast("Stats", self._result("stats", protocol.GetStats()))

    def routes_to_host(self, host: str) -> bool:
        return self.routes.to_host(host)

    def close(self) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        welcome = self._connection.welcome
        if welcome is not None and self.may_block():
            with suppress(Error, OSError, TimeoutError):
                answer = self._connection.ask_if_connected(protocol.Finish())
                answer.result(welcome.wait_for_close_s + FINISH_MARGIN_S)
        self._connection.close()
        for queue in list(self._event_queues):
            queue.close()
        while self._at_close and os.getpid() == self._process:
            self._at_close.pop()()

    def _result(self, doing: str, verb: protocol.Verb) -> Any:
        with translated(doing):
            return self._ask(doing, verb)

    def _ask(self, doing: str, verb: protocol.Verb) -> Any:
        if not self.may_block():
            raise os_error(
                errno.EDEADLK, f"{doing}: this thread takes the broker's answers and must not wait"
            )
        return self._connection.result(verb)


def connect(
    url: str, routes: Routes, opened: Callable[[BrokerInterface], object] = lambda _: None
) -> BrokerInterface:
    """The interface of `unix:PATH` or `unix:PATH#MODULE`; OSError that says why it cannot be had.

    `opened` gets it too, before an exception out of a signal handler could lose it.
    """
    path, _, module = url.removeprefix(SCHEME).partition("#")
    interface = BrokerInterface(path, routes, module)
    opened(interface)
    with translated(f"attaching {url}"):
        interface.connect()
    return interface


def _number(handle: Handle) -> int:
    """What the broker knows a handle by; an interface is given its own handles only."""
    assert isinstance(handle, ClientHandle)
    return handle.number


def _engine_end(end: _socket.socket) -> EngineEnd:
    assert isinstance(end, EngineEnd)
    return end
