"""How long after the faults a module must work again and everything must have ended, by what they hold up.

The recovery table of docs/robustness counts from the moment that the module answers. Here that moment is not
known; what is known is what a dose can keep from happening at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.plan import Dose, Plan

RECOVER_S = 5.0
"""New work succeeds so long after the module answers, as docs/robustness says."""
EVIDENCE_S = 25.0
"""Before that: the last fault shows, a restart or a data phase ends, and so does a probe begun before.
Of 2,000 seeds 2 need more than 8 s."""
LASTING = frozenset({"pause", "silent", "unplug-at"})
"""Events that last so many seconds."""
HOLDING = frozenset(
    {
        "busy-spell", "connect-delay", "dns-delay", "dns-fail", "late", "no-gateway", "refuse", "slow",
        "slow-busy", "stall-down", "stall-up", "watchdog",
    }
)  # fmt: skip
"""A dose of these may begin in the last moment of the faults, and hold up one command and the next."""
PROBE_EXCHANGES = 45
"""As many pass while the probes work beside five sockets: each takes the latency of the line."""
WIFI = frozenset({"false-wifi", "wifi-loss", "wifi-off", "wifi-storm"})
REJOIN_S = 30.0
"""The module joins again by itself, at times of its own."""
BLACK_HOLE_S = 30.0
"""The patience of applications whose peer is swallowed: their links are taken so long."""
SERVER_LINKS = 3
"""A listener has no more clients at a time by default (`server_links`); the module refuses the next one."""
SETTLE_S = 70.0
"""Everything that was begun has ended so long after new work succeeds: a heartbeat finds what ended unseen,
then the half-close time passes."""


def recover_s(plan: Plan) -> float:
    """How long after the end of the faults new work must succeed."""
    held_s = max((_held_s(dose, plan.faults_s) for dose in plan.doses), default=0.0)
    return RECOVER_S + EVIDENCE_S + held_s + PROBE_EXCHANGES * plan.latency_s


def listener_full_s(plan: Plan) -> float:
    """How much longer the listener may have all the clients that it may have: their users do not read."""
    pauses = sorted((tcp.read_pause_s for tcp in plan.tcp if tcp.accepted), reverse=True)
    return pauses[SERVER_LINKS - 1] if len(pauses) >= SERVER_LINKS else 0.0


def _held_s(dose: Dose, faults_s: float) -> float:
    """How long this dose keeps the module from answering after the end of the faults."""
    if dose.kind.name == "black-hole":
        return BLACK_HOLE_S
    if dose.kind.name in WIFI:
        return REJOIN_S + max(0.0, dose.at_s + float(dose.dose.rpartition("=")[2]) - faults_s)
    if dose.kind.where == "event":  # it lasts on
        return max(0.0, dose.at_s + float(dose.dose) - faults_s) if dose.kind.name in LASTING else 0.0
    if dose.kind.name in HOLDING:
        return 2 * float(dose.dose.rpartition("=")[2])
    return 0.0
