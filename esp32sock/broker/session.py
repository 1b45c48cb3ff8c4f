"""One client of a broker: its messages in, the verbs of the engine, their outcomes out.

Theory of operation. A reading task takes one message after another. What the engine begins at once (links,
listeners) is begun in that task; what takes time runs in a task of its own, of which a client has a bounded
number: beyond it, its messages wait in its socket. Messages to the client go out at once where its socket
takes them, else they wait in a bounded queue; a client that reads nothing is dropped.

The end of a client ends its tasks and gives up what is still opening. Open links are left to their
descriptors: they close when the last process that has one closes it, after its last byte. A client that is
dropped may still live, so its links are broken then.
"""

from __future__ import annotations

import _socket
import errno
import logging
import os
from typing import TYPE_CHECKING, Any, Protocol, cast

import trio

from esp32sock.broker import access, checks, protocol, records
from esp32sock.broker.lines import with_lines
from esp32sock.broker.outbox import Outbox, close_all
from esp32sock.broker.server_links import (
    DatagramLink,
    ListenerLink,
    ServerLink,
    duplicate,
    handle_of,
    signal_pair,
    taken_ends,
)
from esp32sock.broker.values import InvalidMessage
from esp32sock.engine.requests import DatagramRequest, ListenRequest, Opening, StreamRequest
from esp32sock.errors import Error, unwrap_group

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from esp32sock.broker.server_links import SocketTable
    from esp32sock.engine.engine import Engine
    from esp32sock.net.socketpairs import EngineEnd

MAX_CALLS = 64
"""Verbs of one client that are under way at a time; chosen."""
MAX_LINKS = 64
"""Links of one client that are open or opening at a time, more than a module has; chosen."""
HELLO_S = 10.0
"""How long a new connection may take for its first message."""
log = logging.getLogger("esp32sock")


class ServedModule(Protocol):
    """What a session knows of the module that its client uses."""

    name: str
    engine: Engine
    sockets: SocketTable

    def status(self) -> protocol.Status: ...


class Session:
    """The connection of one client."""

    def __init__(self, sock: _socket.socket, peer: access.Peer, rights: frozenset[access.Right]) -> None:
        self.peer = peer
        self.links: dict[int, ServerLink] = {}
        self._rights = rights
        self._sock = sock
        self._scope = trio.CancelScope()
        self._outbox = Outbox(
            sock, self._scope.cancel, lambda: self.drop(f"{peer} does not read its messages")
        )
        self._calls = trio.Semaphore(MAX_CALLS)
        self._scopes: dict[int, trio.CancelScope] = {}
        self._is_dropped = False
        self._unwatch: Callable[[], object] | None = None
        self._changed = trio.Event()

    async def run(self, modules: Callable[[str], ServedModule]) -> None:
        """Serve until the client's connection ends, or it breaks the rules; never raises for a client."""
        try:
            with self._scope:
                await self._run(modules)
        except Exception as raised:
            self._failed(unwrap_group(raised))
        finally:
            self._end()

    async def _run(self, modules: Callable[[str], ServedModule]) -> None:
        served: ServedModule | None = None
        with trio.move_on_after(HELLO_S):
            served = await self._greet(modules)
        if served is None:
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._outbox.run)
            while (received := await self._receive()) is not None:
                message, ends = received
                try:
                    if not isinstance(message, protocol.Call):
                        raise InvalidMessage(f"a client sends no {type(message).__name__}")
                    await self._carry_out(served, message, ends, nursery)
                finally:
                    for end in ends:
                        end.close()
            nursery.cancel_scope.cancel()

    async def _greet(self, modules: Callable[[str], ServedModule]) -> ServedModule | None:
        """The module that the client asks for; None if it ends before that."""
        received = await self._receive()
        if received is None:
            return None
        hello, ends = received
        for end in ends:
            end.close()
        checks.check_hello(hello)
        if not self._rights:
            raise Error(f"this broker does not serve {self.peer}", errno=errno.EACCES)
        served = modules(hello.module)
        rights = tuple(sorted(right.value for right in self._rights))
        engine = served.engine
        close_s = engine.options.close_s
        self.send(protocol.Welcome(protocol.VERSION, served.name, engine.firmware, rights, close_s))
        log.debug("%s: %s", self.peer, hello.program)
        return served

    async def _receive(self) -> tuple[Any, list[EngineEnd]] | None:
        while True:
            await trio.lowlevel.wait_readable(self._sock)
            try:
                return records.receive(self._sock)
            except BlockingIOError:
                continue
            except records.NoRoom as error:
                if not isinstance(error.message, protocol.Call):
                    raise
                self._fail(error.message, error)

    # -- out ------------------------------------------------------------------------------------------

    def send(self, message: protocol.Message, ends: Sequence[EngineEnd] = ()) -> None:
        """Send soon, in order; `ends` are closed once they are sent. Does not wait, never raises OSError."""
        if self._is_dropped:
            close_all(ends)
        else:
            self._outbox.send(message, ends)

    def drop(self, why: str) -> None:
        """End this client, and its links with it."""
        log.warning("client dropped: %s", why)
        self._is_dropped = True
        self._scope.cancel()

    def _failed(self, error: BaseException) -> None:
        """The client ends by an error; one that nothing foresees is a fault of ours, and ends it alone."""
        if isinstance(error, OSError):  # the connection broke
            log.debug("%s: %s", self.peer, error)
            return
        if not isinstance(error, Error):
            log.error("client %s met a fault of the broker", self.peer, exc_info=error)
            error = Error(f"the broker failed: {error!r}")
        self._refuse(error)

    def _refuse(self, error: Error) -> None:
        log.warning("client refused: %s: %s", self.peer, error)
        self._is_dropped = True
        try:
            records.send(self._sock, records.encoded(protocol.Refused(error)))
        except OSError as failure:
            log.debug("%s: %s", self.peer, failure)

    def _end(self) -> None:
        if self._unwatch is not None:
            self._unwatch()
        for link in list(self.links.values()):
            if self._is_dropped or not link.is_open:
                link.abandon()
        self._outbox.close()
        trio.lowlevel.notify_closing(self._sock)
        self._sock.close()

    # -- verbs ----------------------------------------------------------------------------------------

    async def _carry_out(
        self, served: ServedModule, call: protocol.Call, ends: list[EngineEnd], nursery: trio.Nursery
    ) -> None:
        verb = call.verb
        try:
            access.check(verb, self._rights, self.peer)
        except Error as error:
            self._fail(call, error)
            return
        if isinstance(verb, protocol.AT_ONCE):
            try:
                self._begin(served, call, ends)
            except InvalidMessage:
                raise
            except (Error, ValueError, TypeError, OSError) as error:
                self._fail(call, error)
            return
        await self._calls.acquire()
        nursery.start_soon(self._answer, served, call)

    def _fail(self, call: protocol.Call, error: Exception) -> None:
        """Say what went wrong: to the caller if it waits, else as what became of its link."""
        if isinstance(error, OSError):
            error = Error(error.strerror or str(error), errno=error.errno)
        if call.number:
            self.send(protocol.Failure(call.number, error))
        elif isinstance(call.verb, protocol.OpenStream | protocol.OpenDatagram | protocol.Listen):
            if not isinstance(error, Error):
                error = Error(str(error), errno=errno.EINVAL)
            self.send(protocol.LinkEvent(call.verb.link, protocol.Failed(error)))

    async def _answer(self, served: ServedModule, call: protocol.Call) -> None:
        scope = self._scopes[call.number] = trio.CancelScope()
        try:
            with scope:
                value = await self._result(served, call.verb)
                self.send(protocol.Reply(call.number, value))
        except (Error, ValueError, TypeError) as error:
            self._fail(call, error)
        finally:
            self._scopes.pop(call.number, None)
            self._calls.release()

    async def _result(self, served: ServedModule, verb: protocol.Verb) -> object:
        engine = served.engine
        match verb:
            case protocol.Resolve():
                return await engine.resolve(verb.host, ipv6=verb.ipv6)
            case protocol.Execute():
                command = with_lines(verb.command)
                command.line(engine.firmware)  # ValueError and TypeError belong to the caller
                lines = await engine.execute(command, timeout=verb.timeout, force=verb.force)
                return protocol.Lines(lines, engine.firmware)
            case protocol.Join():
                return await engine.join(
                    verb.ssid, verb.password, bssid=verb.bssid, timeout=verb.timeout, force=verb.force
                )
            case protocol.SetOptions():
                link = self.links.get(verb.link)
                if link is not None and link.holder is not None:
                    await engine.set_link_options(link.holder, verb.options)
                return None
            case protocol.Finish():
                await self._finish(served)
                return None
        raise InvalidMessage(f"{type(verb).__name__} is no verb")

    async def _finish(self, served: ServedModule) -> None:
        """Deliver what was sent and end every link, within what the module's options allow."""
        for link in list(self.links.values()):
            if link.holder is not None and link.is_open and not isinstance(link, ListenerLink):
                served.engine.finish(link.holder)
            else:
                link.abandon()
        with trio.move_on_after(served.engine.options.close_s):
            while self.links:
                await self._changed.wait()
        for link in list(self.links.values()):
            link.abandon()

    def _begin(self, served: ServedModule, call: protocol.Call, ends: list[EngineEnd]) -> None:
        verb = call.verb
        checks.check(verb)
        match verb:
            case protocol.OpenStream():
                self._open_stream(served, verb, *taken_ends(ends, _socket.SOCK_STREAM, _socket.SOCK_STREAM))
            case protocol.OpenDatagram():
                self._open_datagram(served, verb, *taken_ends(ends, _socket.SOCK_SEQPACKET))
            case protocol.Listen():
                self._listen(served, verb, *taken_ends(ends, _socket.SOCK_STREAM))
            case protocol.NoteBound():
                served.sockets.note_bound(verb.key, self.peer.uid, verb.local)
            case protocol.NotePeer():
                datagrams = served.sockets.find(verb.key, self.peer.uid)
                if isinstance(datagrams, DatagramLink):
                    datagrams.remote = verb.remote
            case protocol.Accept():
                self._accept(served, call, verb)
            case protocol.Announce():
                listener = served.sockets.find(verb.key, self.peer.uid)
                if isinstance(listener, ListenerLink):
                    listener.announce()
            case protocol.Find():
                self._find(served, call, verb)
            case protocol.Abandon():
                if verb.link in self.links:
                    self.links[verb.link].abandon()
            case protocol.Cancel():
                if verb.call in self._scopes:
                    self._scopes[verb.call].cancel()
            case protocol.Watch():
                self._watch(served, on=verb.on)
            case protocol.GetStatus():
                self.send(protocol.Reply(call.number, served.status()))
            case protocol.GetStats():
                self.send(protocol.Reply(call.number, served.engine.stats()))

    def _watch(self, served: ServedModule, *, on: bool) -> None:
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        if on:
            self._unwatch = served.engine.watch(lambda event: self.send(protocol.ModuleEvent(event)))

    def _add(self, link: ServerLink) -> None:
        if link.number in self.links:
            raise InvalidMessage(f"link {link.number} is in use")
        if len(self.links) >= MAX_LINKS:
            raise Error(f"{MAX_LINKS} links of one client are open already", errno=errno.EMFILE)
        self.links[link.number] = link
        link.on_over = self._remove

    def _remove(self, link: ServerLink) -> None:
        self.links.pop(link.number, None)
        self._changed.set()
        self._changed = trio.Event()

    def _open_stream(
        self, served: ServedModule, verb: protocol.OpenStream, end: EngineEnd, signal: EngineEnd
    ) -> None:
        link = ServerLink(verb.link, verb.key, self.peer.uid, end, self.send, served.sockets)
        self._add(link)
        link.add_signal(signal)
        opening = self._opening(link)
        replaced = None if verb.replacing is None else self.links.get(verb.replacing)
        served.engine.open_stream(
            StreamRequest(
                end, verb.remote, link, opening, verb.options, verb.filler_bytes, verb.timeout,
                verb.wait_for_link_s, None if replaced is None else replaced.holder,
            )
        )  # fmt: skip

    def _open_datagram(self, served: ServedModule, verb: protocol.OpenDatagram, end: EngineEnd) -> None:
        key, uid = verb.key, self.peer.uid
        link = DatagramLink(verb.link, key, uid, end, self.send, served.sockets, verb.remote)
        self._add(link)
        request = DatagramRequest(end, verb.local_port, verb.remote, link, self._opening(link), verb.ipv6)
        served.engine.open_datagram(request)

    def _listen(self, served: ServedModule, verb: protocol.Listen, end: EngineEnd) -> None:
        link = ListenerLink(verb.link, verb.key, self.peer.uid, end, self.send, served.sockets)
        self._add(link)
        served.engine.listen(
            ListenRequest(
                end, verb.port, link, self._opening(link), link.make_pair, handle_of,
                served.engine.options.server_links, verb.backlog, ipv6=verb.ipv6,
            )
        )  # fmt: skip

    def _opening(self, link: ServerLink) -> Opening:
        opening = Opening(trio.CancelScope())
        link.holder, link.abandon = opening, opening.abandon
        return opening

    def _accept(self, served: ServedModule, call: protocol.Call, verb: protocol.Accept) -> None:
        listener = served.sockets.find(verb.key, self.peer.uid)
        waiting = listener.take() if isinstance(listener, ListenerLink) else None
        if waiting is None:
            self.send(protocol.Reply(call.number, None))
            return
        user_end, engine_end = cast("EngineEnd", waiting.user_end), waiting.engine_end
        key = os.fstat(user_end.fileno())
        number, uid = verb.link, self.peer.uid
        link = ServerLink(number, (key.st_dev, key.st_ino), uid, engine_end, self.send, served.sockets)
        self._add(link)
        stream = link.holder = waiting.stream
        link.abandon = lambda: served.engine.finish(stream)
        ends = [user_end]
        if engine_end.fileno() >= 0:  # else its link has ended already, and `attach` says how
            signal, theirs = signal_pair()
            link.add_signal(signal)
            ends += [duplicate(engine_end), theirs]
        self.send(protocol.Reply(call.number, protocol.Accepted(waiting.opened)), ends)
        link.accept(waiting.opened, stream)

    def _find(self, served: ServedModule, call: protocol.Call, verb: protocol.Find) -> None:
        link = served.sockets.find(verb.key, self.peer.uid)
        ends: list[EngineEnd] = []
        if link is not None and link.kind == protocol.STREAM and link.end.fileno() >= 0:
            signal, theirs = signal_pair()
            link.add_signal(signal)
            ends = [duplicate(link.end), theirs]
        bound = served.sockets.find_bound(verb.key, self.peer.uid)
        self.send(protocol.Reply(call.number, bound if link is None else link.found()), ends)
