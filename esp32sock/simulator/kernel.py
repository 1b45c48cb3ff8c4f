"""The clock and the event queue inside a simulated module: sans-IO, deterministic, no threads and no trio.

Theory of operation
-------------------
Time is a number that the caller moves: `run(now)` executes, in the order (time, order of scheduling),
everything that is due at or before `now`. Firmware activities and scripted peers are written as coroutines,
but of this kernel and of nothing else: they may await `Kernel.sleep`, a `Future` or a `Mailbox`, never
anything of trio. A coroutine goes on only from inside `run`, so a caller of the simulator (bytes
received, a network event) finishes first; this is what makes the order of the bytes on the wire a function of
the seed and of the inputs alone.

Invariants: nothing runs outside `run`; no callback sees time go backwards; equal times run in the order they
were scheduled.
"""

from __future__ import annotations

import heapq
from collections import deque
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

T = TypeVar("T")

_EPSILON_S = 1e-9
"""A deadline that far ahead counts as due: deadlines go through additions of floats in two clocks."""


class Timer:
    """One entry of the queue; `cancel` makes it do nothing."""

    __slots__ = ("action", "when")

    def __init__(self, when: float, action: Callable[[], object] | None) -> None:
        self.when = when
        self.action = action

    def cancel(self) -> None:
        self.action = None


class Future(Generic[T]):
    """A value that comes later, to be awaited by coroutines of the kernel. The first `set` wins."""

    __slots__ = ("_kernel", "_value", "_waiters", "done")

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._waiters: list[Process] = []
        self._value: T
        self.done = False

    def set(self, value: T) -> None:
        if self.done:
            return
        self._value = value
        self.done = True
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            self._kernel.call_soon(waiter.step)

    def __await__(self) -> Generator[Future[Any], None, T]:
        if not self.done:
            yield self
        return self._value

    def waited_by(self, process: Process) -> None:
        self._waiters.append(process)


class Mailbox(Generic[T]):
    """A queue between callbacks and one coroutine."""

    __slots__ = ("_items", "_kernel", "_wanted")

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._items: deque[T] = deque()
        self._wanted: Future[None] | None = None

    def put(self, item: T) -> None:
        self._items.append(item)
        if self._wanted is not None:
            self._wanted.set(None)

    async def get(self) -> T:
        while not self._items:
            self._wanted = self._kernel.future()
            await self._wanted
        return self._items.popleft()

    async def get_within(self, seconds: float) -> T | None:
        """Like `get`, but None when nothing came in time."""
        if not self._items:
            wanted: Future[None] = self._kernel.future()
            self._wanted = wanted
            timer = self._kernel.call_later(seconds, partial(wanted.set, None))
            await wanted
            timer.cancel()
        return self._items.popleft() if self._items else None

    def __len__(self) -> int:
        return len(self._items)


class Process:
    """A coroutine under way. `cancel` ends it where it waits; it must not cancel itself."""

    __slots__ = ("_coroutine", "_kernel", "done")

    def __init__(self, kernel: Kernel, coroutine: Coroutine[Future[Any], None, object]) -> None:
        self._kernel = kernel
        self._coroutine = coroutine
        self.done = False

    def step(self) -> None:
        if self.done:
            return
        try:
            future = self._coroutine.send(None)
        except StopIteration:
            self.done = True
        except BaseException:
            self.done = True
            raise
        else:
            future.waited_by(self)

    def cancel(self) -> None:
        if not self.done:
            self.done = True
            self._coroutine.close()


class Kernel:
    """Time, the event queue and the one source of chance."""

    def __init__(self, seed: int = 0) -> None:
        self.now = 0.0
        self.random = Random(seed)
        self._queue: list[tuple[float, int, Timer]] = []
        self._soon: deque[Callable[[], object]] = deque()
        self._scheduled = 0

    def call_soon(self, action: Callable[[], object]) -> None:
        """Run `action` at the present time, after everything already due."""
        self._soon.append(action)

    def call_at(self, when: float, action: Callable[[], object]) -> Timer:
        timer = Timer(max(when, self.now), action)
        self._scheduled += 1
        heapq.heappush(self._queue, (timer.when, self._scheduled, timer))
        return timer

    def call_later(self, seconds: float, action: Callable[[], object]) -> Timer:
        return self.call_at(self.now + seconds, action)

    def future(self) -> Future[Any]:
        return Future(self)

    def spawn(self, coroutine: Coroutine[Future[Any], None, object]) -> Process:
        """Start a coroutine; its first step runs from the queue, not from here."""
        process = Process(self, coroutine)
        self.call_soon(process.step)
        return process

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            return
        future: Future[None] = Future(self)
        self.call_later(seconds, partial(future.set, None))
        await future

    def run(self, now: float) -> None:
        """Execute everything due at `now` or before, then stand at `now`."""
        soon, queue = self._soon, self._queue
        while True:
            while soon:
                soon.popleft()()
            if not queue or queue[0][0] > now + _EPSILON_S:
                break
            when, _, timer = heapq.heappop(queue)
            if timer.action is not None:
                self.now = max(self.now, when)
                action, timer.action = timer.action, None
                action()
        self.now = max(self.now, now)

    def deadline(self) -> float | None:
        """When `run` is wanted next; None if nothing is scheduled."""
        if self._soon:
            return self.now
        while self._queue and self._queue[0][2].action is None:
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else None
