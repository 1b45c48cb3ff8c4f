"""Every command in README.md and docs/ is run, and prints what stands below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs.blocks import programs

if TYPE_CHECKING:
    from tests.docs.blocks import Block
    from tests.docs.running import Workshop


@pytest.mark.parametrize("block", programs("console"), ids=str)
def test_a_command_runs(workshop: Workshop, block: Block) -> None:
    workshop.run_console(block.text)
