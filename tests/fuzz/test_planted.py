"""The planted faults fit the code still: their lines stand there, once."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from fuzz.planted.__main__ import ROOT, Planted, all_planted

if TYPE_CHECKING:
    from pathlib import Path

PLANTED = all_planted()


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_its_lines_stand_in_the_code(planted: Planted, tmp_path: Path) -> None:
    file = tmp_path / planted.file
    file.parent.mkdir(parents=True)
    shutil.copy(ROOT / planted.file, file)
    planted.plant(tmp_path)
    assert file.read_text("utf-8") != (ROOT / planted.file).read_text("utf-8")


def test_every_target_but_the_files_of_users_has_one() -> None:
    targets = [planted.target for planted in PLANTED]
    assert targets.count("framing") == 2
    assert {"session", "reconcile", "simulator", "console"} <= set(targets)
