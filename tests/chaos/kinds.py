"""Every kind of fault that a seed may be given: where it acts, in which doses, and whether the engine holds.

`open` names the mechanism that does not hold yet: such a kind is left out of the sample in the suite and
takes part in the soak. docs/robustness has the contract; a kind is closed by emptying its `open`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Where = Literal["simulator", "token", "write", "late", "event", "setting"]
Need = Literal[
    "passive",
    "clients",
    "udp",
    "look-ups",
    "refused",
    "sends",
    "closing peers",
    "half-closes",
    "connects",
    "receives",
    "pauses",
    "paced",
]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault. A dose is a rate, a SPEC's `RATE=VALUE`, or the value of an event."""

    name: str
    where: Where
    doses: tuple[str, ...]
    needs: tuple[Need, ...] = ()
    """What a plan must have for this fault to find an occasion."""
    brings: str = ""
    """Another kind, without which this one has no occasion."""
    open: str = ""


def _simulator(name: str, *doses: str, needs: tuple[Need, ...] = (), open: str = "") -> Kind:  # noqa: A002
    return Kind(name, "simulator", doses, needs, open=open)


KINDS = (
    # The serial line: bytes.
    _simulator("drop-up", "0.001", "0.005", open="damaged line"),
    _simulator("drop-down", "0.001", "0.005", open="damaged line"),
    _simulator("flip-up", "0.001", "0.005", open="damaged line"),
    _simulator("flip-down", "0.001", "0.005", open="damaged line"),
    _simulator("overrun-up", "0.0005=16", "0.001=200", open="damaged line"),
    _simulator("overrun-down", "0.0005=16", "0.001=200", open="damaged line"),
    _simulator("stall-up", "0.1=0.5", "0.1=3", open="late answer"),
    _simulator("stall-down", "0.1=0.5", "0.05=3", "0.05=8", open="late answer"),
    _simulator("slice-up", "0.3"),
    _simulator("slice-down", "0.1"),
    # The module's dialogue.
    _simulator("busy", "0.1", "0.4", open="late answer"),
    _simulator("busy-run", "0.1", "0.4", open="late answer"),
    _simulator("busy-spell", "0.05=1", "0.1=5", open="late answer"),
    _simulator("error", "0.1", "0.3", open="links of two minds"),
    _simulator("echo-on", "0.1"),
    _simulator("watchdog", "0.2=3", "0.1=8"),
    _simulator("reset", "0.0005", open="missed restart"),
    _simulator("reset-up", "0.0005"),
    _simulator("restart", "0.1"),
    _simulator("lost-prompt", "0.4", needs=("sends",)),
    _simulator("lost-recv", "0.2", needs=("sends",)),
    _simulator("lost-send-ok", "0.9", needs=("sends",), open="lost line"),
    _simulator("send-fail", "0.4=0.5", "0.4=0", needs=("sends",)),
    _simulator("no-blank", "0.2"),
    _simulator("phantom-closed", "1", needs=("refused",)),
    _simulator("urc", "0.1"),
    _simulator("debug", "0.1"),
    _simulator("debug-in-ipd", "0.3", needs=("receives",), open="damaged line"),
    _simulator("ipd-in-gap", "0.5", needs=("sends",)),
    _simulator("close-in-gap", "1", needs=("closing peers",)),
    _simulator("accept-in-gap", "0.7", needs=("clients",), open="late question"),
    _simulator("lost-notice", "0.3", needs=("passive",)),
    _simulator("long-notice", "0.3=29", needs=("passive",)),
    _simulator("trailing-comma", "1", needs=("passive", "pauses")),
    # Wi-Fi and network.
    _simulator("wifi-loss", "0.1=2", "0.1=12"),
    _simulator("wifi-storm", "0.1=10", open="believed address"),
    _simulator("no-gateway", "0.4=9", needs=("connects",)),
    _simulator("refuse", "0.6=0", "0.6=6", needs=("connects",)),
    _simulator("connect-delay", "0.6=3", "0.6=15", needs=("connects",)),
    _simulator("black-hole", "0.5", needs=("connects",)),
    _simulator("peer-reset", "0.3", needs=("connects", "receives")),
    _simulator("slow", "0.3=0.5", "0.3=3", needs=("receives",)),
    _simulator("datagram-loss", "0.5", needs=("udp",)),
    _simulator("dns-fail", "1=5", "1=20", needs=("look-ups",), open="late question"),
    _simulator("dns-delay", "1=5", "1=20", needs=("look-ups",), open="late question"),
    # Whole tokens of the module, lost or said twice.
    Kind("slow-busy", "token", ("0.3", "1", "3"), brings="busy-run", needs=("sends",), open="late answer"),
    Kind("lost-ok", "token", ("0.25",), open="lost line"),
    Kind("lost-error", "token", ("1",), needs=("refused",), open="lost line"),
    Kind("lost-connect", "token", ("0.5",), open="links of two minds"),
    Kind("lost-closed", "token", ("1", "0.5"), needs=("closing peers",), open="links of two minds"),
    Kind("lost-ready", "token", ("1",), brings="restart-at", open="missed restart"),
    Kind("lost-wifi", "token", ("1", "0.5"), brings="wifi-off"),
    Kind("lost-answer", "token", ("0.1",), open="lost line"),
    Kind("lost-block", "token", ("0.2",), open="lost line", needs=("receives",)),
    Kind("double-result", "token", ("0.1",)),
    Kind("double-closed", "token", ("1",), needs=("closing peers",)),
    # Whole writes of the host.
    Kind("lost-line", "write", ("0.2", "0.4"), open="lost line"),
    Kind("lost-line-end", "write", ("0.2",), open="lost line"),
    Kind("lost-payload", "write", ("0.4",), needs=("sends",), open="lost line"),
    # Answers that are late, in order.
    Kind("late", "late", ("0.1=0.3", "0.1=1.5", "0.05=3", "0.02=8")),
    # At a moment.
    Kind("pause", "event", ("0.5", "1.5", "6", "40"), needs=("receives", "paced"), open="host pause"),
    Kind("restart-at", "event", ("0",)),
    Kind("silent", "event", ("2", "10", "40"), open="late answer"),
    Kind("garbage", "event", ("100", "5000"), open="damaged line"),
    Kind("unplug-at", "event", ("1", "8")),
    Kind("wifi-off", "event", ("3", "20")),
    Kind("false-wifi", "event", ("0",), open="believed address"),
    # From the start, for the whole run.
    Kind("latency", "setting", ("0.02", "0.15", "0.5", "1.0"), open="slow line"),
    Kind("left-over", "setting", ("1", "4"), open="left-over state"),
    Kind("slow-reader", "setting", ("40",), needs=("half-closes",), open="half-close"),
    Kind("udp-stranger", "setting", ("1",), needs=("udp",), open="UDP peer"),
)

BY_NAME = {kind.name: kind for kind in KINDS}
HOLDING = tuple(kind for kind in KINDS if not kind.open)
