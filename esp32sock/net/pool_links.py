"""The links of a pool: each is opened on one module, and on another one if that module cannot.

Theory of operation. What the socket passes in as `events` is wrapped. A failure that is the module's own (it
is lost, restarts, has no Wi-Fi or no free link) is not reported: the same end goes to the next module, since
nothing has passed over it. Once a link is open it stays where it is, and how it ends is reported as it is.
While the links of all modules are taken each is asked in turn for a short time, as long as the socket waits.
"""

from __future__ import annotations

import errno
import threading
from typing import TYPE_CHECKING, Any

from esp32sock.errors import Error
from esp32sock.net.pool_policy import may_move

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from esp32sock.engine.requests import DatagramEvents, Handle, StreamEvents, StreamOptions
    from esp32sock.net.pool_policy import PoolChooser, PoolMember

    Begin = Callable[[PoolMember, Handle, "LinkAttempts", float], None]

WAIT_EACH_S = 0.1
"""How long one of several modules is waited for while all links are taken; chosen: a short exchange."""


class PoolHandle:
    """What an open call of a pool is given; it hands on to the module that has the link."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inner: Handle | None = None
        self.member: PoolMember | None = None
        self.is_abandoned = False

    @property
    def inner(self) -> Handle:
        """The handle of the module that has the link; Error before one was chosen."""
        if self._inner is None:
            raise Error("the link is not open", errno=errno.ENOTCONN)
        return self._inner

    def use(self, member: PoolMember) -> Handle:
        """A new handle of this module, which is the one to give up from now on."""
        inner = member.interface.new_handle()
        with self._lock:
            self.member, self._inner = member, inner
        return inner

    def use_inner(self, inner: Handle) -> None:
        """What gives up something that no single module has."""
        with self._lock:
            self._inner = inner

    def abandon(self) -> None:
        with self._lock:
            self.is_abandoned, inner = True, self._inner
        if inner is not None:
            inner.abandon()

    def set_options(self, options: StreamOptions) -> Future[None]:
        return self.inner.set_options(options)


class LinkAttempts:
    """The attempts to open one link, on one module after another; the events object of each."""

    def __init__(
        self,
        chooser: PoolChooser,
        handle: PoolHandle,
        host: str | None,
        events: StreamEvents | DatagramEvents,
        begin: Begin,
        wait_s: float = 0.0,
    ) -> None:
        self._chooser = chooser
        self._handle = handle
        self._host = host
        self._events = events
        self._begin = begin
        self._wait_until = chooser.clock() + wait_s
        self._tried: list[PoolMember] = []
        self._full: Error | None = None

    def start(self) -> None:
        """Open it on the module that the pool chooses."""
        self._try_next(Error("every module of the pool was detached", errno=errno.ENETDOWN))

    def start_on(self, member: PoolMember) -> None:
        """Open it on this module, at first."""
        self._chooser.take(member)
        if not self._is_begun(member, 0.0):
            self.start()

    def _try_next(self, error: Error) -> None:
        while True:
            member, wait_s = self._next()
            if member is None:
                self._events.failed(self._full or error)
                return
            if self._is_begun(member, wait_s):
                return

    def _is_begun(self, member: PoolMember, wait_s: float) -> bool:
        """Whether this module has taken the request; its outcome is an event."""
        self._tried.append(member)
        inner = self._handle.use(member)
        try:
            self._begin(member, inner, self, wait_s)
        except Error as error:
            self._could_not(member, error)
            return False
        if self._handle.is_abandoned:  # meanwhile, which only the handle of before may have got
            inner.abandon()
        return True

    def _next(self) -> tuple[PoolMember | None, float]:
        """The next module, and how long to wait for one of its links."""
        choose, host = self._chooser.choose, self._host
        member = choose(host, self._tried, must_be_ready=self._full is not None)
        left_s = self._wait_until - self._chooser.clock()
        if member is not None or self._full is None or left_s <= 0:
            return member, 0.0
        self._tried.clear()
        return choose(host, must_be_ready=True), min(left_s, WAIT_EACH_S)

    def _could_not(self, member: PoolMember, error: Error) -> None:
        self._chooser.release(member)
        self._chooser.avoid(member, error)

    # What the module's engine reports, in its own thread.

    def opened(self, opened: Any) -> None:
        self._events.opened(opened)

    def failed(self, error: Error) -> None:
        member = self._handle.member
        assert member is not None
        if self._handle.is_abandoned or not may_move(error):
            self._chooser.release(member)
            self._events.failed(error)
            return
        if error.errno == errno.EMFILE:
            self._full = error
        self._could_not(member, error)
        self._try_next(error)

    def ended(self, error: Error | None) -> None:
        assert self._handle.member is not None
        self._chooser.release(self._handle.member)
        self._events.ended(error)


class DatagramAttempts(LinkAttempts):
    """The same for a UDP link."""

    def doubtful(self, error: Error) -> None:
        events: Any = self._events
        events.doubtful(error)
