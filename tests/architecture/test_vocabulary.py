"""No definition has a name that the project has given up."""

from __future__ import annotations

import argparse

import pytest

from tests.architecture.vocabulary import (
    ALIASES,
    Definition,
    definitions,
    definitions_in_cython,
    definitions_in_parser,
    definitions_in_path,
    definitions_in_python,
    definitions_in_schema,
    given_up,
    offenders,
)

EXAMPLE = """
from x import talk as t
STORY: int = 1
class Talk:
    turn: int
    def leave(self, gone, *meet, told=1, **facts):
        local = 1
        self.feed = 2
        class Inner:
            mind = 3
"""


def test_no_name_that_was_given_up_is_defined() -> None:
    found = offenders()
    assert not found, "\n" + "\n".join(found)


def test_every_alias_is_there() -> None:
    assert {(one.path, one.name) for one in definitions()} >= ALIASES


def test_definitions_in_python() -> None:
    found = {(one.kind, one.name) for one in definitions_in_python("a.py", EXAMPLE)}
    assert found == {
        ("attribute", "STORY"), ("class", "Talk"), ("attribute", "turn"), ("function", "leave"),
        ("argument", "self"), ("argument", "gone"), ("argument", "meet"), ("argument", "told"),
        ("argument", "facts"), ("attribute", "feed"), ("class", "Inner"), ("attribute", "mind"),
    }  # fmt: skip


def test_definitions_in_cython() -> None:
    code = (
        "cdef class Feed:\n    cdef int x\n    cdef int take(self, int n) except -1:\n    def clear(self):\n"
    )
    found = [(one.line, one.kind, one.name) for one in definitions_in_cython("a.pyx", code)]
    assert found == [(1, "class", "Feed"), (3, "function", "take"), (4, "function", "clear")]


def test_definitions_in_parsers() -> None:
    parser = argparse.ArgumentParser()
    parser.set_defaults(go=print)
    inner = parser.add_subparsers().add_parser("restore")
    inner.add_argument("--open", dest="plain")
    names = {one.name for one in definitions_in_parser("cli.py", parser)}
    assert {"go", "restore", "--open", "plain"} <= names


def test_definitions_in_schemas() -> None:
    schema = {"title": "esp32sock left", "properties": {"event": {"enum": ["said"]}, "x": {"const": "gone"}}}
    names = {one.name for one in definitions_in_schema("a.json", schema)}
    assert names == {"esp32sock", "left", "event", "said", "x", "gone"}


def test_names_of_files_and_folders() -> None:
    names = {one.name for one in definitions_in_path("tests/module/test_talk.py")}
    assert names == {"module", "talk"}


@pytest.mark.parametrize(
    ("path", "kind", "name", "becomes"),
    [
        ("esp32sock/engine/wifi.py", "function", "_mind", "_supervise or _keep_joined"),
        ("esp32sock/at/commands/ssl.py", "class", "SslInForce", "Get*"),
        ("esp32sock/at/commands/ssl.py", "file", "checks", "validation"),
        ("esp32sock/at/commands/ssl.py", "function", "checks", None),
        ("esp32sock/net/routes.py", "function", "leave", None),
        ("esp32sock/cli/wifi.py", "option", "--open", "--no-password"),
        ("docs/schemas/x.json", "schema", "said", "data"),
        ("esp32sock/cli/x.py", "attribute", "said", None),
    ],
)
def test_a_name_counts_in_its_place_only(path: str, kind: str, name: str, becomes: str | None) -> None:
    assert given_up(Definition(path, 1, kind, name)) == becomes
