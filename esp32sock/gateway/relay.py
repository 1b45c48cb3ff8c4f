"""Two connections made one: bytes both ways, each end and each error passed on as what it is.

Theory of operation. A direction reads one piece and sends it before it reads the next: a side that does not
read holds the other one back, and nothing is kept but that piece. The end of one direction is passed on as
the end of that direction alone. A reset of one side resets the other. A target that has ended and gets more
answers EPIPE: it is then read to its end, so that its last bytes arrive; what the client still sends is
thrown away, and after `linger_s` both are reset, because bytes were lost. A side that has ended its half
alone is given `half_close_s` from the last byte. One that is known to have closed in full, as a program of
this machine that has ended, is not waited for: the other side is closed, too.
"""

from __future__ import annotations

import errno
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from esp32sock.gateway.failures import reason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from esp32sock.gateway.connection import Connection
    from esp32sock.gateway.limits import Limits


LOOK_S = 0.25
"""How soon a side that has ended its half is looked at again, then twice as late each time (chosen)."""


@dataclass(slots=True)
class Transfer:
    """What went which way: sent is from client to target."""

    bytes_sent: int = 0
    bytes_received: int = 0


class RelayBrokenError(OSError):
    """A relay ended by an error, which both sides were shown as a reset."""


class Relay:
    """A client and its target."""

    def __init__(self, client: Connection, target: Connection, limits: Limits) -> None:
        self._client = client
        self._target = target
        self._limits = limits
        self._moved_at = self._ended_at = trio.current_time()
        self._running = 2
        self._direction_ended = trio.Event()
        self._half_closed: Connection | None = None  # the side whose direction has ended
        self._has_left = False
        self._lost: OSError | None = None  # why bytes of the client could not be sent
        self._failure: OSError | None = None
        self.transfer = Transfer()

    async def run(self, trailing: bytes = b"") -> None:
        """Until both directions have ended; both sides are closed then. RelayBrokenError if they were reset.

        `trailing` is what the client sent already. Cancelling resets both: a cut is no end.
        """
        try:
            async with trio.open_nursery() as nursery:
                scope = nursery.cancel_scope
                nursery.start_soon(self._run_direction, scope, self._client, lambda: self._upward(trailing))
                nursery.start_soon(self._run_direction, scope, self._target, self._downward)
                await self._watch(scope)
        finally:
            if self._failure is not None or (self._running and not self._has_left):
                await self._abort()
        if self._failure is not None:
            raise RelayBrokenError(self._failure.errno, reason(self._failure)) from self._failure
        self._client.close()
        self._target.close()

    async def _abort(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._client.abort)
            nursery.start_soon(self._target.abort)

    async def _run_direction(
        self, scope: trio.CancelScope, source: Connection, carry: Callable[[], Awaitable[None]]
    ) -> None:
        """One of the two; a failure ends the other one too."""
        try:
            await carry()
        except OSError as error:
            self._fail(scope, error)
            return
        self._running -= 1
        self._half_closed = source
        self._ended_at = trio.current_time()
        self._direction_ended.set()
        self._direction_ended = trio.Event()

    def _fail(self, scope: trio.CancelScope, error: OSError) -> None:
        self._failure = self._failure or error
        scope.cancel()

    async def _upward(self, trailing: bytes) -> None:
        data = trailing or await self._client.receive()
        while data:
            try:
                await self._target.send_all(data)
            except OSError as error:
                await self._discard(error)
                return
            self.transfer.bytes_sent += len(data)
            self._moved_at = trio.current_time()
            data = await self._client.receive()
        self._target.send_eof()

    async def _downward(self) -> None:
        while data := await self._target.receive():
            await self._client.send_all(data)
            self.transfer.bytes_received += len(data)
            self._moved_at = trio.current_time()
        self._client.send_eof()

    async def _discard(self, error: OSError) -> None:
        """The target takes no more: read the client to its end, while the other direction goes on."""
        self._lost = error
        while await self._client.receive():
            pass
        self._failure = error

    async def _watch(self, scope: trio.CancelScope) -> None:
        """Until both directions have ended; what is idle for longer than its state allows fails."""
        look_s = LOOK_S
        while self._running:
            if self._half_closed is not None and self._lost is None and self._half_closed.has_left():
                self._has_left = True
                scope.cancel()
                return
            look_at = math.inf
            if self._half_closed is not None:
                look_at = trio.current_time() + look_s
                look_s *= 2
            with trio.move_on_at(min(self._deadline(), look_at)):
                await self._direction_ended.wait()
            if self._running and trio.current_time() >= self._deadline():
                idle = TimeoutError(errno.ETIMEDOUT, "ended, because nothing moved any more")
                self._fail(scope, self._lost or idle)

    def _deadline(self) -> float:
        if self._running == 2:
            allowed = math.inf if self._limits.idle_s is None else self._limits.idle_s
            return self._moved_at + allowed
        if self._lost is not None:
            return self._ended_at + self._limits.linger_s
        return max(self._moved_at, self._ended_at) + self._limits.half_close_s
