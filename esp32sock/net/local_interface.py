"""Attaching and detaching a module; the verbs of `net/interface_api.py` over an engine in this process."""

from __future__ import annotations

import atexit
import errno
import os
import threading
from dataclasses import fields as dataclass_fields
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

from trio import CancelScope

from esp32sock._build import BUILD
from esp32sock.engine.engine import Engine
from esp32sock.engine.options import Options
from esp32sock.engine.requests import Accepted, DatagramRequest, ListenRequest, Opening, StreamRequest
from esp32sock.engine.thread import EngineThread
from esp32sock.engine.transports import Port, open_port
from esp32sock.errors import Error
from esp32sock.net import context, socketpairs
from esp32sock.net.error_map import translated
from esp32sock.net.event_queue import MAX_EVENTS, EventChannel, EventQueue
from esp32sock.net.interface_api import (
    DEFAULT_OPTIONS,
    Address,
    DatagramEvents,
    Handle,
    Interface,
    ListenEvents,
    ModuleStatus,
    StreamEvents,
    StreamOptions,
)
from esp32sock.net.routes import Routes

if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable
    from concurrent.futures import Future

    from esp32sock.at.commands import Command, wifi
    from esp32sock.net.routes import Direct

Q = TypeVar("Q", StreamRequest, DatagramRequest, ListenRequest)

using = context.using

PORT_VARIABLE = "ESP32SOCK_PORT"
SSID_VARIABLE = "ESP32SOCK_SSID"
PASSWORD_VARIABLE = "ESP32SOCK_PASSWORD"

MARGIN_S = 0.2
"""So much before a socket's own time-out it is told that no link became free, so that it hears the reason."""


class _Handle:
    """What an open call gives back: giving up while it opens, options once a TCP link is open."""

    def __init__(self, thread: EngineThread, engine: Engine, opening: Opening) -> None:
        self._thread = thread
        self._engine = engine
        self.opening = opening

    def abandon(self) -> None:
        self._thread.post(self.opening.scope.cancel)

    def set_options(self, options: StreamOptions) -> Future[None]:
        return self._thread.call(self._engine.set_link_options, self.opening, options)


class _AcceptedHandle:
    """The same for a stream that the module accepted: it is open, and closing its descriptor ends it."""

    def __init__(self, thread: EngineThread, engine: Engine, stream: Accepted) -> None:
        self._thread = thread
        self._engine = engine
        self._stream = stream

    def abandon(self) -> None:
        pass

    def set_options(self, options: StreamOptions) -> Future[None]:
        return self._thread.call(self._engine.set_link_options, self._stream, options)

    def attach(self, events: StreamEvents) -> None:
        self._stream.attach(events)


class LocalInterface(Interface):
    """A module whose engine runs in this process: in a thread of its own, or in the loop of a program."""

    def __init__(self, options: Options, routes: Routes, engine: EngineThread, module: Engine) -> None:
        self._routes = routes
        self._options = options
        self._thread = engine
        self._module = module
        self._event_queues: WeakSet[EventQueue | EventChannel] = WeakSet()

    def may_block(self) -> bool:
        return not self._thread.is_current

    def open_stream(
        self,
        end: _socket.socket,
        remote: Address,
        events: StreamEvents,
        *,
        options: StreamOptions = DEFAULT_OPTIONS,
        filler_bytes: int = 0,
        timeout: float | None = None,
        wait_for_link_s: float | None = 0.0,
        replacing: Handle | None = None,
    ) -> Handle:
        if timeout is not None:
            latest = max(0.0, timeout - MARGIN_S)
            wait_for_link_s = latest if wait_for_link_s is None else min(wait_for_link_s, latest)
        request = StreamRequest(
            end,
            remote,
            events,
            Opening(CancelScope()),
            options,
            filler_bytes,
            timeout,
            wait_for_link_s,
            replacing.opening if isinstance(replacing, _Handle) else None,
        )
        return self._begin(self._module.open_stream, request)

    def open_datagram(
        self, end: _socket.socket, local_port: int, remote: Address | None, events: DatagramEvents
    ) -> Handle:
        request = DatagramRequest(end, local_port, remote, events, Opening(CancelScope()))
        return self._begin(self._module.open_datagram, request)

    def listen(self, end: _socket.socket, port: int, backlog: int, events: ListenEvents) -> Handle:
        request = ListenRequest(
            end,
            port,
            events,
            Opening(CancelScope()),
            socketpairs.stream_pair,
            partial(_AcceptedHandle, self._thread, self._module),
            self._options.server_links,
            backlog,
            closes_end_on_failure=not self.may_block(),  # so that `accept` wakes and says why
        )
        return self._begin(self._module.listen, request)

    def _begin(self, job: Callable[[Q], object], request: Q) -> Handle:
        if not self._thread.post(job, request):
            raise Error("the interface was detached", errno=errno.ENETDOWN)
        return _Handle(self._thread, self._module, request.opening)

    def resolve(self, host: str) -> Future[list[str]]:
        return self._thread.call(self._module.resolve, host)

    def execute(self, command: Command[Any], *, timeout: float | None = None, force: bool = False) -> Any:
        if not self.may_block():
            raise RuntimeError("execute would block the engine's own thread; await Engine.execute there")

        async def run() -> Any:
            return await self._module.execute(command, timeout=timeout, force=force)

        return self._thread.call(run).result()

    def join(
        self,
        ssid: str,
        password: str = "",
        *,
        bssid: str | None = None,
        timeout: float | None = None,
        force: bool = False,
    ) -> wifi.JoinedTo | None:
        if not self.may_block():
            raise RuntimeError("join would block the engine's own thread; await Engine.join there")

        async def run() -> wifi.JoinedTo | None:
            return await self._module.join(ssid, password, bssid=bssid, timeout=timeout, force=force)

        with translated(f"joining {ssid!r}"):
            return self._thread.call(run).result()

    def events(self, maxsize: int = MAX_EVENTS) -> EventQueue:
        feed = EventQueue(self._module.watch, maxsize)
        self._event_queues.add(feed)
        return feed

    def event_channel(self, maxsize: int = MAX_EVENTS) -> EventChannel:
        """The same for the trio program that the engine runs in."""
        stream = EventChannel(self._module.watch, maxsize)
        self._event_queues.add(stream)
        return stream

    def status(self) -> ModuleStatus:
        engine, url = self._module, self._options.url
        return ModuleStatus(url, str(engine.firmware), BUILD, engine.station_ip, engine.links())

    def stats(self) -> dict[str, int]:
        return self._module.stats()

    def routes_to_host(self, host: str) -> bool:
        return self._routes.to_host(host)

    def close(self) -> None:
        _forget(self)
        self._thread.stop()
        for feed in list(self._event_queues):
            feed.close()


async def open_on_host(url: str, baud: int) -> Port:
    """A port that is a TCP connection itself (`socket://`) is the host's own, whatever is patched."""
    with context.on_host():
        return await open_port(url, baud)


# -- the default interface ----------------------------------------------------------------------------

_lock = threading.RLock()
_default: LocalInterface | None = None
_is_the_parents = False
"""Whether an interface was attached when this process was forked."""
_open: set[LocalInterface] = set()
"""What the end of the interpreter has to close."""


def attach(url: str | None = None, *, direct: Direct | None = None, **options: Any) -> LocalInterface:
    """Make a module the network interface of this process.

    `url` is a serial device, any pyserial URL or `sim://`; without it, ESP32SOCK_PORT. `direct` says what
    the host's own stack serves (loopback by default; `()`: nothing; else ESP32SOCK_DIRECT). The other
    options are those of `Options`: `baudrate` (also `baud`), `rtscts`, `ssid`, `password` (or
    ESP32SOCK_SSID and ESP32SOCK_PASSWORD) and limits.

    Blocks for the probe and the set-up, at most about 10 s, with a join or a booting module longer. Raises
    OSError that says what is wrong and what to do, ValueError for options that make no sense,
    RuntimeError if an interface is attached already. The interface closes at interpreter exit, after what
    was sent is delivered, with `detach()`, or, as a context manager, at the end of the block.
    """
    global _default
    with _lock:
        if _default is not None:
            raise RuntimeError("an interface is attached already; detach() it first")
        _default = open_interface(url, direct=direct, **options)
        return _default


def detach() -> None:
    """Deliver what was sent, close every link and the port. Without an interface: nothing."""
    with _lock:
        interface = _default
    if interface is not None:
        interface.close()


def open_interface(url: str | None = None, *, direct: Direct | None = None, **options: Any) -> LocalInterface:
    """One more module, as `attach` opens it, for the code in `with interface.use()` alone.

    Any number of them, each on a port of its own. As a context manager it closes at the end of the block.
    Arguments, blocking and exceptions as with `attach`.
    """
    chosen, routes = choices(url, direct, options)
    engine = EngineThread(lambda: new_module(chosen))
    with translated(f"attaching {chosen.url}"):
        interface = LocalInterface(chosen, routes, engine, engine.start())
    with _lock:
        _open.add(interface)
    # Behind whatever opening the port has registered (a simulator has), so as to be called before it.
    atexit.unregister(_close_all)
    atexit.register(_close_all)
    return interface


def default() -> Interface:
    """The interface to use here: that of `using`, else the attached one, else ESP32SOCK_PORT is attached.

    OSError(ENETDOWN) if there is none, EOPNOTSUPP in a child of the process that has it.
    """
    chosen = context.override()
    if chosen is not None:
        return chosen
    with _lock:
        if _default is None:
            if _is_the_parents:
                raise OSError(
                    errno.EOPNOTSUPP,
                    "the module belongs to the process that this one was forked from: use the network there",
                )
            if not os.environ.get(PORT_VARIABLE):
                raise OSError(
                    errno.ENETDOWN,
                    f"no module is attached: call esp32sock.attach(port), or set {PORT_VARIABLE}",
                )
            return attach()
        return _default


def new_module(options: Options) -> Engine:
    """A module for an engine to run; its port is the host's own, whatever is patched."""
    return Engine(options, open_on_host)


def choices(url: str | None, direct: Direct | None, options: dict[str, Any]) -> tuple[Options, Routes]:
    """What the arguments of `attach` and the environment ask for; raises as `attach` does."""
    if "baud" in options:
        options["baudrate"] = options.pop("baud")
    known = {field.name for field in dataclass_fields(Options)}
    unknown = set(options) - known
    if unknown:
        raise TypeError(
            f"attach() has no option {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}"
        )
    chosen = url if url is not None else os.environ.get(PORT_VARIABLE)
    if not chosen:
        raise ValueError(f"attach() needs a port: give one, or set {PORT_VARIABLE}")
    if "ssid" not in options and os.environ.get(SSID_VARIABLE):
        options["ssid"] = os.environ[SSID_VARIABLE]
        options.setdefault("password", os.environ.get(PASSWORD_VARIABLE, ""))
    routes = Routes.from_environment() if direct is None else Routes(direct)
    return Options(chosen, **options), routes


def _forget(interface: LocalInterface) -> None:
    global _default
    with _lock:
        _open.discard(interface)
        if _default is interface:
            _default = None


def _close_all() -> None:
    for interface in list(_open):
        interface.close()


def _forget_in_child() -> None:
    """The engine's thread stayed in the parent; the child has no interface of its own."""
    global _default, _is_the_parents, _lock
    _is_the_parents = _is_the_parents or _default is not None
    _default, _lock = None, threading.RLock()
    _open.clear()


os.register_at_fork(after_in_child=_forget_in_child)
