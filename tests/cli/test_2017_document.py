"""Firmware that keeps to the 2017 document has no query for what these words show: they work without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Done

    Run = Callable[..., Done]

PORT = ("--port", "sim://?profile=doc-v1")


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("wifi", "autojoin", "off"), "off"),
        (("wifi", "autojoin", "on"), "on"),
        (("wifi", "autojoin"), "unknown"),
        (("sleep", "--mode", "off"), "off"),
        (("sleep", "--mode", "modem"), "modem"),
        (("sleep",), "unknown"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_switches(in_a_pipe: Run, words: tuple[str, ...], shown: str) -> None:
    done = in_a_pipe(*words, *PORT)
    assert (done.returncode, done.stdout) == (0, shown + "\n"), done.stderr
    assert ("does not show" in done.stderr) == (shown == "unknown")


@pytest.mark.parametrize(
    "words",
    [("show",), ("set", "--flow", "none"), ("baud", "230400"), ("baud", "230400", "--store")],
    ids=" ".join,
)
def test_the_serial_line(in_a_pipe: Run, words: tuple[str, ...]) -> None:
    done = in_a_pipe("uart", *words, *PORT)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("this firmware does not show its serial settings\n")
    assert ("verified: use --baud" in done.stderr) == (words != ("show",))
