"""The verbs of `net/interface_api.py` over an engine in this process."""

from __future__ import annotations

import errno
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakSet

from trio import CancelScope

from esp32sock._build import BUILD
from esp32sock.engine.engine import Engine
from esp32sock.engine.requests import Accepted, DatagramRequest, ListenRequest, Opening, StreamRequest
from esp32sock.engine.thread import EngineThread
from esp32sock.engine.transports import Port, open_port
from esp32sock.errors import Error
from esp32sock.net import context, socketpairs
from esp32sock.net.error_map import os_error, translated
from esp32sock.net.event_channel import EventChannel
from esp32sock.net.event_queue import MAX_EVENTS, EventQueue
from esp32sock.net.interface_api import (
    DEFAULT_OPTIONS,
    DatagramEvents,
    Handle,
    Interface,
    ListenEvents,
    ModuleStatus,
    Stats,
    StreamEvents,
    StreamOptions,
    bounded_wait,
)

if TYPE_CHECKING:
    import _socket
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Future
    from contextlib import AbstractContextManager

    from esp32sock.at.commands import Command, wifi
    from esp32sock.at.events import ModuleEvent
    from esp32sock.engine.options import Options
    from esp32sock.engine.portal import EnginePortal
    from esp32sock.engine.requests import Address
    from esp32sock.net.routes import Routes

Q = TypeVar("Q", StreamRequest, DatagramRequest, ListenRequest)
R = TypeVar("R")


class _Handle:
    """What an open call is given: giving up, and options once a TCP link is open."""

    def __init__(self, portal: EnginePortal, engine: Engine) -> None:
        self._portal = portal
        self._engine = engine
        self.opening = Opening(CancelScope())

    def abandon(self) -> None:
        self._portal.post(self._engine.abandon, self.opening)

    def set_options(self, options: StreamOptions) -> Future[None]:
        return self._portal.call(self._engine.set_link_options, self.opening, options)


class _AcceptedHandle:
    """The same for a stream that the module accepted: it is open, and closing its descriptor ends it."""

    def __init__(self, portal: EnginePortal, engine: Engine, stream: Accepted) -> None:
        self._portal = portal
        self._engine = engine
        self._stream = stream

    def __del__(self) -> None:
        """A connection that was taken from the backlog has no place there, whatever became of it."""
        self._stream.is_waiting = False

    def abandon(self) -> None:
        pass

    def set_options(self, options: StreamOptions) -> Future[None]:
        return self._portal.call(self._engine.set_link_options, self._stream, options)

    def attach(self, events: StreamEvents) -> None:
        self._stream.attach(events)


class LocalInterface(Interface):
    """A module whose engine runs in this process: in a thread of its own, or in the loop of a program."""

    def __init__(
        self,
        options: Options,
        routes: Routes,
        portal: EnginePortal,
        engine: Engine,
        stop: Callable[[], object] = lambda: None,
    ) -> None:
        self.routes = routes
        self._options = options
        self._portal = portal
        self._engine = engine
        self._stop = stop
        self._event_queues: WeakSet[EventQueue | EventChannel] = WeakSet()
        self.is_closed = False

    def __repr__(self) -> str:
        if self.is_closed:
            return f"<esp32sock.Interface {self._options.url!r}, closed>"
        address = self._engine.station_ip or "no address"
        return f"<esp32sock.Interface {self._options.url!r}, {self._engine.firmware.release}, {address}>"

    def may_block(self) -> bool:
        return not self._portal.is_current

    @property
    def is_ready(self) -> bool:
        return self._engine.context.is_ready and not self.is_closed

    def has_free_link(self) -> bool:
        return self._engine.context.has_free_link()

    def use(self) -> AbstractContextManager[Interface]:
        return context.using(self)

    def new_handle(self) -> Handle:
        return _Handle(self._portal, self._engine)

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
        request = StreamRequest(
            end,
            remote,
            events,
            _opening(handle),
            options,
            filler_bytes,
            timeout,
            bounded_wait(wait_for_link_s, timeout),
            None if replacing is None else _opening(replacing),
        )
        self._begin(self._engine.open_stream, request)

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
        request = DatagramRequest(end, local_port, remote, events, _opening(handle), ipv6)
        self._begin(self._engine.open_datagram, request)

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
        request = ListenRequest(
            end,
            port,
            events,
            _opening(handle),
            socketpairs.stream_pair,
            partial(_AcceptedHandle, self._portal, self._engine),
            self._options.server_links,
            backlog,
            closes_end_on_failure=not self.may_block(),  # so that `accept` returns with the reason
            ipv6=ipv6,
        )
        self._begin(self._engine.listen, request)

    def _begin(self, job: Callable[[Q], object], request: Q) -> None:
        if not self._portal.post(job, request):
            raise Error("the interface was detached", errno=errno.ENETDOWN)

    def resolve(self, host: str, *, ipv6: bool = False) -> list[str]:
        doing = f"looking up {host!r}"
        with translated(doing, name=host):
            return self._wait(doing, partial(self._engine.resolve, ipv6=ipv6), host)

    def execute(self, command: Command[R], *, timeout: float | None = None, force: bool = False) -> R:
        doing = getattr(command, "label", "execute")

        async def run() -> R:
            return await self._engine.execute(command, timeout=timeout, force=force)

        with translated(doing):
            return self._wait(doing, run)

    def join(
        self,
        ssid: str,
        password: str = "",
        *,
        bssid: str | None = None,
        timeout: float | None = None,
        force: bool = False,
    ) -> wifi.JoinedTo | None:
        doing = f"joining {ssid!r}"

        async def run() -> wifi.JoinedTo | None:
            return await self._engine.join(ssid, password, bssid=bssid, timeout=timeout, force=force)

        with translated(doing):
            return self._wait(doing, run)

    def _wait(self, doing: str, job: Callable[..., Awaitable[R]], *args: object) -> R:
        """Run a function of the engine and block for its result."""
        if not self.may_block():
            raise os_error(errno.EDEADLK, f"{doing}: this thread runs the engine and must not wait for it")
        answer = self._portal.call(job, *args)
        try:
            return answer.result()
        finally:
            answer.cancel()  # of no effect on one that came; what nothing waits for any more is given up

    def watch(self, watcher: Callable[[ModuleEvent], object]) -> Callable[[], object]:
        return self._engine.watch(watcher)

    def events(self, maxsize: int = MAX_EVENTS) -> EventQueue:
        feed = EventQueue(self._engine.watch, maxsize)
        self._event_queues.add(feed)
        return feed

    def event_channel(self, maxsize: int = MAX_EVENTS) -> EventChannel:
        """The same for the trio program that the engine runs in."""
        stream = EventChannel(self._engine.watch, maxsize)
        self._event_queues.add(stream)
        return stream

    def status(self) -> ModuleStatus:
        engine, url = self._engine, self._options.url
        return ModuleStatus(
            url,
            str(engine.firmware),
            BUILD,
            engine.station_ip,
            engine.links(),
            engine.context.station_ipv6,
            engine.context.ipv6_is_on,
        )

    def stats(self) -> Stats:
        return self._engine.stats()

    def routes_to_host(self, host: str) -> bool:
        return self.routes.to_host(host)

    def close(self) -> None:
        self._stop()
        self.is_closed = True
        for queue in list(self._event_queues):
            queue.close()


def start_interface(
    options: Options, routes: Routes, opened: Callable[[LocalInterface], object]
) -> LocalInterface:
    """A module, set up, with its engine in a thread of its own; OSError that says what is wrong.

    `opened` gets it too, before an exception out of a signal handler could lose it.
    """
    thread = EngineThread(lambda: new_engine(options))
    try:
        with translated(f"attaching {options.url}"):
            interface = LocalInterface(options, routes, thread.portal, thread.start(), thread.stop)
            opened(interface)
            return interface
    except BaseException:
        thread.stop()
        raise


def _opening(handle: Handle) -> Opening:
    """What the engine knows a handle by; an interface is given its own handles only."""
    assert isinstance(handle, _Handle)
    return handle.opening


def new_engine(options: Options) -> Engine:
    """An engine to run; its port is the host's own, whatever is patched."""
    return Engine(options, open_on_host)


async def open_on_host(url: str, baudrate: int) -> Port:
    """A port that is a TCP connection itself (`socket://`) is the host's own, whatever is patched."""
    with context.on_host():
        return await open_port(url, baudrate)
