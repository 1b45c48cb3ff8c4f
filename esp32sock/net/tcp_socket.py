"""TCP: connecting, and the few things that the descriptor alone would get wrong.

Theory of operation. FRESH: the descriptor is an unconnected AF_UNIX stream. `connect` joins it to an end
that the engine gets, and is CONNECTING until the events object hears `opened` (then OPEN) or `failed` (then
FRESH again: the end is given back and waits here for another attempt). A non-blocking socket's descriptor is
filled before, so that it becomes writable when there is an outcome, as select expects. `listen` makes it
LISTENING (see accept_queue). The descriptor itself shows what comes after OPEN, EOF and EPIPE; only a reset
is an error that waits here and is raised once, by recv after all data is read, or by send.

Invariants: events of an attempt that was given up change nothing (`_attempt` is compared by identity). The
handle of an attempt exists before the engine is called, and an exception of a signal handler gives it up.
"""

from __future__ import annotations

import _socket
import errno
import operator
import os
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from esp32sock._address_text import address_text
from esp32sock.net import fd_registry, socketpairs
from esp32sock.net.accept_queue import LISTENS_S, AcceptQueue, shared_listener
from esp32sock.net.addresses import any_of, named, parse, scope_of
from esp32sock.net.arguments import shorter
from esp32sock.net.error_map import os_error, translated
from esp32sock.net.garbage import collect_without_links, with_descriptors
from esp32sock.net.resolver import destination
from esp32sock.net.tcp_attempt import Attempt
from esp32sock.net.tcp_io import StreamData
from esp32sock.net.tcp_phase import Phase

if TYPE_CHECKING:
    from esp32sock.at.tls import TlsOptions
    from esp32sock.engine.requests import Address
    from esp32sock.errors import Error
    from esp32sock.net.interface_api import AcceptedStream, Handle, Interface, StreamOpened

C = _socket.socket


class VirtualStream(StreamData):
    """State of one TCP socket."""

    def __init__(self, proto: int, key: socketpairs.Key, family: int = _socket.AF_INET) -> None:
        super().__init__(proto, key, family)
        self.phase = Phase.FRESH
        self._attempt: Attempt | None = None
        self._accept_queue: AcceptQueue | None = None
        self._was_joined = False  # the descriptor needs its old end or a new file
        self._is_filled = False  # the send buffer is as small as the filling made it
        self._was_accepted = False
        self._connect_reported = False  # a connect call has already said that the connection is there
        self.was_reset = False
        self._end_lock = threading.RLock()  # a signal handler may use the socket that it interrupts
        self._handed_out: dict[int, tuple[int, VirtualStream]] = {}  # by thread: what `accept` returned last
        self.tls: TlsOptions | None = None  # the module does TLS on it

    @classmethod
    def accepted(
        cls, listener: VirtualStream, key: socketpairs.Key, opened: StreamOpened, handle: AcceptedStream
    ) -> VirtualStream:
        """The state of a stream that `listener` accepted; it inherits the options, as on Linux."""
        stream = cls(listener.proto, key, listener.family)
        stream.interface, stream.options = listener.interface, listener.options.inherited()
        stream._connect_reported = stream._was_accepted = True
        stream.local, stream.remote = opened.local, opened.remote
        stream.phase, stream.handle = Phase.OPEN, handle
        stream._attempt = Attempt(stream, handle)
        handle.attach(stream._attempt)
        return stream

    # What the engine reports, in its own thread.

    def note_opened(self, attempt: Attempt, opened: StreamOpened) -> None:
        with self._end_lock:
            if attempt is self._attempt:
                self.local, self.remote = opened.local, opened.remote
                self.phase = Phase.OPEN

    def note_failed(self, attempt: Attempt, error: Error, end: socketpairs.EngineEnd) -> None:
        if attempt is self._attempt:
            self.error = error  # first, or another thread would find a fresh socket and connect again
            self._return_end(end)
        else:  # of an attempt that was given up; nothing else uses it
            end.close()

    def note_ended(self, attempt: Attempt, error: Error | None) -> None:
        if attempt is self._attempt and not self.link_ended:
            self.link_ended = True
            if error is not None:
                self.error = error
                self.was_reset = True

    # Connecting.

    def unused(self) -> bool:
        return self.phase is Phase.FRESH

    def connect(self, sock: C, address: Any, /) -> None:
        """Blocks until the module has opened the link, or as long as the socket's time-out says.

        Without one, 130 s at most from its turn on the line, and 20 s on a module that has fallen silent.
        """
        host, port = parse("connect", address, self.family)
        sys.audit("socket.connect", sock, address)
        self.check_usable(sock)
        if self._resume_connect(sock, (host, port)):
            return
        dotted, direct = destination(host, family=self.family)
        self.refuse_mapped(dotted)
        self.scope = scope_of(address)
        if direct and self.tls is not None:
            reason = f"connect: the host itself reaches {host}, so the module does no TLS; use ssl.SSLContext"
            raise os_error(errno.EPROTONOSUPPORT, reason)
        if direct:
            self.move_to_host(sock)
            C.connect(sock, named((dotted, port), self.family, self.scope))
            return
        if port == 0:
            raise os_error(errno.ECONNREFUSED, "no host listens on port 0")
        if self.bound is not None and not self.any_port:
            raise os_error(
                errno.EADDRNOTAVAIL,
                f"connect from port {self.bound[1]}: the module picks the local port itself; bind to port 0",
            )
        self._open(sock, (dotted, port), asked=(host, port))

    def _resume_connect(self, sock: C, asked: Address) -> bool:
        """What a further connect call says of the first one: True if it succeeded just now."""
        self._hear_outcome(sock)
        self._refuse_another(asked)
        if self.phase is Phase.CONNECTING:
            if sock.gettimeout() is not None:
                raise os_error(errno.EALREADY, "connect: an earlier attempt is still under way")
            assert self._attempt is not None
            self._wait(sock, self._attempt)
            return True
        if self.phase is Phase.OPEN and not self._connect_reported:
            self._connect_reported = True
            return True
        if self.phase is not Phase.FRESH:
            raise os_error(errno.EISCONN, "connect: this socket is connected or listening already")
        self.raise_error("connect")
        return False

    def _refuse_another(self, asked: Address) -> None:
        """EALREADY or EISCONN if the attempt that no call has reported yet is to another peer."""
        attempt = self._attempt
        if attempt is None or self._connect_reported or asked == attempt.asked:
            return
        if (destination(asked[0], family=self.family)[0], asked[1]) != attempt.remote:
            raise os_error(
                errno.EALREADY if self.phase is Phase.CONNECTING else errno.EISCONN,
                f"connect: an earlier attempt of this socket is to {attempt.asked[0]}:{attempt.asked[1]}",
            )

    def start_module_tls(self, sock: C, tls: TlsOptions) -> None:
        """Let the module do TLS: when it connects, or, being connected but unused, on a new link at once.

        OSError: EISCONN once bytes have passed over the connection, EINVAL for what cannot have TLS.
        """
        self.check_usable(sock)
        if self.phase is Phase.FRESH:
            self.tls = tls
            return
        if self.phase is not Phase.OPEN or self.was_reset or self.remote is None:
            raise os_error(errno.EINVAL, "TLS: this socket is neither new nor connected")
        if self._was_accepted:
            raise os_error(errno.EINVAL, "TLS: the module cannot be the TLS server of an accepted connection")
        remote, replaced = self.remote, self.handle
        with socketpairs.dup_guard(sock.fileno()):  # the old connection ends when the engine says so
            self._start_over()
            self.tls = tls
            self._open(sock, remote, asked=remote, replaced=replaced)

    def _open(self, sock: C, remote: Address, *, asked: Address, replaced: Handle | None = None) -> None:
        interface = self.require_interface()
        timeout = sock.gettimeout()
        if timeout != 0 and not interface.may_block():
            raise os_error(
                errno.EDEADLK,
                "connect: this thread runs the engine and must not block; call setblocking(False)",
            )
        collect_without_links(interface)
        end = self._join(sock)
        attempt = Attempt(self, interface.new_handle(), end, asked, remote)
        try:
            self._begin(sock, attempt)
            with translated(self._doing):
                interface.open_stream(
                    attempt.handle,
                    end,
                    remote,
                    attempt,
                    options=replace(self.options.for_stream(), tls=self.tls),
                    filler_bytes=socketpairs.fill(sock.fileno()) if timeout == 0 else 0,
                    timeout=timeout or None,
                    wait_for_link_s=shorter(timeout or None, interface.wait_for_link_s),
                    replacing=replaced,
                )
            if timeout != 0:
                self._wait(sock, attempt)
        except BaseException:
            self._abandon(attempt)
            raise
        if timeout == 0:
            raise BlockingIOError(errno.EINPROGRESS, os.strerror(errno.EINPROGRESS))

    def _begin(self, sock: C, attempt: Attempt) -> None:
        self._attempt, self.handle = attempt, attempt.handle
        self.phase, self._connect_reported = Phase.CONNECTING, False
        self._is_filled = sock.gettimeout() == 0
        self._doing = f"connecting to {address_text(*attempt.remote[:2])}"

    def _wait(self, sock: C, attempt: Attempt) -> None:
        """Wait until the attempt is decided; give it up if the timeout or a signal comes first."""
        try:
            if not attempt.decided.wait(sock.gettimeout()):
                raise TimeoutError("timed out")
            self.raise_error(self._doing)
            self._connect_reported = True
        except BaseException:
            self._abandon(attempt)
            raise

    def _abandon(self, attempt: Attempt) -> None:
        try:
            with self._end_lock:  # first, so that the failure that follows is not reported
                if attempt is self._attempt:
                    self._start_over()
        finally:
            attempt.handle.abandon()

    def _return_end(self, end: socketpairs.EngineEnd) -> None:
        """The attempt failed; the descriptor shows it when the filler is read away."""
        with self._end_lock:
            self._start_over()
            self.end = end
            socketpairs.drain(end)

    def _start_over(self) -> None:
        self.phase = Phase.FRESH
        self.handle = self._attempt = None
        self.link_ended = self._is_filled = False

    def _join(self, sock: C) -> socketpairs.EngineEnd:
        with self._end_lock:  # or the filler of this attempt would be drained as that of the last one
            end, self.end = self.end, None
        if end is None or end.fileno() < 0:
            if self._was_joined:
                self.replace_descriptor(sock)
            self._was_joined = True
            end = with_descriptors(lambda: socketpairs.join(sock.fileno()))
        self._restore_sndbuf(sock)
        return end

    def _restore_sndbuf(self, sock: C) -> None:
        """The send buffer that the program asked for, or ours: joining and filling have made it smaller."""
        socketpairs.limit_sending(sock.fileno(), self.options.sndbuf_bytes() or socketpairs.SNDBUF_BYTES)
        self._is_filled = False

    def restore_sndbuf_once_open(self, sock: C) -> None:
        self._hear_outcome(sock)
        if self._is_filled and self.phase is Phase.OPEN:
            self._restore_sndbuf(sock)

    def _hear_outcome(self, sock: C) -> None:
        if self.phase is Phase.CONNECTING and self._is_filled and self._attempt is not None:
            self._attempt.hear(self.require_interface(), sock.fileno())

    def carries_data(self) -> bool:
        return self.phase in (Phase.OPEN, Phase.CONNECTING)

    # Listening.

    def listen(self, sock: C, backlog: int = 128, /) -> None:
        """Blocks until the module listens; 20 s at most on a module that has fallen silent.

        Once it listens, it listens again after every outage.
        """
        waiting = min(max(operator.index(backlog), 0), _socket.SOMAXCONN)
        if not -(2**31) <= backlog < 2**31:
            raise OverflowError("signed integer is greater than maximum")
        self.check_usable(sock)
        if self.phase is Phase.LISTENING:
            return
        if self.phase is not Phase.FRESH or self.tls is not None:
            raise os_error(errno.EINVAL, "listen: this socket is connected or set up as a TLS client")
        if self.bound is None:
            self.bind(sock, (any_of(self.family), 0))
        assert self.bound is not None
        interface = self.require_interface()
        if self._joins_listener(interface):
            return
        queue = AcceptQueue(self.bound, ipv6=self.family == _socket.AF_INET6)
        handle = interface.new_handle()
        try:
            end = self._join(sock)
        except OSError:  # another process was faster
            if self._joins_listener(interface, LISTENS_S):
                return
            raise
        try:
            socketpairs.limit_sending(end.fileno(), socketpairs.BACKLOG_BYTES)
            self.phase, self.handle = Phase.LISTENING, handle
            queue.open(interface, handle, end, waiting)
            self._accept_queue = queue
            self.bound = queue.local
        except BaseException:
            self._stop_listening(handle, queue, end)
            raise

    def _joins_listener(self, interface: Interface, wait_s: float = 0.0) -> bool:
        """Whether another process listens with this very socket; then so does this one."""
        local = shared_listener(interface, self.key, wait_s)
        if local is not None:
            self.phase, self.bound, self._was_joined = Phase.LISTENING, local, True
            self._accept_queue = AcceptQueue(local)
            self._accept_queue.join(interface)
        return local is not None

    def _stop_listening(self, handle: Handle, queue: AcceptQueue, end: socketpairs.EngineEnd) -> None:
        handle.abandon()
        queue.drop()
        self._accept_queue = None
        if queue.has_failed:
            self._return_end(end)
        else:
            self._start_over()

    def accept_descriptor(self, sock: C, /) -> tuple[int, Any]:
        """What `_accept` returns to `accept`: a new descriptor and the address of the peer.

        Blocks as long as the socket's time-out says, else until a client comes: no outage ends it.
        """
        self.check_usable(sock)
        if self._accept_queue is None:
            raise os_error(errno.EINVAL, "accept: this socket does not listen")
        thread = threading.get_ident()
        fd, stream = self._handed_out.get(thread, (-1, self))
        if not fd_registry.is_parked(fd, stream):
            user_end, opened, handle = self._accept_queue.next(sock)
            fd = user_end.fileno()
            stream = VirtualStream.accepted(self, socketpairs.key_of(fd), opened, handle)
            fd_registry.park(fd, stream)
            self._handed_out[thread] = fd, stream
            socketpairs.release(user_end)
        # Else a signal handler raised before the program had the last one: it has no object yet.
        assert stream.remote is not None
        return fd, named(stream.remote, self.family)

    def has_stream_link(self) -> bool:
        return self.handle is not None and self.phase in (Phase.CONNECTING, Phase.OPEN)

    def accepts(self) -> bool:
        return self.phase is Phase.LISTENING

    def has_filled_buffer(self, sock: C) -> bool:
        self.restore_sndbuf_once_open(sock)
        return self._is_filled

    # Names, ends and errors.

    def getsockname(self, sock: C, /) -> Any:
        self.restore_sndbuf_once_open(sock)
        return super().getsockname(sock)

    def getpeername(self, sock: C, /) -> Any:
        self._check_open(sock)
        self.restore_sndbuf_once_open(sock)
        if self.phase is not Phase.OPEN or self.was_reset or self.remote is None:
            raise os_error(errno.ENOTCONN, "this socket has no peer")
        return named(self.remote, self.family, self.scope)

    def take_error_number(self, sock: C) -> int:
        self.restore_sndbuf_once_open(sock)
        return super().take_error_number(sock) or C.getsockopt(sock, _socket.SOL_SOCKET, _socket.SO_ERROR)

    def shutdown(self, sock: C, how: int, /) -> None:
        operator.index(how)
        self._check_open(sock)
        if self.phase not in (Phase.OPEN, Phase.LISTENING) or self.was_reset:
            raise os_error(errno.ENOTCONN, "shutdown: this socket is not connected")
        C.shutdown(sock, how)

    def release(self) -> None:
        if self._accept_queue is not None:
            self._accept_queue.drop()
        for fd, stream in self._handed_out.values():
            if fd_registry.is_parked(fd, stream):
                os.close(fd)
        super().release()

    def fresh_user_end(self) -> socketpairs.EngineEnd:
        return socketpairs.fresh_stream()
