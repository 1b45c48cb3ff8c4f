"""What runs the examples notices when one is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs.blocks import blocks_of
from tests.docs.running import assert_printed, assert_ran, commands_of

if TYPE_CHECKING:
    from tests.docs.running import Workshop

PAGE = """\
# Page

<!-- run after: attach -->
```python
first
```

<!-- not run: it costs money -->

```console
$ second
```

Text, and `examples/fetch.py`:

```python
third
```
```
fourth
```
"""


def test_blocks_are_found_with_what_is_said_of_them() -> None:
    first, second, third, fourth = blocks_of("page.md", PAGE)
    assert (first.language, first.text, first.opening, first.line) == ("python", "first\n", "attach", 4)
    assert (second.language, second.not_run, second.opening) == ("console", "it costs money", None)
    assert (third.file, third.not_run) == ("fetch.py", None)
    assert (fourth.language, fourth.file) == ("", None)


def test_a_block_without_an_end_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"page\.md:1"):
        list(blocks_of("page.md", "```python\nfirst\n"))


def test_commands_and_what_they_print() -> None:
    assert commands_of("$ one  # why\nout\n\n$ two\n") == [("one", ["out", ""]), ("two", [])]
    with pytest.raises(ValueError, match="below no command"):
        commands_of("out\n$ one\n")


@pytest.mark.parametrize("output", ["200 5 abc\n", "200 17 \n"])
def test_dots_stand_for_anything(output: str) -> None:
    assert_printed("fetch", output, ["200 ..."])


@pytest.mark.parametrize("output", ["404 5\n", "200 5\nmore\nand 404\n", ""])
def test_another_output_is_noticed(output: str) -> None:
    with pytest.raises(AssertionError, match="fetch printed"):
        assert_printed("fetch", output, ["200 ...", "more"])


@pytest.mark.parametrize("program", ["raise SystemExit(1)", "import socket; socket.socket()", "1 +"])
def test_a_program_that_fails_or_leaves_something_open_is_noticed(workshop: Workshop, program: str) -> None:
    with pytest.raises(AssertionError):
        assert_ran(workshop.run_python(program), "program")


@pytest.mark.parametrize(
    "commands",
    [
        "$ false",
        "$ no-such-command",
        "$ echo one\ntwo",
        "$ esp32sock simulate --profile none",
        "$ false &",
        "$ false http.server 1 &",
    ],
)
def test_a_command_that_fails_is_noticed(workshop: Workshop, commands: str) -> None:
    with pytest.raises(AssertionError):
        workshop.run_console(commands)


def test_a_simulated_module_of_the_examples_own_has_a_world(workshop: Workshop) -> None:
    assert (
        workshop.replaced('"sim://" sim://2.0?seed=1') == '"sim://?scenario=scenario.toml" sim://2.0?seed=1'
    )
