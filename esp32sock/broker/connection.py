"""A client's connection to a broker: calls and their answers, what happens to its links, and its loss.

Theory of operation. Any thread sends; one daemon thread reads. It starts with the connection and ends with
it. The connection is made when it is needed: a broker that went away is called again by the next verb, and,
while anything watches events, every RETRY_S. What was open when it ended is broken at once.

A forked child has neither the thread nor the connection, which is the parent's. It starts anew with its first
verb, and only watches over the streams that it inherited. Handles carry the era, the number of forks, in
which they were made: in another era they do nothing.
"""

from __future__ import annotations

import _socket
import errno
import itertools
import os
import struct
import sys
import threading
import weakref
from concurrent.futures import InvalidStateError
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from esp32sock._answer import Answer
from esp32sock.broker import guards, protocol, records, socket_file
from esp32sock.errors import Error, PortError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from esp32sock.at.events import ModuleEvent
    from esp32sock.broker.client_links import ClientLink
    from esp32sock.engine.requests import StreamOptions
    from esp32sock.net.socketpairs import EngineEnd

RETRY_S = 0.5
"""Between two tries to reach a broker that went away, while events are watched; chosen."""
SEND_S = 30
"""How long a broker that takes no message is waited for."""
HELLO_S = 30
"""How long a broker may take for its first answer; it may be starting."""
LOOK_S = 15
"""After so long without a word a broker that owes an answer is asked whether it lives, and given as long."""

_RESTART = "if it does not come back, start it again with `esp32sock serve`"

_TIMEVAL = struct.Struct("ll")  # struct timeval: seconds, microseconds

_connections: weakref.WeakSet[BrokerConnection] = weakref.WeakSet()


class BrokerConnection:
    """The way to one module of one broker."""

    def __init__(self, path: str, module: str = "") -> None:
        self.path = path
        self.module = module
        self.era = 0
        self.welcome: protocol.Welcome | None = None
        self._numbers = itertools.count(1)
        self._watchers: list[Callable[[ModuleEvent], object]] = []
        self._is_closed = False
        self._start_over()
        _connections.add(self)

    def _start_over(self) -> None:
        self._lock = threading.RLock()
        self._sock: _socket.socket | None = None
        self._reader: threading.Thread | None = None
        self._calls: dict[int, Answer[Any]] = {}
        self._links: dict[int, ClientLink] = {}
        self._look = 0  # the number of the call that asks whether the broker lives
        self._retry = threading.Event()

    @property
    def is_reader(self) -> bool:
        """Whether the caller is in the thread that takes the answers, and so must not wait for one."""
        return threading.current_thread() is self._reader

    def new_number(self) -> int:
        """For a link or a call; never used twice."""
        return next(self._numbers)

    # -- out ------------------------------------------------------------------------------------------

    def connect(self) -> protocol.Welcome:
        """Be connected; PortError if there is no broker, Error with the reason if it refuses."""
        with self._lock:
            if self._sock is None:
                self._connect()
            assert self.welcome is not None
            return self.welcome

    def post(self, verb: protocol.Verb, ends: Sequence[_socket.socket] = ()) -> None:
        """Send a verb that has no answer."""
        self._send(protocol.Call(0, verb), ends)

    def begin(
        self, number: int, link: ClientLink, verb: protocol.Verb, ends: Sequence[_socket.socket]
    ) -> None:
        """Send the verb that opens a link, which hears from now on what becomes of it."""
        with self._lock:
            self.connect()
            self._links[number] = link
            try:
                self.post(verb, ends)
            except BaseException:
                self._links.pop(number, None)
                raise

    def ask(self, verb: protocol.Verb) -> Answer[Any]:
        """Send a verb; the future has the value of its `Reply`, for `Accept` and `Find` with the ends."""
        answer: Answer[Any] = Answer()
        number = self.new_number()
        with self._lock:
            self.connect()
            self._calls[number] = answer
            try:
                self._send(protocol.Call(number, verb))
            except BaseException:
                self._calls.pop(number, None)
                raise
        answer.add_done_callback(lambda done: self._answered(number, done))
        return answer

    def ask_if_connected(self, verb: protocol.Verb) -> Answer[Any]:
        """The same, but a broker that went away is not called again: the answer is None then."""
        with self._lock:
            if self._sock is not None:
                return self.ask(verb)
        nothing: Answer[Any] = Answer()
        nothing.set_result(None)
        return nothing

    def result(self, verb: protocol.Verb) -> Any:
        """Send a verb and wait for its value; what interrupts that gives the call up.

        A broker bounds each verb. If it answers nothing at all, Error(ETIMEDOUT) after 2 LOOK_S + SEND_S.
        """
        answer = self.ask(verb)
        try:
            return answer.result()
        finally:
            answer.cancel()

    def _answered(self, number: int, done: Future[Any]) -> None:
        if done.cancelled() and self._calls.pop(number, None) is not None:
            with suppress(Error, OSError):
                self.post(protocol.Cancel(number))

    def abandon(self, number: int, era: int) -> None:
        """Give up a link of that era; one of before a fork is the parent's."""
        if era == self.era and number in self._links:
            with suppress(Error, OSError):
                self.post(protocol.Abandon(number))

    def set_options(self, number: int, era: int, options: StreamOptions) -> Answer[None]:
        """Change the options of a link of that era, as `Handle.set_options` says."""
        if era != self.era:
            nothing: Answer[None] = Answer()
            nothing.set_result(None)
            return nothing
        return self.ask_if_connected(protocol.SetOptions(number, options))

    def expect(self, number: int, link: ClientLink) -> None:
        """Hear from now on what becomes of a link that the broker is about to hand over."""
        with self._lock:
            self._links[number] = link

    def _send(self, message: protocol.Call, ends: Sequence[_socket.socket] = ()) -> None:
        record = records.encoded(message)
        with self._lock:
            self.connect()
            assert self._sock is not None
            try:
                records.send(self._sock, record, ends)
            except BlockingIOError as error:
                raise Error("the broker takes no message", errno=errno.ETIMEDOUT) from error
            except OSError as error:
                raise self._unreachable(error) from error

    # -- events ---------------------------------------------------------------------------------------

    def watch(self, watcher: Callable[[ModuleEvent], object]) -> Callable[[], object]:
        """Tell `watcher` every event from now on; gives back what stops that."""
        with self._lock:
            self.connect()
            self._watchers.append(watcher)
            if len(self._watchers) == 1:
                self.post(protocol.Watch(on=True))

        def stop() -> None:
            with self._lock:
                if watcher in self._watchers:
                    self._watchers.remove(watcher)
                    if not self._watchers and self._sock is not None:
                        with suppress(Error, OSError):
                            self.post(protocol.Watch(on=False))

        return stop

    # -- the connection -------------------------------------------------------------------------------

    def close(self) -> None:
        """Disconnect; what is open breaks. Idempotent."""
        with self._lock:
            self._is_closed = True
            self._retry.set()
            sock, reader = self._sock, self._reader
            if sock is not None:
                with suppress(OSError):
                    sock.shutdown(_socket.SHUT_RDWR)
        if reader is not None and not self.is_reader:
            reader.join(RETRY_S * 10)

    def _connect(self) -> None:
        if self._is_closed:
            raise PortError("the interface was detached", errno=errno.ENETDOWN)
        sock = _socket.socket(_socket.AF_UNIX, socket_file.KIND | _socket.SOCK_CLOEXEC)
        try:
            try:
                sock.connect(self.path)
            except OSError as error:
                raise self._unreachable(error) from error
            self.welcome = self._greet(sock)
            self._sock = sock
            self._reader = threading.Thread(
                target=self._read, args=(sock,), name="esp32sock broker client", daemon=True
            )
            self._reader.start()
            if self._watchers:
                self.post(protocol.Watch(on=True))
        except BaseException:
            self._sock = None
            sock.close()
            raise

    def _greet(self, sock: _socket.socket) -> protocol.Welcome:
        _limit_waiting(sock, _socket.SO_RCVTIMEO, HELLO_S)
        _limit_waiting(sock, _socket.SO_SNDTIMEO, SEND_S)
        program = f"{os.path.basename(sys.argv[0] if sys.argv else '') or sys.executable} (pid {os.getpid()})"
        try:
            records.send(sock, records.encoded(protocol.Hello(protocol.VERSION, program, self.module)))
            received = records.receive(sock)
        except BlockingIOError as error:
            raise PortError(f"the broker at {self.path} does not answer", errno=errno.ETIMEDOUT) from error
        except OSError as error:
            raise self._unreachable(error) from error
        if received is None:
            said = f"the broker at {self.path} ended the connection; {_RESTART}"
            raise PortError(said, errno=errno.ECONNRESET)
        message = received[0]
        if isinstance(message, protocol.Refused):
            raise PortError(f"the broker at {self.path}: {message.error}", errno=message.error.errno)
        if not isinstance(message, protocol.Welcome) or message.version != protocol.VERSION:
            raise PortError(f"what listens at {self.path} is no broker of this version", errno=errno.EPROTO)
        _limit_waiting(sock, _socket.SO_RCVTIMEO, LOOK_S)
        return message

    def _unreachable(self, error: OSError) -> PortError:
        advice = {
            errno.ENOENT: "no broker runs there; start one with `esp32sock serve`",
            errno.ECONNREFUSED: "no broker runs there any more; start one with `esp32sock serve`",
            errno.EPIPE: f"it ended; {_RESTART}",
            errno.ECONNRESET: f"it ended; {_RESTART}",
            errno.EACCES: "this user may not use it",
            errno.EPROTOTYPE: "what listens there is no broker",
        }.get(error.errno or 0, "")
        code = errno.EACCES if error.errno == errno.EACCES else errno.ENETDOWN
        said = f"the broker at {self.path} cannot be reached: {error.strerror}"
        return PortError(f"{said}; {advice}" if advice else said, errno=code)

    # -- in the reading thread ------------------------------------------------------------------------

    def _read(self, sock: _socket.socket) -> None:
        said = f"the broker at {self.path} ended, or was killed; {_RESTART}"
        why = Error(said, errno=errno.ECONNRESET)
        try:
            while (received := self._receive(sock)) is not None:
                message, ends = received
                if isinstance(message, protocol.Refused):
                    why = message.error
                    break
                self._take(message, ends)
        except (OSError, Error) as error:
            if isinstance(error, Error):
                why = error
        finally:
            self._lose(sock, why)
        self._call_again()

    def _receive(self, sock: _socket.socket) -> tuple[Any, list[EngineEnd]] | None:
        while True:
            try:
                return records.receive(sock)
            except records.NoRoom as error:
                _settle(self._calls.pop(getattr(error.message, "number", 0), None), error)
            except BlockingIOError:
                self._heard_nothing()

    def _heard_nothing(self) -> None:
        """For LOOK_S: ask the broker for what it has at hand; without an answer to that the calls fail."""
        with self._lock:
            if not self._calls:
                return
            if self._look not in self._calls:
                self._look = self.new_number()
                self._calls[self._look] = Answer()
                with suppress(Error):
                    self._send(protocol.Call(self._look, protocol.GetStats()))
                    return
            calls, self._calls = self._calls, {}
        for answer in calls.values():
            _settle(answer, Error(f"the broker at {self.path} does not answer", errno=errno.ETIMEDOUT))

    def _take(self, message: Any, ends: list[EngineEnd]) -> None:
        match message:
            case protocol.Reply(number=number, value=value):
                _settle(self._calls.pop(number, None), (value, ends) if ends else value)
            case protocol.Failure(number=number, error=error):
                _settle(self._calls.pop(number, None), error)
            case protocol.LinkEvent(link=number, event=event):
                self._link_event(number, event)
            case protocol.ModuleEvent(event=event):
                for watcher in list(self._watchers):
                    watcher(event)

    def _link_event(self, number: int, event: Any) -> None:
        link = self._links.get(number)
        if link is None:
            return
        match event:
            case protocol.Opened():
                link.opened(event.opened)
            case protocol.Doubtful():
                link.doubtful(event.error)
            case protocol.Failed():
                self._links.pop(number, None)
                link.failed(event.error)
            case protocol.Ended():
                self._links.pop(number, None)
                link.ended(event.error)

    def _lose(self, sock: _socket.socket, why: Error) -> None:
        with self._lock:
            links, self._links = self._links, {}
            calls, self._calls = self._calls, {}
            self._sock = None
            sock.close()
        for answer in calls.values():
            _settle(answer, why.clone())
        for link in links.values():
            link.cut(why.clone())

    def _call_again(self) -> None:
        """While events are watched: until the broker is back or the interface closed."""
        while self._watchers and not self._is_closed and self._sock is None:
            if self._retry.wait(RETRY_S):
                return
            with suppress(Error, OSError):
                self.connect()

    # -- in a forked child ----------------------------------------------------------------------------

    def forget_in_child(self) -> None:
        """The connection and its thread are the parent's; the streams are watched here from now on."""
        links, sock = self._links, self._sock
        self.era += 1
        self._start_over()
        self._watchers.clear()
        if sock is not None:
            sock.close()
        found = [link.guard() for link in links.values()]
        guards.watch(guard for guard in found if guard is not None)


def _limit_waiting(sock: _socket.socket, option: int, seconds: int) -> None:
    sock.setsockopt(_socket.SOL_SOCKET, option, _TIMEVAL.pack(seconds, 0))


def _settle(answer: Answer[Any] | None, outcome: object) -> None:
    """Give a future its result or exception; no effect on one that is cancelled."""
    if answer is None:
        return
    with suppress(InvalidStateError):
        if isinstance(outcome, BaseException):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)


def _forget_in_child() -> None:
    for connection in list(_connections):
        connection.forget_in_child()


os.register_at_fork(after_in_child=_forget_in_child)
