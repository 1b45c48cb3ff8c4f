"""Names that the project has given up, the places where they meant something, and a search for them.

A row says where a name was used and which kinds of definition count there. The search reads syntax trees,
Cython sources, the parsers of the command lines, JSON schemas and file names; a local variable is no
definition. A leading underscore does not make another name. `python -m tests.architecture.vocabulary` prints
what it finds.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esp32sock.cli.parser import full_parser
from esp32sock.simulator.cli import add_arguments

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).resolve().parents[2]
SEARCHED = ("esp32sock", "_speedups", "shims", "tests", "docs/schemas")
NOT_SEARCHED = re.compile(r"(^|/)(__pycache__|data)/|^tests/architecture/vocabulary\.py$")

CODE = frozenset({"file", "class", "function", "argument", "attribute"})
FILE = frozenset({"file"})
ANY = CODE | {"option", "schema"}

ENGINE = r"(esp32sock|tests)/engine/"
AT = r"((esp32sock|tests)/at|_speedups)/"
COMMANDS = r"(esp32sock|tests)/at/commands/"
ERRORS = r"esp32sock/errors\.py"
NET = r"(esp32sock|tests)/net/"
CLI = r"(esp32sock|tests)/cli/"
SCHEMAS = r"docs/schemas/"
SIMULATOR = r"((esp32sock|tests)/simulator/|shims/pytest_plugin\.py)"
TESTS = r"tests/"
DOORS = (
    r"esp32sock/(\w+\.py|net/(interface_api|local_interface|passthrough)\.py|engine/options\.py|at/commands/)"
)
API = r"(esp32sock/(?!simulator/|at/)|shims/)"


@dataclass(frozen=True)
class Row:
    """Names given up in the files that match `place`; a name may be a pattern as in a shell."""

    place: str
    kinds: frozenset[str]
    names: dict[str, str]


TABLE = (
    Row(r"(esp32sock|tests)/", FILE, {"module": "engine"}),
    Row(ENGINE, CODE, {"Module": "Engine", "dialogue": "channel", "Dialogue": "CommandChannel"}),
    Row(ENGINE, CODE, {"turn": "exclusive", "execute_in_turn": "execute_exclusive"}),
    Row(
        ENGINE,
        CODE,
        {
            "ground": "command_policy",
            "Standing": "AffectedLinks",
            "standing": "AffectedLinks",
            "clear": "close_affected",
            "refuse_what_never_goes": "reject_unsupported",
            "execute_on_clear_ground": "_execute_exclusive",
        },
    ),
    Row(
        ENGINE,
        CODE,
        {
            "talk": "management",
            "Talk": "ManagementSession",
            "talking": "open_management_session",
            "Ear": "_EventBuffer",
            "ear": "_EventBuffer",
            "has": "try_execute",
            "answers": "is_responding",
            "divert": "set_payload_sink",
        },
    ),
    Row(
        ENGINE,
        CODE,
        {
            "uninterrupted": "run_shielded",
            "wake_if_stalled": "recover_stalled_receive",
            "Securing": "TlsConfigurator",
            "securing": "TlsConfigurator",
            "Receiving": "ReceiveMode",
            "receiving": "ReceiveMode",
            "Puller": "PassiveReader",
            "puller": "PassiveReader",
        },
    ),
    Row(
        ENGINE,
        CODE,
        {
            "obeyed": "on_command_succeeded",
            "mind": "_supervise or _keep_joined",
            "is_content": "_is_settled",
            "bring_back": "_recover",
            "tolerant": "_run_background",
            "name_peers": "enable_peer_info",
        },
    ),
    Row(
        ENGINE,
        CODE,
        {
            "meet": "pair",
            "twin": "loopback_peer",
            "part": "_unpair",
            "introduce": "pair_loopback",
            "give_back": "release",
            "given_back": "wait_released",
            "leave": "release",
            "gone": "closed",
            "withdrawn": "accept_failed",
        },
    ),
    Row(AT, CODE, {"twin": "pure build"}),
    Row(
        AT,
        CODE,
        {
            "exchange": "command_transaction",
            "Exchange": "CommandTransaction",
            "flight": "command_transaction",
            "Flight": "CommandTransaction",
            "sent_again": "retransmitted",
            "spoiled": "desynchronised",
            "owe_nothing": "_expire",
            "Aside": "AmbiguousLine",
            "Plain": "SimpleCommand",
            "takes": "matches_line",
            "taken_bytes": "acknowledged_bytes",
        },
    ),
    Row(
        COMMANDS,
        CODE,
        {"*InForce": "Get*", "*FirstUart": "LegacyUart", "Pull": "ReceiveData", "Kept": "CertificateKind"},
    ),
    Row(
        COMMANDS,
        FILE,
        {"secure": "ssl", "transparent": "passthrough", "escaped": "sendex", "checks": "validation"},
    ),
    Row(
        ERRORS,
        CODE,
        {
            "means": "an errno= argument",
            "again": "clone",
            "single": "unwrap_group",
            "leaves": "flatten_group",
        },
    ),
    Row(
        NET,
        FILE,
        {
            "verbs": "interface_api",
            "current": "context",
            "ends": "socketpairs",
            "virtual": "virtual_socket",
            "listeners": "accept_queue",
            "oserrors": "error_map",
            "ports": "local_ports",
            "feed": "event_queue",
        },
    ),
    Row(
        NET,
        CODE,
        {
            "OwnEnd": "EngineEnd",
            "kept": "dup_guard",
            "let_go": "release",
            "renew": "replace_descriptor",
            "goes_on": "_resume_connect",
            "Backlog": "AcceptQueue",
            "failure": "os_error",
        },
    ),
    Row(
        CLI,
        ANY,
        {
            "Word": "Subcommand",
            "add_word": "add_subcommand",
            "Misuse": "UsageError",
            "go": "run",
            "guarded": "handle_errors",
            "told": "report",
            "facts": "print_fields",
            "plain": "to_json",
            "have_station": "enable_station",
            "only_here": "execute_if_supported",
            "Said": "Reply",
            "STORY": "PROGRESS",
            "--open": "--no-password",
        },
    ),
    Row(CLI, FILE, {"asking": "prompts", "show": "output"}),
    Row(
        SCHEMAS,
        ANY,
        {
            "happening": "listen-event",
            "said": "data",
            "answers": "at-replies",
            "left": "wifi-leave",
            "not-joined": "join-timeout",
            "restored": "restore",
        },
    ),
    Row(
        SIMULATOR,
        ANY,
        {
            "World": "Scenario",
            "world": "scenario",
            "--world": "--scenario",
            "Module": "Device",
            "Injected": "FaultInjector",
            "Questions": "NetworkRequests",
            "questions": "NetworkRequests",
            "Refusal": "CommandRefused",
            "Promise": "Future",
            "Visitor": "SoftApClient",
            "visitor": "SoftApClient",
            "heal": "clear_faults",
            "take_station": "disconnect_station",
            "lose_wifi": "disable_ap",
            "noise": "the name in the table of settings",
            "--no-join": "the name in the table of settings",
            "no_join": "the name in the table of settings",
        },
    ),
    Row(
        TESTS,
        CODE,
        {
            "rig": "harness",
            "zygote": "fork_server",
            "stand_ins": "fakes",
            "remarks": "annotations",
            "quick": "fast_timeouts",
        },
    ),
    Row(DOORS, frozenset({"argument", "attribute"}), {"baud": "baudrate"}),
    Row(API, frozenset({"argument", "attribute"}), {"within_s": "timeout", "timeout_s": "timeout"}),
)

ALIASES = frozenset({("esp32sock/config.py", "baud")})
"""Path and name of what stays as another word for a new name: an option of `attach`."""


@dataclass(frozen=True)
class Definition:
    """A name that a file defines."""

    path: str
    line: int
    kind: str
    name: str


def given_up(definition: Definition) -> str | None:
    """What the name became, or None for a name that may stay."""
    if (definition.path, definition.name) in ALIASES:
        return None
    for row in TABLE:
        if definition.kind in row.kinds and re.match(row.place, definition.path):
            for old, new in row.names.items():
                if fnmatchcase(definition.name.lstrip("_"), old):
                    return new
    return None


def definitions_in_python(path: str, code: str) -> Iterator[Definition]:
    """Classes, functions, arguments, attributes, and names bound outside the body of a function."""
    yield from _definitions_below(path, ast.parse(code), in_function=False)


def _definitions_below(path: str, parent: ast.AST, *, in_function: bool) -> Iterator[Definition]:
    for node in ast.iter_child_nodes(parent):
        inside = in_function
        match node:
            case ast.ClassDef(name=name):
                yield Definition(path, node.lineno, "class", name)
                inside = False
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield Definition(path, node.lineno, "function", name)
                inside = True
            case ast.arg(arg=name):
                yield Definition(path, node.lineno, "argument", name)
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield Definition(path, node.lineno, "attribute", name)
            case ast.Name(id=name, ctx=ast.Store()) if not in_function:
                yield Definition(path, node.lineno, "attribute", name)
        yield from _definitions_below(path, node, in_function=inside)


CYTHON_DEFINITION = re.compile(
    r"^\s*(?:c?p?def)?\s*(?:(class)\s+(\w+)|(?:def|cdef|cpdef)\b[^=(\n]*?(\w+)\()", re.M
)


def definitions_in_cython(path: str, code: str) -> Iterator[Definition]:
    """Classes and functions only."""
    for match in CYTHON_DEFINITION.finditer(code):
        line = code.count("\n", 0, match.start(2) if match[1] else match.start(3)) + 1
        yield Definition(path, line, "class" if match[1] else "function", match[2] or match[3])


def definitions_in_parser(path: str, parser: argparse.ArgumentParser) -> Iterator[Definition]:
    """Options, what they are stored as, defaults and subcommands, nested ones too."""
    names = [*parser._defaults]
    for action in parser._actions:
        names += [action.dest, *action.option_strings]
        if isinstance(action, argparse._SubParsersAction):
            names += action.choices
            for inner in action.choices.values():
                yield from definitions_in_parser(path, inner)
    for name in names:
        yield Definition(path, 0, "option", name)


def definitions_in_schema(path: str, schema: Any) -> Iterator[Definition]:
    """Fields, and the values that a field may have."""
    if isinstance(schema, dict):
        names = [*schema.get("properties", ()), *schema.get("enum", ())]
        names += [schema["const"]] if "const" in schema else []
        names += schema["title"].split() if isinstance(schema.get("title"), str) else []
        for name in names:
            yield Definition(path, 0, "schema", str(name))
    for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from definitions_in_schema(path, inner)


def definitions_in_path(path: str) -> Iterator[Definition]:
    """The file's own name, without what tells a test, and the name of its folder."""
    file = Path(path)
    yield Definition(path, 0, "file", file.stem.removeprefix("test_"))
    yield Definition(path, 0, "file", file.parent.name)


def searched_files() -> Iterable[tuple[str, Path]]:
    for folder in SEARCHED:
        for file in sorted((ROOT / folder).rglob("*")):
            path = file.relative_to(ROOT).as_posix()
            if file.is_file() and not NOT_SEARCHED.search(path):
                yield path, file


@cache
def definitions() -> frozenset[Definition]:
    """All of the tree."""
    return frozenset(_definitions())


def _definitions() -> Iterator[Definition]:
    for path, file in searched_files():
        yield from definitions_in_path(path)
        if file.suffix in {".py", ".pyi"}:
            yield from definitions_in_python(path, file.read_text("utf-8"))
        elif file.suffix in {".pyx", ".pxd"}:
            yield from definitions_in_cython(path, file.read_text("utf-8"))
        elif file.suffix == ".json":
            yield from definitions_in_schema(path, json.loads(file.read_text("utf-8")))
    yield from definitions_in_parser("esp32sock/cli/parser.py", full_parser())
    simulator_parser = argparse.ArgumentParser()
    add_arguments(simulator_parser)
    yield from definitions_in_parser("esp32sock/simulator/cli.py", simulator_parser)


def offenders() -> list[str]:
    """A line for each definition whose name the project has given up in that place."""
    found = {
        f"{one.path}:{one.line}: {one.kind} {one.name} -> {new}"
        for one in definitions()
        if (new := given_up(one)) is not None
    }
    return sorted(found, key=lambda line: (line.split(":")[0], int(line.split(":")[1])))


if __name__ == "__main__":
    found = offenders()
    print(*found, sep="\n")
    raise SystemExit(bool(found))
