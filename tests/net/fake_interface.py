"""An Interface over this machine's real loopback and one thread: sockets are tested without AT or a port.

It keeps the promises of `interface_api` and nothing more. Tests steer it: `hold()` keeps connections from
being decided, `reset_all()` breaks every link as a module does that restarts, `names` is what it resolves,
`asked` and `opened` what it was asked for.
"""

from __future__ import annotations

import _socket
import errno
import os
import select
import struct
import threading
from collections import deque
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from esp32sock._constants import DATAGRAM_HEADER
from esp32sock.engine.datagram_peers import packed_peer, unpacked_peer
from esp32sock.errors import CommandError, Error, ModuleReset
from esp32sock.net import context, socketpairs
from esp32sock.net.error_map import translated
from esp32sock.net.interface_api import (
    DatagramOpened,
    Interface,
    Listening,
    ModuleStatus,
    StreamOpened,
    StreamOptions,
)
from esp32sock.net.routes import Routes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from esp32sock.engine.requests import Address
    from esp32sock.net.interface_api import DatagramEvents, Handle, ListenEvents, StreamEvents

CHUNK = 16384

IN, OUT = select.POLLIN, select.POLLOUT
GONE = select.POLLHUP | select.POLLERR


class Loop:
    """One thread that polls descriptors and runs what other threads post."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._callbacks: dict[int, Callable[[int], None]] = {}
        self._posted: deque[Callable[[], None]] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._running = True
        self.failures: list[BaseException] = []
        self.watch(self._wake, IN, self._woken)
        self.thread = threading.Thread(target=self._run, name="fake interface", daemon=True)
        self.thread.start()

    def post(self, function: Callable[[], None]) -> None:
        self._posted.append(function)
        with suppress(OSError):
            os.eventfd_write(self._wake, 1)

    def watch(self, fd: int, mask: int, callback: Callable[[int], None]) -> None:
        self._callbacks[fd] = callback
        self._poll.register(fd, mask)

    def forget(self, fd: int) -> None:
        if self._callbacks.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def stop(self) -> None:
        def end() -> None:
            self._running = False

        self.post(end)
        self.thread.join()
        os.close(self._wake)

    def _woken(self, _: int) -> None:
        with suppress(BlockingIOError):
            os.eventfd_read(self._wake)

    def _run(self) -> None:
        with context.on_host():  # what the fake opens is this machine's own, whatever is patched
            self._turn()

    def _turn(self) -> None:
        while self._running:
            for fd, what in self._poll.poll():
                callback = self._callbacks.get(fd)
                if callback is not None:
                    self._call(lambda callback=callback, what=what: callback(what))
            while self._posted:
                self._call(self._posted.popleft())

    def _call(self, function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:
            self.failures.append(error)


class Link:
    """A stream: user's data goes from `end` to `net`, the peer's from `net` to `end`."""

    def __init__(self, fake: FakeInterface, end: _socket.socket, net: _socket.socket) -> None:
        self.fake = fake
        self.end = end
        self.net = net
        self.events: StreamEvents | None = None
        self.outgoing = b""  # from the user
        self.incoming = b""  # from the peer
        self.user_eof = self.peer_eof = False
        self.user_deaf = False
        self.user_gone = False
        self.alive = True
        self.options = StreamOptions()

    # Handle, AcceptedStream.

    def abandon(self) -> None:
        self.fake.loop.post(self.close)

    def set_options(self, options: StreamOptions) -> Future[None]:
        self.options = options
        self.fake.loop.post(self.set_linger)
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def set_linger(self) -> None:
        seconds = self.options.linger_s
        if seconds is not None and self.alive:
            self.net.setsockopt(
                _socket.SOL_SOCKET, _socket.SO_LINGER, struct.pack("ii", seconds >= 0, max(seconds, 0))
            )

    def attach(self, events: StreamEvents) -> None:
        def attach() -> None:
            self.events = events
            if not self.alive:
                events.ended(None)

        self.fake.loop.post(attach)

    # Connecting.

    def connect(self, remote: Address, filler_bytes: int) -> None:
        self.net.setblocking(False)
        code = self.net.connect_ex(remote)
        if code not in (0, errno.EINPROGRESS):
            self.fail(Error(f"CIPSTART to {remote}: {os.strerror(code)}", errno=code))
            return
        self.fake.loop.watch(self.net.fileno(), OUT, lambda _: self.connected(remote, filler_bytes))

    def connected(self, remote: Address, filler_bytes: int) -> None:
        self.fake.loop.forget(self.net.fileno())
        code = self.net.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
        if code:
            self.fail(Error(f"CIPSTART to {remote}: {os.strerror(code)}", errno=code))
            return
        assert self.events is not None
        self.set_linger()
        self.events.opened(StreamOpened(0, self.net.getsockname()[:2], self.net.getpeername()[:2]))
        self.drop(filler_bytes)
        self.pump()

    def fail(self, error: Error) -> None:
        events, self.events = self.events, None
        if events is not None and self.alive:
            self.end = _socket.socket()  # the socket has its end back
            events.failed(error)
        self.close()

    def drop(self, count: int) -> None:
        while count:
            count -= len(self.end.recv(count))

    # Pumping.

    def pump(self, _: int = 0) -> None:
        try:
            self.move()
        except BrokenPipeError:
            self.ended(None)  # the kernel tells the user the same of the pair
            return
        except OSError as error:
            self.ended(Error(f"the peer: {error}", errno=error.errno or errno.ECONNRESET))
            return
        if self.user_gone and not self.outgoing and self.user_eof:
            self.ended(None)
            return
        if self.alive:
            self.watch()

    def watch(self) -> None:
        want = 0 if self.user_eof or self.outgoing else IN
        self.fake.loop.watch(
            self.end.fileno(), want | (OUT if self.incoming and not self.user_deaf else 0), self.on_end
        )
        want = 0 if self.peer_eof or self.incoming else IN
        self.fake.loop.watch(self.net.fileno(), want | (OUT if self.outgoing else 0), self.pump)
        if self.peer_eof and not self.outgoing:
            self.fake.loop.forget(self.net.fileno())  # HUP would come again and again

    def on_end(self, what: int) -> None:
        if what & select.POLLHUP:
            self.user_gone = True
        self.pump()

    def move(self) -> None:
        if not self.outgoing and not self.user_eof:
            with suppress(BlockingIOError):
                try:
                    self.outgoing = self.end.recv(CHUNK)
                except ConnectionResetError:  # the user closed it with data unread
                    self.user_gone = True
                if not self.outgoing:
                    self.user_eof = True
                    if not self.user_gone:
                        with suppress(OSError):
                            self.net.shutdown(_socket.SHUT_WR)
        if self.outgoing:
            with suppress(BlockingIOError):
                self.outgoing = self.outgoing[self.net.send(self.outgoing) :]
                if not self.outgoing and self.user_eof:
                    with suppress(OSError):
                        self.net.shutdown(_socket.SHUT_WR)
        if not self.incoming and not self.peer_eof:
            with suppress(BlockingIOError):
                self.incoming = self.net.recv(CHUNK)
                self.peer_eof = not self.incoming
                if self.peer_eof:
                    with suppress(OSError):
                        self.end.shutdown(_socket.SHUT_WR)
        if self.incoming:
            try:
                with suppress(BlockingIOError):
                    self.incoming = self.incoming[self.end.send(self.incoming) :]
            except BrokenPipeError:
                self.incoming, self.user_deaf = b"", True

    def ended(self, error: Error | None) -> None:
        if self.alive:
            if self.events is not None:
                self.events.ended(error)
            self.close()

    def close(self) -> None:
        self.alive = False
        for sock in (self.end, self.net):
            if sock.fileno() >= 0:
                self.fake.loop.forget(sock.fileno())
                sock.close()
        self.fake.links.discard(self)


class DatagramLink:
    """A UDP link: one message of `end` is one datagram of `net`."""

    def __init__(self, fake: FakeInterface, end: _socket.socket, net: _socket.socket) -> None:
        self.fake = fake
        self.end = end
        self.net = net
        self.remote: Address | None = None
        self.events: DatagramEvents | None = None

    def abandon(self) -> None:
        self.fake.loop.post(self.close)

    def set_options(self, options: StreamOptions) -> Future[None]:
        raise AssertionError("a UDP link has no stream options")

    def start(self) -> None:
        self.fake.loop.watch(self.end.fileno(), IN, self.from_user)
        self.fake.loop.watch(self.net.fileno(), IN, self.from_net)

    def fail(self, error: Error) -> None:
        self.end = _socket.socket()  # the socket has its end back
        assert self.events is not None
        self.events.failed(error)
        self.close()

    def from_user(self, _: int) -> None:
        try:
            message = self.end.recv(65536)
        except ConnectionResetError:  # the user closed it with datagrams unread
            message = b""
        if not message:
            self.close()
            return
        with suppress(OSError):
            self.net.sendto(message[DATAGRAM_HEADER.size :], unpacked_peer(message))

    def from_net(self, _: int) -> None:
        with suppress(BlockingIOError, BrokenPipeError):
            data, peer = self.net.recvfrom(65536)
            if self.remote in (None, peer[:2]):
                self.end.send(packed_peer(peer[:2]) + data)

    def ended(self, error: Error | None) -> None:
        if self.events is not None:
            self.events.ended(error)
        self.close()

    def close(self) -> None:
        for sock in (self.end, self.net):
            if sock.fileno() >= 0:
                self.fake.loop.forget(sock.fileno())
                sock.close()
        self.fake.links.discard(self)


class Listener:
    """A server: each connection becomes a pair, an `accepted` event and a byte."""

    def __init__(self, fake: FakeInterface, end: _socket.socket, net: _socket.socket) -> None:
        self.fake = fake
        self.end = end
        self.net = net
        self.events: ListenEvents | None = None

    def abandon(self) -> None:
        self.fake.loop.post(self.close)

    def set_options(self, options: StreamOptions) -> Future[None]:
        raise AssertionError("a listener has no stream options")

    def start(self) -> None:
        self.fake.loop.watch(self.end.fileno(), 0, lambda _: self.close())
        self.fake.loop.watch(self.net.fileno(), IN, self.accept)

    def fail(self, error: Error) -> None:
        self.end = _socket.socket()  # the socket has its end back
        assert self.events is not None
        self.events.failed(error)
        self.close()

    def accept(self, _: int) -> None:
        fd, peer = self.net._accept()  # type: ignore[attr-defined]
        net = _socket.socket(fileno=fd)
        net.setblocking(False)
        end, user_end = socketpairs.stream_pair()
        link = Link(self.fake, end, net)
        self.fake.links.add(link)
        assert self.events is not None
        self.events.accepted(user_end, StreamOpened(0, net.getsockname()[:2], peer[:2]), link)
        with suppress(BrokenPipeError):  # the listener was closed just now
            self.end.send(b"\1")
        link.watch()

    def ended(self, error: Error | None) -> None:
        if self.events is not None:
            self.events.ended(error)
        self.close()

    def close(self) -> None:
        for sock in (self.end, self.net):
            if sock.fileno() >= 0:
                self.fake.loop.forget(sock.fileno())
                sock.close()
        self.fake.links.discard(self)


class FakeHandle:
    """Gives up the link that it was handed with."""

    link: Link | DatagramLink | Listener | None = None

    def abandon(self) -> None:
        if self.link is not None:
            self.link.abandon()

    def set_options(self, options: StreamOptions) -> Future[None]:
        assert self.link is not None
        return self.link.set_options(options)


def _taken(handle: Handle) -> FakeHandle:
    assert isinstance(handle, FakeHandle)
    assert handle.link is None, "a handle serves one call"
    return handle


class FakeInterface(Interface):
    """The whole network of this machine as if it were a module's; `direct` says what is not."""

    def __init__(self, *, direct: Any = (), station_ip: str | None = "127.0.0.1", links: int = 1000) -> None:
        self.loop = Loop()
        self.links: set[Any] = set()
        self.names: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.opened: list[tuple[Address, StreamOptions, float | None]] = []
        self.station_ip = station_ip
        self.station_ipv6: tuple[str, ...] = ()
        self.names_ipv6: dict[str, list[str]] = {}
        self.most_links = links
        self.blocking = True
        self._routes = Routes(direct)
        self._held: list[Callable[[], None]] | None = None

    def may_block(self) -> bool:
        return self.blocking

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Nothing that is opened meanwhile is decided before the end."""
        self._held = []
        try:
            yield
        finally:
            self.release()

    def release(self) -> None:
        is_descriptor_open, self._held = self._held, None
        for function in is_descriptor_open or ():
            self.loop.post(function)

    def reset_all(self) -> None:
        """What an unexpected `ready` does."""

        def reset() -> None:
            for link in list(self.links):
                link.ended(ModuleReset("the module restarted"))

        self.loop.post(reset)
        self.settle()

    def settle(self) -> None:
        """Wait until everything posted so far is done."""
        done = threading.Event()
        self.loop.post(done.set)
        assert done.wait(10)

    def _decide(self, function: Callable[[], None]) -> None:
        if self._held is not None:
            self._held.append(function)
        else:
            self.loop.post(function)

    def new_handle(self) -> FakeHandle:
        return FakeHandle()

    def open_stream(
        self,
        handle: Handle,
        end: _socket.socket,
        remote: Address,
        events: StreamEvents,
        *,
        options: StreamOptions = StreamOptions(),  # noqa: B008  as in the ABC
        filler_bytes: int = 0,
        timeout: float | None = None,
        wait_for_link_s: float | None = 0.0,
        replacing: Handle | None = None,
    ) -> None:
        assert options.tls is replacing is None, "TLS of the module needs a module"
        self.opened.append((remote, options, timeout))
        family = _socket.AF_INET6 if ":" in remote[0] else _socket.AF_INET
        link = Link(self, end, _socket.socket(family, _socket.SOCK_STREAM))
        _taken(handle).link = link
        link.events = events
        link.options = options
        taken = len(self.links)
        self.links.add(link)
        if taken >= self.most_links:
            error = Error(f"all {taken} links of the module are taken", errno=errno.EMFILE)
            self._decide(lambda: link.fail(error))
        else:
            self._decide(lambda: link.connect(remote, filler_bytes) if link.alive else None)

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
        net = _socket.socket(_socket.AF_INET6 if ipv6 else _socket.AF_INET, _socket.SOCK_DGRAM)
        link = _taken(handle).link = DatagramLink(self, end, net)
        link.remote = remote
        link.events = events
        self.links.add(link)

        def open_it() -> None:
            try:
                net.setblocking(False)
                net.setsockopt(_socket.SOL_SOCKET, _socket.SO_BROADCAST, 1)
                net.bind(("::1" if ipv6 else "127.0.0.1", local_port))
            except OSError as error:
                link.fail(Error(f"CIPSTART UDP: {error}", errno=error.errno or errno.EIO))
                return
            if len(self.links) > self.most_links:
                link.fail(Error("all links of the module are taken", errno=errno.EMFILE))
                return
            events.opened(DatagramOpened(0, net.getsockname()[:2]))
            link.start()

        self._decide(open_it)

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
        net = _socket.socket(_socket.AF_INET6 if ipv6 else _socket.AF_INET, _socket.SOCK_STREAM)
        listener = _taken(handle).link = Listener(self, end, net)
        listener.events = events
        self.links.add(listener)

        def listen() -> None:
            try:
                net.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
                net.bind(("::1" if ipv6 else "127.0.0.1", port))
                net.listen(backlog)
                net.setblocking(False)
            except OSError as error:
                listener.fail(Error(f"CIPSERVER: {error}", errno=error.errno or errno.EIO))
                return
            events.listening(Listening(net.getsockname()[:2]))
            listener.start()

        self._decide(listen)

    def resolve(self, host: str, *, ipv6: bool = False) -> list[str]:
        self.asked.append(host)
        names = self.names_ipv6 if ipv6 else self.names
        with translated(f"looking up {host!r}", name=host):
            if host not in names:
                raise CommandError("AT+CIPDOMAIN", "ERROR")
            return names[host]

    def use(self) -> AbstractContextManager[Interface]:
        return context.using(self)

    def execute(self, command: Any, *, timeout: float | None = None, force: bool = False) -> Any:
        raise AssertionError("the sockets execute no commands")

    def join(self, *args: Any, **options: Any) -> Any:
        raise AssertionError("the fake network has no Wi-Fi")

    def watch(self, watcher: Any) -> Any:
        raise AssertionError("the sockets watch no events")

    def events(self, maxsize: int = 0) -> Any:
        raise AssertionError("the sockets watch no events")

    def status(self) -> ModuleStatus:
        own = self.station_ipv6
        return ModuleStatus("fake", "2.4", "fake", self.station_ip, {}, own, has_ipv6=bool(own))

    def stats(self) -> dict[str, int]:
        return {"links_opened": len(self.opened)}

    def routes_to_host(self, host: str) -> bool:
        return self._routes.to_host(host)

    def close(self) -> None:
        def close_all() -> None:
            for link in list(self.links):
                link.close()

        self.loop.post(close_all)
        self.loop.stop()
