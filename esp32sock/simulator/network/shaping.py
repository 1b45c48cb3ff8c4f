"""The layer between a module and its network that a scenario and faults act on: names of the
scenario with their delays, its update server, and the network's faults. Works on any network, on the module's
clock.

Theory of operation
-------------------
Requests pass through `handle`, events through `arrived`, each changed, answered, delayed or dropped on the
way. The network posts its events to the module as ever; the module hands each to `arrived` once its kernel
stands at the present, and gets what it is to see through `deliver`.
 For each handle there may be a row of events that are late: as long as something waits in it, whatever
comes later for that handle waits behind it, so nothing is overtaken.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import trio

from esp32sock.simulator.network.api import (
    BROADCAST,
    ITSELF,
    ITSELF_6,
    PING_TIMEOUT_S,
    Close,
    DatagramReceived,
    Failed,
    Network,
    OpenStream,
    PeerClosed,
    PeerReset,
    Ping,
    Pinged,
    Received,
    RequestTime,
    RequestUpdate,
    Resolve,
    Resolved,
    Send,
    SendDatagram,
    Sent,
    TimeReceived,
    UpdateFound,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from esp32sock.simulator.faults.spec import Triggers
    from esp32sock.simulator.kernel import Kernel
    from esp32sock.simulator.network.api import Event, Request


@dataclass(frozen=True, slots=True)
class Name:
    """A name of the scenario. Without both addresses it does not exist; the answer comes after `delay_s`."""

    name: str
    address: str | None
    delay_s: float = 0.0
    address_6: str | None = None


def _is_near(request: Request) -> bool:
    """No gateway is needed: the module itself, and broadcasts."""
    near = (ITSELF, ITSELF_6, BROADCAST)
    return isinstance(request, Ping | OpenStream | SendDatagram) and request.address in near


def _unanswered(request: Request, seconds: float) -> tuple[float, Event]:
    """What becomes of a request without an answer, and when."""
    match request:
        case Resolve(token):
            return seconds, Resolved(token, None)
        case Ping(token):
            return PING_TIMEOUT_S, Pinged(token, None)
        case RequestTime(token):
            return seconds, TimeReceived(token, None)
        case RequestUpdate(token):
            return seconds, UpdateFound(token, None)
        case SendDatagram(handle):
            return 0.0, Sent(handle)
        case OpenStream(handle):
            return seconds, Failed(handle, "no answer")
    raise TypeError(f"{request!r} needs no answer")


class ShapedNetwork(Network):
    """A network, seen through a scenario and its faults."""

    def __init__(
        self,
        inner: Network,
        *,
        names: tuple[Name, ...] = (),
        update: str | None = None,
        triggers: Triggers | None = None,
    ) -> None:
        self.inner = inner
        self._names = {name.name.lower(): name for name in names}
        self._update = update
        self.triggers = triggers
        self._black_holes: set[int] = set()
        self._broken: set[int] = set()
        """Handles whose end the module has seen, though the network has not ended them."""
        self._connecting: set[int] = set()
        """Handles of connections that have not been begun yet."""
        self.deliver: Callable[[Event], None]
        self._rows: dict[int, deque[tuple[float, Event]]] = {}

    def attach(self, post: Callable[[Event], None], kernel: Kernel) -> None:
        super().attach(post, kernel)
        self.inner.attach(post, kernel)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await self.inner.run(task_status=task_status)

    def _hit(self, name: str) -> float | None:
        """The value of a fault, if this is one of its occasions."""
        if self.triggers is None:
            return None
        fault = self.triggers.hit(name)
        return None if fault is None else fault.value

    def _later(self, seconds: float, event: Event) -> None:
        self.kernel.call_later(seconds, partial(self.deliver, event))

    # Requests

    def handle(self, request: Request) -> None:
        if isinstance(request, Resolve | Ping | RequestTime | RequestUpdate | OpenStream | SendDatagram):
            unanswered_s = None if _is_near(request) else self._hit("no-gateway")
            if unanswered_s is not None:
                self._later(*_unanswered(request, unanswered_s))
                return
        match request:
            case Resolve():
                self._resolve(request)
            case OpenStream():
                self._open(request)
            case Send(handle):
                self._send(request, handle)
            case SendDatagram(handle):
                if self._hit("datagram-loss") is None:
                    self.inner.handle(request)
                else:
                    self._later(0, Sent(handle))
            case RequestTime(token):
                if self._hit("no-time") is None:
                    self.inner.handle(request)
                else:
                    self._later(0, TimeReceived(token, None))
            case RequestUpdate(token) if self._update is not None:
                self._later(0, UpdateFound(token, self._update))
            case Close(handle):
                self._black_holes.discard(handle)
                self._broken.discard(handle)
                self._connecting.discard(handle)
                self._rows.pop(handle, None)
                self.inner.handle(request)
            case _:
                self.inner.handle(request)

    def _resolve(self, request: Resolve) -> None:
        failure_s = self._hit("dns-fail")
        delay_s = self._hit("dns-delay") or 0.0
        if failure_s is not None:
            self._later(failure_s, Resolved(request.token, None))
            return
        known = self._names.get(request.name.lower())
        if known is not None:
            address = known.address_6 if request.version == 6 else known.address
            self._later(known.delay_s + delay_s, Resolved(request.token, address))
        elif delay_s:
            self.kernel.call_later(delay_s, partial(self.inner.handle, request))
        else:
            self.inner.handle(request)

    def _open(self, request: OpenStream) -> None:
        handle = request.handle
        refused_s = self._hit("refuse")
        delay_s = self._hit("connect-delay")
        hole = self._hit("black-hole")
        if refused_s is not None:
            self._later(refused_s, Failed(handle, "refused by a fault"))
            return
        if hole is not None:
            self._black_holes.add(handle)
        if delay_s is None:
            self.inner.handle(request)
        else:
            self._connecting.add(handle)
            self.kernel.call_later(delay_s, partial(self._open_late, request))

    def _open_late(self, request: OpenStream) -> None:
        if request.handle in self._connecting:  # else the module has given up
            self._connecting.discard(request.handle)
            self.inner.handle(request)

    def _send(self, request: Send, handle: int) -> None:
        if handle in self._black_holes:
            self._later(0, Sent(handle))
        elif handle in self._broken or self._hit("peer-reset") is not None:
            self._broken.add(handle)
            self._later(0, PeerReset(handle))
        else:
            self.inner.handle(request)

    # Events

    def arrived(self, event: Event) -> None:
        match event:
            case Received(handle):
                if handle in self._black_holes or handle in self._broken:
                    return
                if self._hit("peer-reset") is not None:
                    self._broken.add(handle)
                    event = PeerReset(handle)
                self._pass_on(handle, event, self._hit("slow") or 0.0)
            case PeerClosed(handle) | PeerReset(handle):
                if handle not in self._black_holes and handle not in self._broken:
                    self._pass_on(handle, event, 0.0)
            case DatagramReceived(handle):
                if self._hit("datagram-loss") is None:
                    self._pass_on(handle, event, self._hit("slow") or 0.0)
            case _:
                self.deliver(event)

    def _pass_on(self, handle: int, event: Event, delay_s: float) -> None:
        """Now, or later and behind what waits already."""
        row = self._rows.get(handle)
        when = self.kernel.now + delay_s
        if row is not None:
            row.append((max(when, row[-1][0]), event))
        elif delay_s:
            self._rows[handle] = row = deque([(when, event)])
            self.kernel.call_at(when, partial(self._release, handle, row))
        else:
            self.deliver(event)

    def _release(self, handle: int, row: deque[tuple[float, Event]]) -> None:
        """The first of a row is due."""
        if self._rows.get(handle) is not row:
            return  # the module has closed the handle
        _, event = row.popleft()
        if row:
            self.kernel.call_at(row[0][0], partial(self._release, handle, row))
        else:
            del self._rows[handle]
        self.deliver(event)
