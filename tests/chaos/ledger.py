"""Who sent what to whom, and what is wrong with it: the invariants of architecture 4, checked as bytes come.

A difference in content counts as a violation unless the socket concerned reports an error: the contract is
"not without an error on that socket". So differences are kept, and judged at the end of the run.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from tests.chaos.content import content, first_difference, has_foreign, named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.plan import TcpPlan, UdpPlan
    from tests.chaos.trace import Trace


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken invariant."""

    when: float
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.when:.3f} s: {self.kind}: {self.text}"


class Ledger:
    """All conversations of a run, what waits, and what is wrong."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.violations: list[Violation] = []
        self.waits: dict[int, tuple[str, float]] = {}
        self.paused_s = 0.0
        """How long the host stood still: time that no application notices."""
        self._next_wait = 0

    def violate(self, kind: str, text: str) -> None:
        """Something happened that must not."""
        violation = Violation(trio.current_time(), kind, text)
        self.violations.append(violation)
        self.trace.note(f"VIOLATION {violation}")

    @contextmanager
    def waiting(self, what: str, bound_s: float = float("inf")) -> Iterator[None]:
        """An application waits; a violation if it waits longer than the bound."""
        key, self._next_wait = self._next_wait, self._next_wait + 1
        since, paused_s = trio.current_time(), self.paused_s
        self.waits[key] = (what, since)
        try:
            yield
        finally:
            del self.waits[key]
            took_s = trio.current_time() - since - (self.paused_s - paused_s)
            if took_s > bound_s:
                self.violate("slow", f"{what} took {took_s:.1f} s, more than {bound_s:.0f} s")


@dataclass
class Direction:
    """One way of a stream: how much was sent, and how much of it arrived as it was sent."""

    origin: int
    sent: int = 0
    arrived: int = 0
    wrong: str = ""
    rest: bytearray = field(default_factory=bytearray)
    """What arrived from the first wrong byte on."""

    def next(self, count: int) -> bytes:
        """The next bytes to send."""
        return content(self.origin, self.sent, count)

    def take(self, data: bytes) -> None:
        """These arrived."""
        if self.wrong:
            self.rest += data
            self.arrived += len(data)
            return
        expected = content(self.origin, self.arrived, min(len(data), max(0, self.sent - self.arrived)))
        at = first_difference(data, expected)
        if at is None:
            self.arrived += len(data)
            return
        foreign = named(data[max(0, at - 12) :])
        whose = ""
        if foreign is not None and foreign[0] != self.origin:
            whose = f" (bytes of origin {foreign[0]} at {foreign[1]})"
        elif foreign is not None:
            whose = f" (its own bytes from {foreign[1]})"
        self.rest += data[max(0, at - 12) :]
        self.wrong = f"at {self.arrived + at} of {self.sent}: {data[at : at + 40]!r}{whose}"
        self.arrived += len(data)


@dataclass
class Conversation:
    """One TCP connection as both of its ends see it."""

    plan: TcpPlan
    up: Direction = field(init=False)
    down: Direction = field(init=False)
    state: str = "new"
    """new, open, failed, clean (read the end), error (its descriptor said so), closed (by the application)"""
    error: str = ""
    """What the engine reported."""
    peer: str = "none"
    """none, open, closed, reset; `gone` when the module closed first"""
    peer_finished_s: float | None = None
    shut: bool = False
    dropped: bool = False
    """The application closed with bytes unread or without waiting: the rest is nobody's."""

    def __post_init__(self) -> None:
        self.up = Direction(self.plan.up_origin)
        self.down = Direction(self.plan.down_origin)

    @property
    def name(self) -> str:
        return f"{'accepted' if self.plan.accepted else 'tcp'} {self.plan.number} ({self.plan.closing})"

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.state}{' ' + self.error if self.error else ''}, peer {self.peer}, "
            f"up {self.up.arrived}/{self.up.sent}, down {self.down.arrived}/{self.down.sent}"
        )

    def judge(self, ledger: Ledger, *, damaged: bool, mixed: bool, unseen: bool) -> None:
        """At the end of the run. With payload damaged on the line, content cannot always be right, but it is
        of this stream, unless the line that names the link was damaged (`mixed`); `unseen`: a link may have
        ended in a way that the module shows as an orderly close.
        """
        if self.error or self.state in ("error", "failed"):
            return
        for way in (self.up, self.down):
            if way.wrong and (not damaged or (not mixed and has_foreign(bytes(way.rest), way.origin))):
                ledger.violate("content", f"{self.name}: {'up' if way is self.up else 'down'} {way.wrong}")
        if damaged or unseen or self.peer == "reset":
            return
        if self.state == "clean" and self.down.arrived < self.down.sent and not self.down.wrong:
            ledger.violate("lost-clean-end", str(self))
        if self.state == "clean" and self.peer not in ("closed",) and not self.shut:
            ledger.violate("invented-end", str(self))
        delivered = self.up.arrived == self.up.sent or self.up.wrong
        if self.state in ("clean", "closed") and not delivered and self.peer == "gone":
            ledger.violate("lost-sent", str(self))


@dataclass
class Datagrams:
    """One UDP socket: datagrams sent and received, each by its content."""

    plan: UdpPlan
    sent_up: dict[bytes, int] = field(default_factory=dict)
    sent_down: dict[tuple[bytes, tuple[str, int]], int] = field(default_factory=dict)
    wrong_up: list[str] = field(default_factory=list)
    wrong_down: list[str] = field(default_factory=list)
    doubtful: int = 0
    error: str = ""
    state: str = "new"

    @property
    def name(self) -> str:
        return f"udp {self.plan.number} ({'connected' if self.plan.connected else 'any'})"

    def peer_got(self, data: bytes) -> None:
        """A peer received this."""
        left = self.sent_up.get(data, 0)
        if left:
            self.sent_up[data] = left - 1
        else:
            kind = "twice" if data in self.sent_up else "never sent"
            self.wrong_up.append(f"{kind}: {data[:40]!r} ({len(data)})")

    def user_got(self, data: bytes, source: tuple[str, int]) -> None:
        """The application received this."""
        key = (data, source)
        left = self.sent_down.get(key, 0)
        if left:
            self.sent_down[key] = left - 1
        else:
            kind = "twice" if key in self.sent_down else "never sent"
            self.wrong_down.append(f"from {source} {kind}: {data[:40]!r} ({len(data)})")

    def judge(self, ledger: Ledger, *, damaged: bool) -> None:
        """At the end of the run."""
        if self.error or damaged:
            return
        for wrong in self.wrong_up[self.doubtful :]:
            ledger.violate("datagram-up", f"{self.name}: its peer got what was {wrong}")
        for wrong in self.wrong_down:
            ledger.violate("datagram-down", f"{self.name}: received {wrong}")
