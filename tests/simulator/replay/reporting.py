"""The figures of a replay, and the report that names every difference."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .capture import load
from .comparing import compare
from .differences import DIFFERENT, DOUBTFUL
from .replaying import Exchange, Player

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass
class Result:
    """One capture, replayed and compared."""

    name: str
    firmware: str
    topic: str
    exchanges: list[Exchange]

    @property
    def different(self) -> list[Exchange]:
        return [exchange for exchange in self.exchanges if not exchange.equal]

    def reason(self, exchange: Exchange) -> str:
        """Why this exchange may differ; empty if it is not known why."""
        listed = DOUBTFUL.get(self.name, {}) | DIFFERENT.get(self.name, {})
        return exchange.doubtful or listed.get(exchange.line, "")

    def is_doubtful(self, exchange: Exchange) -> bool:
        """What was recorded here is not trusted (real-firmware 2)."""
        return bool(exchange.doubtful) or exchange.line in DOUBTFUL.get(self.name, {})


@dataclass
class Figures:
    """How many exchanges there are, are equal, and are doubtful without being equal."""

    total: int = 0
    equal: int = 0
    doubtful: int = 0
    captures: list[str] = field(default_factory=list)

    def add(self, result: Result) -> None:
        self.total += len(result.exchanges)
        self.equal += len(result.exchanges) - len(result.different)
        self.doubtful += sum(result.is_doubtful(exchange) for exchange in result.different)
        self.captures.append(result.topic)

    @property
    def share(self) -> float:
        return self.equal / self.total

    @property
    def share_without_doubtful(self) -> float:
        return self.equal / (self.total - self.doubtful)

    def __str__(self) -> str:
        return (
            f"{self.equal:5} of {self.total:5} equal, {100 * self.share:5.1f} %; "
            f"without {self.doubtful} doubtful {100 * self.share_without_doubtful:5.1f} %"
        )


def replay(path: Path) -> Result:
    capture = load(path)
    played = Player(capture).run()
    compare(played)
    exchanges = [exchange for exchange in played.exchanges if exchange.counts]
    return Result(capture.name, capture.firmware, capture.topic, exchanges)


def figures(results: Iterable[Result]) -> dict[str, Figures]:
    """By firmware."""
    made: dict[str, Figures] = {}
    for result in results:
        made.setdefault(result.firmware, Figures()).add(result)
    return made


def shown(data: bytes, limit: int = 200) -> str:
    text = repr(data)[2:-1]
    return text if len(text) <= limit else f"{text[: limit - 60]} ... {text[-50:]} ({len(data)})"


def describe(result: Result) -> Iterable[str]:
    """A paragraph for each differing exchange."""
    section = ""
    for exchange in result.different:
        if exchange.section != section:
            section = exchange.section
            yield f"\n{result.name} | {section}"
        recorded, simulated = exchange.compared
        yield f"  {exchange.line:5} > {shown(exchange.written)}"
        yield f"        recorded  {shown(recorded)}"
        yield f"        simulated {shown(simulated)}"
        yield f"        because   {result.reason(exchange) or 'NOT LISTED'}"
