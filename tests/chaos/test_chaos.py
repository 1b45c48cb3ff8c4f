"""A sample of the chaos: seeded faults of every kind, and the machinery itself."""

from __future__ import annotations

import pytest

from tests.chaos.content import content, first_difference, has_foreign, named
from tests.chaos.kinds import KINDS
from tests.chaos.ledger import Direction
from tests.chaos.plan import make_plan
from tests.chaos.running import run

SEEDS = 200
SHARE = 20
"""Seeds a test: small enough to end within the suite's time-out on a loaded machine."""


@pytest.mark.parametrize("first", range(0, SEEDS, SHARE))
def test_nothing_is_lost_and_nothing_hangs(first: int) -> None:
    for seed in range(first, first + SHARE):
        outcome = run(make_plan(seed))
        if outcome.violations:
            pytest.fail(outcome.report(), pytrace=False)


def test_a_seed_replays_to_the_same_bytes() -> None:
    for seed in range(5):
        assert run(make_plan(seed)).digest == run(make_plan(seed)).digest


def test_every_kind_is_named_once_and_has_its_doses() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert all(kind.doses for kind in KINDS)


def test_content_names_its_origin_and_offset() -> None:
    assert named(content(7, 0, 100)) == (7, 0)
    assert named(content(7, 30, 60)) is not None
    assert content(7, 10, 500) == content(7, 0, 510)[10:]


def test_a_difference_is_seen_wherever_it_is() -> None:
    data = content(3, 0, 300)
    assert first_difference(data, data) is None
    assert first_difference(data[:50], data) is None
    assert first_difference(data[:50] + b"!" + data[51:], data) == 50
    assert first_difference(data + b"x", data) == 300


def test_bytes_of_another_stream_are_told_from_a_bit_turned_over() -> None:
    data = content(3, 0, 300)
    assert not has_foreign(data, 3)
    assert not has_foreign(data.replace(b"<003:000012>", b"<083:000012>"), 3)
    assert has_foreign(data + content(9, 0, 60), 3)


@pytest.mark.parametrize(
    "arriving",
    [
        pytest.param(lambda data: data[:100] + data[120:], id="lost"),
        pytest.param(lambda data: data[:100] + data[50:], id="doubled"),
        pytest.param(lambda data: data[:100] + content(9, 0, 50) + data[100:], id="another's"),
        pytest.param(lambda data: data + b"AT+CIPSEND=0,5\r\n", id="invented"),
    ],
)
def test_a_direction_takes_only_what_was_sent(arriving) -> None:  # type: ignore[no-untyped-def]
    way = Direction(5)
    data = way.next(400)
    way.sent = len(data)
    way.take(data[:30])
    assert not way.wrong
    way.take(arriving(data)[30:])
    assert way.wrong
