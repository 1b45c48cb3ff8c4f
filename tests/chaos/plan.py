"""What a seed stands for: a module, its line, its faults, and what applications do; frozen data."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Literal

from tests.chaos.kinds import BY_NAME, KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.chaos.kinds import Kind, Need

PROFILES = ("1.0", "2.0", "2.4", "4.1", "4.2")
PASSIVE = ("2.0", "2.4", "4.1", "4.2")
"""Those that can be told to receive passively."""
SIZES = (1, 3, 17, 100, 700, 1460, 3000, 6000)
DATAGRAMS = (12, 30, 200, 1400)
LEFT_OVER = (
    b"ATE1",
    b"AT+CIPMUX=0",
    b"AT+CIPMUX=1",
    b"AT+CIPDINFO=1",
    b"AT+CIPRECVMODE=1",
    b"AT+CIPRECVTYPE=5,1",
    b"AT+SYSMSG=7",
    b"AT+CIPSERVERMAXCONN=1",
    b"AT+CIPSERVER=1,9000",
    b"AT+CIPSTO=10",
    b'AT+CIPSTART=4,"TCP","10.0.2.2",9001',
    b'AT+CIPSTART=0,"UDP","10.0.2.2",9002,9003,2',
    b"AT+CIPTCPOPT=1,0,1,100",
    b"AT+CIPSEND=4,50",
)
"""What an earlier program may have said to the module before this one attaches."""

Closing = Literal["peer", "user", "half", "reset", "leave"]
"""peer: FIN behind its last byte; user: closes when it has all; half: shuts its writing half first; reset:
the peer resets in the middle; leave: the user closes without reading what comes."""


@dataclass(frozen=True, slots=True)
class TcpPlan:
    """One TCP connection, opened by the application or by a client of its listener."""

    number: int
    starts_s: float
    accepted: bool
    closing: Closing
    up: tuple[int, ...]
    """Sizes of what the application sends."""
    down: tuple[int, ...]
    """Sizes of what the peer sends."""
    pause_s: float
    """Between two pieces, either way."""
    read_pause_s: float
    """Once, before the application reads on."""
    connect_timeout_s: float | None
    gives_up_s: float | None
    """The application gives up connecting after this."""
    by_name: bool
    refused: bool
    """Whether nobody listens there."""

    @property
    def up_origin(self) -> int:
        return 2 * self.number

    @property
    def down_origin(self) -> int:
        return 2 * self.number + 1

    @property
    def port(self) -> int:
        return 7000 + self.number


@dataclass(frozen=True, slots=True)
class UdpPlan:
    """One UDP socket; connected to one peer, or bound and heard by anyone."""

    number: int
    starts_s: float
    connected: bool
    datagrams: tuple[int, ...]
    answers: int
    """How many come back for each."""
    stranger: bool
    """Whether somebody else sends to it too."""
    pause_s: float

    @property
    def up_origin(self) -> int:
        return 2 * self.number

    @property
    def down_origin(self) -> int:
        return 2 * self.number + 1

    @property
    def port(self) -> int:
        return 7000 + self.number


@dataclass(frozen=True, slots=True)
class AskPlan:
    """Questions to the module: look-ups and commands whose right answer is known."""

    number: int
    starts_s: float
    questions: tuple[str, ...]
    gives_up_s: float | None


@dataclass(frozen=True, slots=True)
class Dose:
    """One kind of fault and how much of it; `at_s` for what happens at a moment of the fault window."""

    kind: Kind
    dose: str
    at_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a seed decides."""

    seed: int
    profile: str
    latency_s: float
    paced: bool
    receive: Literal["passive"] | None
    left_over: tuple[bytes, ...]
    doses: tuple[Dose, ...]
    faults_s: float
    """How long the faults last."""
    listens: bool
    tcp: tuple[TcpPlan, ...]
    udp: tuple[UdpPlan, ...]
    asks: tuple[AskPlan, ...]

    @property
    def patience_s(self) -> float:
        """How long an application waits for a peer: for ever, where nothing can swallow a connection."""
        return 30.0 if "black-hole" in self.faults else float("inf")

    @property
    def faults(self) -> frozenset[str]:
        return frozenset(dose.kind.name for dose in self.doses)

    def __str__(self) -> str:
        doses = ", ".join(
            f"{d.kind.name}:{d.dose}" + (f" at {d.at_s:.2f} s" if d.kind.where == "event" else "")
            for d in self.doses
        )
        line = f"{self.latency_s} s" + (", paced" if self.paced else "")
        return (
            f"seed {self.seed}: {self.profile}, {self.receive or 'usual receive'}, line {line}, "
            f"{len(self.tcp)} TCP, {len(self.udp)} UDP, {len(self.asks)} asking"
            f"{', listening' if self.listens else ''}; faults for {self.faults_s:.1f} s: {doses or 'none'}"
            f"{'; left over ' + repr(self.left_over) if self.left_over else ''}"
        )


def make_plan(seed: int, kinds: Sequence[Kind] = KINDS) -> Plan:
    """The plan of a seed, of these kinds of faults; the same each time."""
    random = Random(seed)
    doses = _doses(random, kinds)
    needs = {need for dose in doses for need in dose.kind.needs}
    profile = random.choice(PASSIVE if "passive" in needs else PROFILES)
    passive = profile in PASSIVE and (
        "passive" in needs or ("receives" not in needs and random.random() < 0.3)
    )
    faults_s = random.choice((3.0, 8.0, 20.0))
    listens = "clients" in needs or random.random() < 0.4
    tcp, udp, asks = [], [], []
    least = 3 if "connects" in needs else 1
    for number in range(max(least, random.choice((1, 1, 2, 2, 3, 4)))):
        accepted = (
            listens
            and "connects" not in needs
            and (("clients" in needs and number == 0) or random.random() < 0.6)
        )
        tcp.append(_tcp(random, number, faults_s, needs, accepted=accepted))
    udp_works = not (passive and profile in ("2.0", "2.4"))
    for number in range(max(random.choice((0, 0, 1, 1, 2)), "udp" in needs) if udp_works else 0):
        stranger = any(dose.kind.name == "udp-stranger" for dose in doses)
        udp.append(_udp(random, len(tcp) + number, faults_s, stranger=stranger))
    if "look-ups" in needs or random.random() < 0.4:
        asks.append(_ask(random, len(tcp) + len(udp), faults_s))
    return Plan(
        seed=seed,
        profile=profile,
        latency_s=max((float(d.dose) for d in doses if d.kind.name == "latency"), default=0.0),
        paced=random.random() < 0.15 or "paced" in needs,
        receive="passive" if passive else None,
        left_over=_left_over(random, doses),
        doses=doses,
        faults_s=faults_s,
        listens=listens,
        tcp=tuple(tcp),
        udp=tuple(udp),
        asks=tuple(asks),
    )


def _doses(random: Random, kinds: Sequence[Kind]) -> tuple[Dose, ...]:
    if random.random() < 0.05:
        return ()
    chosen = random.sample(kinds, min(len(kinds), random.choice((1, 1, 2, 2, 3, 3, 5))))
    names = {kind.name for kind in chosen}
    chosen += [BY_NAME[kind.brings] for kind in chosen if kind.brings and kind.brings not in names]
    return tuple(Dose(kind, random.choice(kind.doses), random.uniform(0.0, 3.0)) for kind in chosen)


def _left_over(random: Random, doses: Sequence[Dose]) -> tuple[bytes, ...]:
    count = sum(int(dose.dose) for dose in doses if dose.kind.name == "left-over")
    chosen = random.sample(LEFT_OVER, count)
    return tuple(sorted(chosen, key=LEFT_OVER.index))  # a data phase comes last


def _sizes(random: Random, least: int, most: int) -> tuple[int, ...]:
    return tuple(random.choice(SIZES) for _ in range(random.randrange(least, most)))


def _tcp(random: Random, number: int, window_s: float, needs: set[Need], *, accepted: bool) -> TcpPlan:
    refused = not accepted and ("refused" in needs or random.random() < 0.05)
    closings: tuple[Closing, ...] = ("peer", "peer", "user", "user", "half", "half", "reset", "leave")
    if "half-closes" in needs:
        closings = ("half",)
    elif "closing peers" in needs:
        closings = ("peer", "half", "reset")
    return TcpPlan(
        number=number,
        starts_s=random.uniform(0, min(4.0, window_s)),
        accepted=accepted,
        closing=random.choice(closings),
        up=_sizes(random, 2 if "sends" in needs else 0, 6),
        down=_sizes(random, 2 if needs & {"passive", "receives"} else 0, 6),
        pause_s=random.choice((0.0, 0.0, 0.01, 0.3, 2.0) if "pauses" not in needs else (2.0,)),
        read_pause_s=random.choice((0.0, 0.0, 0.0, 1.0, 5.0)) if "half-closes" not in needs else 40.0,
        connect_timeout_s=random.choice((None, None, 2.0, 30.0)),
        gives_up_s=random.choice((None, None, None, None, 0.0, 0.05, 1.0)),
        by_name=random.random() < 0.2,
        refused=refused,
    )


def _udp(random: Random, number: int, window_s: float, *, stranger: bool) -> UdpPlan:
    connected = random.random() < 0.5
    return UdpPlan(
        number=number,
        starts_s=random.uniform(0, min(4.0, window_s)),
        connected=connected,
        datagrams=tuple(random.choice(DATAGRAMS) for _ in range(random.randrange(1, 6))),
        answers=random.choice((0, 1, 1, 2)),
        stranger=stranger if connected else random.random() < 0.4,
        pause_s=random.choice((0.0, 0.2, 1.0)),
    )


def _ask(random: Random, number: int, window_s: float) -> AskPlan:
    return AskPlan(
        number=number,
        starts_s=random.uniform(0, min(4.0, window_s)),
        questions=tuple(
            random.choice(("one.test", "two.test", "none.test", "version", "joined"))
            for _ in range(random.randrange(1, 6))
        ),
        gives_up_s=random.choice((None, None, 0.5)),
    )
