"""Every fuzz target holds on a part of its seeds and on mutations of them; `make fuzz` searches longer."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import pytest

from esp32sock._build import USE_EXTENSIONS
from fuzz.mutation import Mutator
from fuzz.shrinking import shrink

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.stem for path in (ROOT / "fuzz" / "targets").glob("[!_]*.py"))
SEEDS = 60
MUTATIONS = 120
SMALL_BYTES = 1500


@pytest.fixture(params=NAMES)
def target(request: pytest.FixtureRequest) -> Any:
    if request.param == "framing" and not USE_EXTENSIONS:
        pytest.skip("no compiled framing here to hold the pure one against")
    return import_module(f"fuzz.targets.{request.param}")


def some_seeds(target: Any) -> list[bytes]:
    seeds = [seed for seed in target.seeds() if len(seed) <= SMALL_BYTES]
    return seeds[:: max(1, len(seeds) // SEEDS)]


def test_it_holds_on_its_seeds_and_near_them(target: Any) -> None:
    seeds = some_seeds(target)
    mutator = Mutator(Random(1), target.dictionary(), SMALL_BYTES)
    done = sum(target.run(data) for data in [*seeds, *(mutator.draw(seeds) for _ in range(MUTATIONS))])
    assert done > len(seeds)


@pytest.mark.parametrize("data", [b"", b"\0", b"\xff" * 40, bytes(range(256))])
def test_any_bytes_are_an_input(target: Any, data: bytes) -> None:
    assert target.run(data) >= 0


def test_a_finding_is_made_small() -> None:
    def run(data: bytes) -> None:
        assert b"x" not in data or b"y" not in data

    assert shrink(run, b"abcxdefghijklmyno") == b"xy"
    with pytest.raises(ValueError, match="raises nothing"):
        shrink(run, b"abc")
