"""Every program in README.md and docs/ is run, or says why not; test_commands.py runs the commands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import trustme

from esp32sock import config_files
from esp32sock.cli.findings import PROBLEMS
from esp32sock.simulator import Scenario
from tests.docs.blocks import BLOCKS, ROOT, Block, programs
from tests.docs.running import OPENINGS, PYTEST, Workshop, assert_ran

if TYPE_CHECKING:
    from pathlib import Path

LEFT_TO_SPHINX = re.compile(r"\{(include|toctree|eval-rst)\}")
NOT_PROGRAMS = {"text"}
FEW = 8
"""As many examples may be left unrun."""


@pytest.mark.parametrize("block", programs("python"), ids=str)
def test_a_program_runs(workshop: Workshop, block: Block) -> None:
    ran = workshop.run_python(block.text, block.opening)
    assert_ran(ran, str(block))
    assert workshop.outside.said or block.opening == PYTEST or "sim://" in block.text, "it used no module"


def is_configuration(block: Block) -> bool:
    """Whether it names modules of this machine, and not a simulated world."""
    return "[modules." in block.text


@pytest.mark.parametrize("block", [one for one in programs("toml") if not is_configuration(one)], ids=str)
def test_a_world_is_one(block: Block, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(trustme.CA().cert_pem.bytes())
    path = tmp_path / "scenario.toml"
    path.write_text(block.text, "utf-8")
    assert Scenario.read(path) != Scenario()


@pytest.mark.parametrize("block", [one for one in programs("toml") if is_configuration(one)], ids=str)
def test_a_configuration_is_one(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(block.text, "utf-8")
    path.chmod(0o600)
    file, problems = config_files.read(str(path))
    assert not problems
    assert file is not None
    assert file.modules


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.file], ids=str)
def test_a_program_that_is_also_a_file_is_that_file(block: Block) -> None:
    assert block.text == (ROOT / "examples" / str(block.file)).read_text("utf-8")


def test_the_readme_has_five_recipes() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    recipes = text.partition("## Five recipes")[2].partition("\n## ")[0]
    assert recipes.count("\n### ") == len(re.findall(r"^`examples/[\w.]+`:$", recipes, re.M)) == 5


def test_every_block_is_of_a_kind_that_is_known() -> None:
    known = {"python", "console", "toml", *NOT_PROGRAMS}
    assert not [
        str(block)
        for block in BLOCKS
        if block.language not in known and not LEFT_TO_SPHINX.fullmatch(block.language)
    ]


def test_every_problem_of_the_doctor_is_in_the_manual() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8").partition("\n## ")[0]
    rows = re.findall(r"^\| ((?:`[\w-]+`(?:, )?)+) \|", text, re.M)
    assert {name for row in rows for name in re.findall(r"`([\w-]+)`", row)} == set(PROBLEMS)


def test_openings_are_known() -> None:
    assert {block.opening for block in BLOCKS} <= {None, PYTEST, *OPENINGS}


def test_few_are_not_run_and_each_says_why() -> None:
    left = [block for block in BLOCKS if block.not_run]
    assert len(left) <= FEW
    for block in left:
        assert len(block.not_run or "") > 20
