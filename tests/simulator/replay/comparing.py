"""Whether the exchanges of a replay are equal.

An exchange is equal if what the module printed is, after `normalise`. Where the recorded module was so slow
that the end of an answer fell behind the next write, or the simulated one is, both exchanges are compared as
one: where a pause falls does not count. In duplex files, where it is chance at which moment a block of
received data is printed, see `duplex`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from .duplex import compare_duplex
from .normalise import normalise

if TYPE_CHECKING:
    from .replaying import Exchange, Replay


def compare(replay: Replay) -> None:
    """Fill in `equal` of every exchange."""
    exchanges = replay.exchanges
    for exchange in exchanges:
        recorded, simulated = exchange.compared
        exchange.equal = recorded == simulated
    for first, second in pairwise(exchanges):
        if not first.sent or not second.sent or first.section != second.section:
            continue
        if not (first.equal and second.equal):
            _compare_as_one(first, second)
    if "duplex" in replay.capture.topic:
        compare_duplex(replay)


def _compare_as_one(first: Exchange, second: Exchange) -> None:
    recorded = normalise(first.recorded + second.recorded)
    if recorded == normalise(first.simulated + second.simulated):
        first.equal = second.equal = True
