"""Several modules as one network interface: more links, more bytes a second, and a spare."""

from __future__ import annotations

import errno
import math
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar, cast
from weakref import WeakSet

from esp32sock._constants import LINKS
from esp32sock._monotonic import monotonic
from esp32sock.net import context
from esp32sock.net.error_map import os_error
from esp32sock.net.event_queue import MAX_EVENTS, EventQueue
from esp32sock.net.interface_api import (
    DEFAULT_OPTIONS,
    MARGIN_S,
    Interface,
    ModuleStatus,
    Stats,
    bounded_wait,
)
from esp32sock.net.pool_links import DatagramAttempts, LinkAttempts, PoolHandle
from esp32sock.net.pool_listener import PoolListener
from esp32sock.net.pool_policy import PoolChooser, Pooling, PoolMember
from esp32sock.net.socketpairs import EngineEnd

if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from esp32sock.at.commands import Command
    from esp32sock.at.commands.wifi import JoinedTo
    from esp32sock.at.events import ModuleEvent
    from esp32sock.engine.requests import (
        Address,
        DatagramEvents,
        Handle,
        ListenEvents,
        StreamEvents,
        StreamOptions,
    )
    from esp32sock.net.interface_api import Connection, FoundSocket, Key
    from esp32sock.net.routes import Routes

R = TypeVar("R")

__all__ = ("Pool", "Pooling")


class Pool(Interface):
    """Modules as one interface; `modules` has them by name, for what concerns one of them.

    Each new link goes to a module as `Pooling` says. A module that is lost gets no links until it is back,
    which its own engine sees to; the links that it had end with ECONNRESET, as those of one module do.
    A socket with SO_BINDTODEVICE, or bound to the address of one module, is that module's alone.
    """

    def __init__(
        self,
        modules: Mapping[str, Interface],
        routes: Routes,
        pooling: Pooling | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.modules = dict(modules)
        self.routes = routes
        self.is_shared = all(one.is_shared for one in self.modules.values())
        if not self.modules or self.is_shared is not any(one.is_shared for one in self.modules.values()):
            raise ValueError("a pool is of modules of this process, or of brokers, and of one at least")
        members = [PoolMember(name, one) for name, one in self.modules.items()]
        self._chooser = PoolChooser(members, pooling or Pooling(), clock)
        self._event_queues: WeakSet[EventQueue] = WeakSet()
        self.is_closed = False

    def __repr__(self) -> str:
        return f"<esp32sock.Pool of {', '.join(self.modules)}{', closed' if self.is_closed else ''}>"

    @property
    def is_ready(self) -> bool:
        return any(member.is_ready for member in self._chooser.members)

    @property
    def max_links(self) -> int:
        return sum(one.max_links for one in self.modules.values())

    def may_block(self) -> bool:
        return all(one.may_block() for one in self.modules.values())

    def has_free_link(self) -> bool:
        return any(member.is_ready and member.has_room() for member in self._chooser.members)

    def module(self, name: str) -> Interface:
        found = next((one for one in self._chooser.members if one.answers_to(name)), None)
        if found is None:
            known = ", ".join(self.modules)
            raise os_error(errno.ENODEV, f"the pool has no module {name!r}; there are {known}")
        return found.interface

    def with_address(self, host: str) -> Interface:
        for one in self.modules.values():
            status = one.status()
            if host == status.station_ip or host in status.station_ipv6:
                return one
        return self

    def use(self) -> AbstractContextManager[Interface]:
        return context.using(self)

    def new_handle(self) -> Handle:
        return PoolHandle()

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
        replaced = None if replacing is None else _pool_handle(replacing)
        clock = self._chooser.clock
        give_up = math.inf if timeout is None else clock() + timeout

        def begin(member: PoolMember, inner: Handle, attempts: LinkAttempts, wait_s: float) -> None:
            member.interface.open_stream(
                inner,
                end,
                remote,
                attempts,
                options=options,
                filler_bytes=filler_bytes,
                timeout=None if timeout is None else max(MARGIN_S, give_up - clock()),
                wait_for_link_s=wait_s,
                replacing=replaced.inner if replaced and replaced.member is member else None,
            )

        bounded_s = bounded_wait(wait_for_link_s, timeout)
        wait_s = math.inf if bounded_s is None else bounded_s
        attempts = LinkAttempts(self._chooser, _pool_handle(handle), remote[0], events, begin, wait_s)
        if replaced is not None and replaced.member is not None:
            attempts.start_on(replaced.member)
        else:
            attempts.start()

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
        def begin(member: PoolMember, inner: Handle, attempts: LinkAttempts, _: float) -> None:
            assert isinstance(attempts, DatagramAttempts)
            member.interface.open_datagram(inner, end, local_port, remote, attempts, ipv6=ipv6)

        host = None if remote is None else remote[0]
        DatagramAttempts(self._chooser, _pool_handle(handle), host, events, begin).start()

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
        def begin(member: PoolMember, inner: Handle, copy: EngineEnd, part: ListenEvents) -> None:
            member.interface.listen(inner, copy, port, backlog, part, ipv6=ipv6)

        assert isinstance(end, EngineEnd)
        listener = PoolListener(self._chooser.listeners, end, events, begin, self._chooser.clock)
        _pool_handle(handle).use_inner(listener)
        listener.start()

    def take_connection(self, key: Key) -> Connection | None:
        found = (one.take_connection(key) for one in self.modules.values())
        return next((connection for connection in found if connection is not None), None)

    def note_bound(self, key: Key, local: Address) -> None:
        for one in self.modules.values():
            one.note_bound(key, local)

    def note_peer(self, key: Key, remote: Address) -> None:
        for one in self.modules.values():
            one.note_peer(key, remote)

    def find_socket(self, key: Key) -> FoundSocket | None:
        found = (one.find_socket(key) for one in self.modules.values())
        return next((one for one in found if one is not None), None)

    def resolve(self, host: str, *, ipv6: bool = False) -> list[str]:
        """As `Interface.resolve`: one module looks the name up, the same one each time as long as it can.

        Its engine remembers names; another one is asked only where it fails for reasons of its own.
        """
        members = sorted(self._chooser.allowed(host), key=lambda member: not member.is_ready)
        for member in members:
            try:
                addresses = member.interface.resolve(host, ipv6=ipv6)
            except OSError as error:
                is_answer = isinstance(error, socket.gaierror) and error.errno != socket.EAI_AGAIN
                if is_answer or member is members[-1]:
                    raise
                continue
            self._chooser.note_name(host, addresses)
            return addresses
        raise os_error(errno.ENETDOWN, "the pool has no module")

    def execute(self, command: Command[R], *, timeout: float | None = None, force: bool = False) -> R:
        """A command is for one module: OSError(EOPNOTSUPP). Use `pool.module(NAME).execute`."""
        known = ", ".join(self.modules)
        raise os_error(
            errno.EOPNOTSUPP,
            f"a command is for one module of the pool: module(NAME).execute(...), of {known}",
        )

    def join(
        self,
        ssid: str,
        password: str = "",
        *,
        bssid: str | None = None,
        timeout: float | None = None,
        force: bool = False,
    ) -> JoinedTo | None:
        """As `Interface.join`, each module after the other; what the last one has joined."""
        joined = None
        for one in self.modules.values():
            joined = one.join(ssid, password, bssid=bssid, timeout=timeout, force=force)
        return joined

    def watch(self, watcher: Callable[[ModuleEvent], object]) -> Callable[[], object]:
        stops = [one.watch(watcher) for one in self.modules.values()]

        def stop() -> None:
            for each in stops:
                each()

        return stop

    def events(self, maxsize: int = MAX_EVENTS) -> EventQueue:
        queue = EventQueue(self.watch, maxsize)
        self._event_queues.add(queue)
        return queue

    def status(self) -> ModuleStatus:
        """Of all modules; the address is that of the first that has one, link n of module m is 5 m + n."""
        each = [one.status() for one in self.modules.values()]
        return ModuleStatus(
            ", ".join(self.modules),
            ", ".join(dict.fromkeys(one.firmware for one in each)),
            each[0].build,
            next((one.station_ip for one in each if one.station_ip is not None), None),
            {LINKS * at + n: kind for at, one in enumerate(each) for n, kind in one.links.items()},
            tuple(address for one in each for address in one.station_ipv6),
            any(one.has_ipv6 for one in each),
        )

    def stats(self) -> Stats:
        """The sums of all modules."""
        return summed([one.stats() for one in self.modules.values()])

    def routes_to_host(self, host: str) -> bool:
        return self.routes.to_host(host)

    def close(self) -> None:
        """As `Interface.close`, all modules at the same time."""
        self.is_closed = True
        with ThreadPoolExecutor(len(self.modules)) as threads:
            for _ in threads.map(lambda one: one.close(), self.modules.values()):
                pass
        for queue in list(self._event_queues):
            queue.close()


def summed(each: list[Stats]) -> Stats:
    """The sums of the counters of several modules."""
    resets: Counter[str] = Counter()
    numbers: Counter[str] = Counter()
    for stats in each:
        counters = cast("dict[str, int]", {name: n for name, n in stats.items() if name != "resets"})
        numbers.update(counters)
        resets.update(stats["resets"])
    return cast("Stats", {**numbers, "resets": dict(resets)})


def _pool_handle(handle: Handle) -> PoolHandle:
    """A pool is given its own handles only."""
    assert isinstance(handle, PoolHandle)
    return handle
