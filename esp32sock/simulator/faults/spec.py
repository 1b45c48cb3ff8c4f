"""The faults that a module can be given, by name, and the SPEC that chooses them.

    SPEC   = fault *("," fault)
    fault  = NAME [":" RATE | "@" PLACE] ["=" VALUE]

RATE is the chance, 0 to 1, at each occasion; PLACE the number of one occasion, counted from 1; with neither,
every occasion. The table says what an occasion is: a byte, a line, a second. VALUE replaces the default of
the table. A fault may be named several times. `all:RATE` stands for every fault but `unplug`, at a rate made
fit for its occasions.

    drop:0.001                  one byte in a thousand, in either direction
    reset@1234                  the module resets once it has sent 1234 bytes
    busy:0.05,lost-prompt@3     one line in twenty is refused, and the third prompt never comes
    slow=2                      everything that is received comes two seconds late

Sources: at-dialects 11, performance-facts 7, known-bugs.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random


@dataclass(frozen=True, slots=True)
class Kind:
    """One fault that exists. `per` is its occasion, `value` what `=` sets, with `means` as its meaning."""

    name: str
    group: str
    per: str
    what: str
    value: float = 0.0
    means: str = ""
    share: float = 1.0
    """What `all:RATE` multiplies the rate with."""

    @property
    def most(self) -> float:
        """The largest value that makes sense."""
        return next((most for unit, most in MOST.items() if self.means.startswith(unit)), 0.0)


MOST = {
    "seconds": 86_400.0,
    "bytes": 1 << 20,
    "times": 10_000.0,
    "dBm": 120.0,
    "the part": 1.0,
    "the step": 4.0,
}
"""The largest value by its unit: a larger one makes a loop or a wait without an end."""
MOST_PLACE = 10**12

_BYTE = 0.02
"""A message has some fifty bytes: so a fault a byte comes about as often as one a message."""

_KINDS = (
    # The serial line. "up" is from the host to the module.
    Kind("drop-up", "serial", "byte", "a byte of the host is lost", share=_BYTE),
    Kind("drop-down", "serial", "byte", "a byte of the module is lost", share=_BYTE),
    Kind("flip-up", "serial", "byte", "a bit of a byte of the host turns over", share=_BYTE),
    Kind("flip-down", "serial", "byte", "a bit of a byte of the module turns over", share=_BYTE),
    Kind("overrun-up", "serial", "byte", "the module's receiver overflows", 16, "bytes lost", _BYTE),
    Kind("overrun-down", "serial", "byte", "the host's receiver overflows", 16, "bytes lost", _BYTE),
    Kind("stall-up", "serial", "read", "the module does not read; its ring fills", 0.5, "seconds"),
    Kind("stall-down", "serial", "write", "the module is silent before a write", 0.5, "seconds"),
    Kind("slice-up", "serial", "read", "the module reads the host's bytes one by one"),
    Kind("slice-down", "serial", "write", "a write comes byte by byte", 0.0005, "seconds apart", 0.25),
    Kind(
        "unplug",
        "serial",
        "byte",
        "the line is cut once the module has sent so much; 0: for good",
        0.0,
        "seconds until it is back",
        0,
    ),
    # The module
    Kind("busy", "module", "line", "busy p..., and the line is dropped"),
    Kind("busy-run", "module", "line", "busy p..., and the line runs all the same"),
    Kind("busy-spell", "module", "line", "busy p... to this line and all for a while", 1.0, "seconds", 0.2),
    Kind("error", "module", "line", "ERROR, and the line is not run"),
    Kind("echo-on", "module", "line", "the echo is on again"),
    Kind("watchdog", "module", "line", "the module hangs, and then resets", 3.0, "seconds", 0.1),
    Kind("reset", "module", "byte", "the module resets after this byte of its own", share=0.1 * _BYTE),
    Kind("reset-up", "module", "byte", "the module resets after this byte of the host", share=0.1 * _BYTE),
    Kind("restart", "module", "second", "the module resets by itself", share=0.02),
    Kind("lost-prompt", "module", "prompt", "the > does not come; the payload is awaited"),
    Kind("lost-recv", "module", "send", "the line Recv n bytes does not come"),
    Kind("lost-send-ok", "module", "send", "SEND OK does not come"),
    Kind("send-fail", "module", "send", "SEND FAIL, after a part was sent", 0.5, "the part"),
    Kind("no-blank", "module", "result", "a result without its leading CR LF"),
    Kind("phantom-closed", "module", "failed CIPSTART", "n,CLOSED after ERROR, for a link that never was"),
    # Unasked
    Kind("urc", "unasked", "write", "an unsolicited line before it"),
    Kind("debug", "unasked", "write", "a word of the debug log before it"),
    Kind("debug-in-ipd", "unasked", "+IPD block", "a word of the debug log in the middle of it"),
    Kind("ipd-in-gap", "unasked", "received piece", "+IPD waits for a bad moment: OK and >, > and Recv"),
    Kind("close-in-gap", "unasked", "close by a peer", "CLOSED waits for the next command"),
    Kind("accept-in-gap", "unasked", "accepted link", "CONNECT waits for the next command"),
    Kind("lost-notice", "unasked", "passive +IPD", "the announcement does not come"),
    Kind("long-notice", "unasked", "passive +IPD", "it announces too much", 29, "bytes"),
    Kind("trailing-comma", "unasked", "CIPRECVLEN answer", "a comma too many behind it"),
    # Wi-Fi
    Kind(
        "wifi-loss",
        "wifi",
        "second",
        "the access point is off; it tries again by itself",
        2.0,
        "seconds",
        0.1,
    ),
    Kind("wifi-storm", "wifi", "second", "WIFI DISCONNECT again and again", 10, "times", 0.1),
    Kind("weak-signal", "wifi", "reading", "an access point is received badly", 88, "dBm below 0"),
    # The network
    Kind(
        "no-gateway",
        "network",
        "request",
        "nothing answers: names, pings, connections, the time",
        9.0,
        "seconds until they fail",
        0.2,
    ),
    Kind("refuse", "network", "connection", "it fails", 0.0, "seconds until then"),
    Kind("connect-delay", "network", "connection", "it takes long", 20.0, "seconds", 0.5),
    Kind("black-hole", "network", "connection", "it opens, and nothing passes ever after"),
    Kind("peer-reset", "network", "piece", "the peer resets, instead of this piece", share=0.2),
    Kind("slow", "network", "piece", "it and all behind it come late", 0.5, "seconds"),
    Kind("datagram-loss", "network", "datagram", "it is lost, either way"),
    Kind("dns-fail", "network", "look-up", "the name is not found", 5.0, "seconds until then"),
    Kind("no-time", "network", "SNTP request", "no answer: it stays 1970"),
    Kind("update-fail", "network", "update", "AT+CIUPDATE fails behind a step", 3, "the step"),
    Kind("dns-delay", "network", "look-up", "the answer comes late", 5.0, "seconds"),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _KINDS}

BOTH_WAYS = ("drop", "flip", "overrun", "stall", "slice")
"""Names that stand for `-up` and `-down` together."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a SPEC."""

    kind: Kind
    rate: float
    place: int | None
    value: float


_FAULT = re.compile(r"(?P<name>[a-z-]+)(?::(?P<rate>[^@:=]*)|@(?P<place>[^@:=]*))?(?:=(?P<value>[^@:=]*))?\Z")


def parse_faults(spec: str) -> tuple[Fault, ...]:
    """The faults of a SPEC; none for an empty one. Raises ValueError naming the mistake."""
    found: list[Fault] = []
    for text in filter(None, map(str.strip, spec.split(","))):
        found += _parse_one(text)
    return tuple(found)


def _parse_one(text: str) -> list[Fault]:
    match = _FAULT.match(text)
    if match is None:
        raise ValueError(f"fault {text!r} is not NAME[:RATE|@PLACE][=VALUE]")
    name = match["name"]
    rate, place = 1.0, None
    if match["rate"] is not None:
        rate = _number(text, "rate", match["rate"])
        if rate > 1:
            raise ValueError(f"fault {text!r}: a rate is a chance from 0 to 1")
    elif match["place"] is not None:
        if not (match["place"].isascii() and match["place"].isdigit()) or int(match["place"]) < 1:
            raise ValueError(f"fault {text!r}: a place is a number from 1 on")
        place = int(match["place"][:20])
        if place > MOST_PLACE:
            raise ValueError(f"fault {text!r}: a place is at most {MOST_PLACE}")
    value = None if match["value"] is None else _number(text, "value", match["value"])
    if name == "all":
        if match["rate"] is None or value is not None:
            raise ValueError(f"fault {text!r} is not all:RATE")
        return [Fault(kind, rate * kind.share, None, kind.value) for kind in _KINDS if kind.share]
    names = [f"{name}-up", f"{name}-down"] if name in BOTH_WAYS else [name]
    if names[0] not in KINDS:
        raise ValueError(f"no fault {name!r}; there are all, {', '.join((*BOTH_WAYS, *KINDS))}")
    kinds = [KINDS[each] for each in names]
    if value is not None and not kinds[0].means:
        raise ValueError(f"fault {text!r}: {name} takes no value")
    if value is not None and value > kinds[0].most:
        raise ValueError(f"fault {text!r}: {name} takes {kinds[0].most:.0f} {kinds[0].means} at most")
    return [Fault(kind, rate, place, kind.value if value is None else value) for kind in kinds]


def _number(text: str, what: str, number: str) -> float:
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ValueError(f"fault {text!r}: {number!r} is no {what}")
    return value


class Trigger:
    """Counts the occasions of one fault and chooses those it takes."""

    def __init__(self, fault: Fault, random: Random) -> None:
        self.fault = fault
        self._random = random
        self._left = self._distance() if fault.place is None else fault.place

    def _distance(self) -> float:
        """How many occasions until the next one taken, itself included: geometric, in one draw."""
        rate = self.fault.rate
        if rate <= 0:
            return math.inf
        if rate >= 1:
            return 1
        return 1 + math.floor(math.log(1 - self._random.random()) / math.log(1 - rate))

    def hits(self, count: int) -> list[int]:
        """Which of the next `count` occasions are taken, from 0."""
        taken: list[int] = []
        passed = 0
        while self._left <= count - passed:
            passed += int(self._left)
            taken.append(passed - 1)
            self._left = self._distance() if self.fault.place is None else math.inf
        self._left -= count - passed
        return taken

    def hit(self) -> bool:
        """Whether the next occasion is taken."""
        return bool(self.hits(1))


class Triggers:
    """The triggers of one module, by name. All chance comes from the module's own Random."""

    def __init__(self, faults: tuple[Fault, ...], random: Random) -> None:
        self.random = random
        self._by_name: dict[str, list[Trigger]] = {}
        self.add(faults)

    def add(self, faults: tuple[Fault, ...]) -> None:
        """More of them, counting from now."""
        for fault in faults:
            self._by_name.setdefault(fault.kind.name, []).append(Trigger(fault, self.random))

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def hit(self, name: str) -> Fault | None:
        """One occasion has come: the fault to do, or None. Several of a name each count; the first wins."""
        found: Fault | None = None
        for trigger in self._by_name.get(name, ()):
            if trigger.hit() and found is None:
                found = trigger.fault
        return found

    def hits(self, name: str, count: int) -> list[tuple[int, Fault]]:
        """So many occasions at once, as `hit` would take them; in order."""
        found = [(at, t.fault) for t in self._by_name.get(name, ()) for at in t.hits(count)]
        return sorted(found, key=lambda each: each[0])


def fault_table() -> str:
    """The catalogue as a Markdown table, for the manual."""
    lines = ["| fault | each | what happens | value |", "| --- | --- | --- | --- |"]
    for kind in _KINDS:
        value = f"{kind.value:g} {kind.means}" if kind.means else ""
        lines.append(f"| `{kind.name}` | {kind.per} | {kind.what} | {value} |")
    return "\n".join(lines) + "\n"
