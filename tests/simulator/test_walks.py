"""Random walks by seed: `make soak` and `python -m tests.simulator.walks` go on to 100,000 commands."""

import pytest

from esp32sock.simulator.firmware.commands import registry
from esp32sock.simulator.profiles.generations import ESP8266, PROFILES
from tests.simulator.walks import COMMANDS_PER_WALK, Violation, Walk, walk

WALKS = 34
"""With 60 commands each a little over 2,000."""


@pytest.mark.parametrize("seed", range(WALKS))
def test_a_walk_ends(seed):
    assert walk(seed).commands >= COMMANDS_PER_WALK


@pytest.mark.parametrize("profile", [*PROFILES, *ESP8266])
def test_a_seed_gives_the_same_bytes(profile):
    first, second, other = Walk(1, profile), Walk(1, profile), Walk(2, profile)
    for each in (first, second, other):
        each.run(30)
    assert first.transcript == second.transcript
    assert first.transcript != other.transcript


def walk_many(seeds):
    for seed in range(seeds):
        walk(seed)


async def never(call):
    await call.board.kernel.future()


@pytest.mark.parametrize(
    ("command", "handler"),
    [(("CIPMUX", "q"), never), (("CIPCLOSE", "s"), lambda call: None)],
    ids=["a command that hangs", "a link that stays"],
)
def test_what_is_wrong_is_found(monkeypatch, command, handler):
    monkeypatch.setitem(registry.HANDLERS, command, handler)
    with pytest.raises(Violation):
        walk_many(300)
