"""Importing: every door by itself, and nothing heavy before it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.architecture.test_dependencies import import_graph

ROOT = Path(__file__).resolve().parents[2]

# Forks once per module, so that each starts from an interpreter in which none of ours is loaded. The heavy
# libraries are loaded before, once: they are not what is tested, and would cost most of the time.
EACH_ALONE = """
import importlib, json, os, sys, traceback, warnings
names = json.load(sys.stdin)
import rich.console, serial, trio
ours = [name for name in sys.modules if name.split(".")[0] == "esp32sock"]
assert not ours, ours
failed = False
for name in names:
    pid = os.fork()
    if not pid:
        status = 1
        try:
            warnings.simplefilter("error")
            importlib.import_module(name)
            status = 0
        except ModuleNotFoundError as missing:
            if missing.name and missing.name.split(".")[0] != "esp32sock":
                print(f"{name}: not here: {missing.name}", flush=True)
                status = 0  # a shim for a library that is not installed
            else:
                traceback.print_exc()
        except BaseException:
            traceback.print_exc()
        if status:
            print(f"FAILED {name}", file=sys.stderr, flush=True)
        os._exit(status)
    _, status = os.waitpid(pid, 0)
    failed = failed or status != 0
sys.exit(failed)
"""

LIGHT = """
import json, sys
before = set(sys.modules)
import esp32sock, esp32sock.socket
json.dump(sorted(set(sys.modules) - before), sys.stdout)
"""
HEAVY = {"trio", "serial", "rich", "requests", "urllib3", "httpx", "pytest", "asyncio"}


def doors() -> list[str]:
    """The files that no other of ours imports.

    No imports go in a circle (tests/architecture), so any other file is loaded on behalf of one of these, and
    what it needs is loaded in the order that it asks for.
    """
    graph = import_graph()
    found = set(graph).difference(*graph.values())
    return sorted(name for name in found if not name.endswith(".__main__"))


def test_every_door_imports_alone() -> None:
    names = doors()
    assert {"esp32sock", "esp32sock.shims.requests", "esp32sock.simulator.protocol_sim"} <= {*names}
    done = subprocess.run(
        [sys.executable, "-c", EACH_ALONE],
        input=json.dumps(names), capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_front_door_is_light() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LIGHT], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert "esp32sock" in loaded
    assert not loaded & HEAVY
