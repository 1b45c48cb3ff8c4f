"""Every kind of fault that a seed may be given: where it acts, and in which doses.

docs/robustness has the contract.
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


def _simulator(name: str, *doses: str, needs: tuple[Need, ...] = ()) -> Kind:
    return Kind(name, "simulator", doses, needs)


KINDS = (
    # The serial line: bytes.
    _simulator("drop-up", "0.001", "0.005"),
    _simulator("drop-down", "0.001", "0.005"),
    _simulator("flip-up", "0.001", "0.005"),
    _simulator("flip-down", "0.001", "0.005"),
    _simulator("overrun-up", "0.0005=16", "0.001=200"),
    _simulator("overrun-down", "0.0005=16", "0.001=200"),
    _simulator("stall-up", "0.1=0.5", "0.1=3"),
    _simulator("stall-down", "0.1=0.5", "0.05=3", "0.05=8"),
    _simulator("slice-up", "0.3"),
    _simulator("slice-down", "0.1"),
    # The module's dialogue.
    _simulator("busy", "0.1", "0.4"),
    _simulator("busy-run", "0.1", "0.4"),
    _simulator("busy-spell", "0.05=1", "0.1=5"),
    _simulator("error", "0.1", "0.3"),
    _simulator("echo-on", "0.1"),
    _simulator("watchdog", "0.2=3", "0.1=8"),
    _simulator("reset", "0.0005"),
    _simulator("reset-up", "0.0005"),
    _simulator("restart", "0.1"),
    _simulator("lost-prompt", "0.4", needs=("sends",)),
    _simulator("lost-recv", "0.2", needs=("sends",)),
    _simulator("lost-send-ok", "0.9", needs=("sends",)),
    _simulator("send-fail", "0.4=0.5", "0.4=0", needs=("sends",)),
    _simulator("no-blank", "0.2"),
    _simulator("phantom-closed", "1", needs=("refused",)),
    _simulator("urc", "0.1"),
    _simulator("debug", "0.1"),
    _simulator("debug-in-ipd", "0.4", needs=("receives",)),
    _simulator("ipd-in-gap", "0.5", needs=("sends",)),
    _simulator("close-in-gap", "1", needs=("closing peers",)),
    _simulator("accept-in-gap", "0.7", needs=("clients",)),
    _simulator("lost-notice", "0.5", needs=("passive",)),
    _simulator("long-notice", "0.5=29", needs=("passive",)),
    _simulator("trailing-comma", "1", needs=("passive", "pauses")),
    # Wi-Fi and network.
    _simulator("wifi-loss", "0.1=2", "0.1=12"),
    _simulator("wifi-storm", "0.1=10"),
    _simulator("no-gateway", "0.4=9", needs=("connects",)),
    _simulator("refuse", "0.7=0", "0.7=6", needs=("connects",)),
    _simulator("connect-delay", "0.7=3", "0.7=15", needs=("connects",)),
    _simulator("black-hole", "0.7", needs=("connects",)),
    _simulator("peer-reset", "0.3", needs=("connects", "receives")),
    _simulator("slow", "0.3=0.5", "0.3=3", needs=("receives",)),
    _simulator("datagram-loss", "0.5", needs=("udp",)),
    _simulator("dns-fail", "1=5", "1=20", needs=("look-ups",)),
    _simulator("dns-delay", "1=5", "1=20", needs=("look-ups",)),
    # Whole tokens of the module, lost or said twice.
    Kind("slow-busy", "token", ("0.3", "1", "3"), brings="busy-run", needs=("sends",)),
    Kind("lost-ok", "token", ("0.25",)),
    Kind("lost-error", "token", ("1",), needs=("refused",)),
    Kind("lost-connect", "token", ("0.5",)),
    Kind("lost-closed", "token", ("1", "0.5"), needs=("closing peers",)),
    Kind("lost-ready", "token", ("1",), brings="restart-at"),
    Kind("lost-wifi", "token", ("1", "0.5"), brings="wifi-off"),
    Kind("lost-answer", "token", ("0.1",)),
    Kind("lost-block", "token", ("0.2",), needs=("receives",)),
    Kind("double-result", "token", ("0.1",)),
    Kind("double-closed", "token", ("1",), needs=("closing peers",)),
    # Whole writes of the host.
    Kind("lost-line", "write", ("0.2", "0.4")),
    Kind("lost-line-end", "write", ("0.2",)),
    Kind("lost-payload", "write", ("0.4",), needs=("sends",)),
    # Answers that are late, in order.
    Kind("late", "late", ("0.1=0.3", "0.1=1.5", "0.05=3", "0.02=8")),
    # At a moment.
    Kind("pause", "event", ("0.5", "1.5", "6", "40"), needs=("receives", "paced")),
    Kind("restart-at", "event", ("0",)),
    Kind("silent", "event", ("2", "10", "40")),
    Kind("garbage", "event", ("100", "5000")),
    Kind("unplug-at", "event", ("1", "8")),
    Kind("wifi-off", "event", ("3", "20")),
    Kind("false-wifi", "event", ("0",)),
    # From the start, for the whole run.
    Kind("latency", "setting", ("0.02", "0.15", "0.5", "1.0")),
    Kind("left-over", "setting", ("1", "4")),
    Kind("slow-reader", "setting", ("40",), needs=("half-closes",)),
    Kind("udp-stranger", "setting", ("1",), needs=("udp",)),
)

BY_NAME = {kind.name: kind for kind in KINDS}
