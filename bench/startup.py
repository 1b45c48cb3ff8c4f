"""What the first touch costs: importing the package, what `attach` needs, and a broker's client, beside trio.

Every import runs in a fresh interpreter, the runs take turns, and the least CPU time of each counts: an
import is CPU time alone, and other programs of the machine do not change that much. The interpreter's own
start is not in it, nor is compiling: the first run of each writes the byte code.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from bench._report import Criterion, Report

RUNS = 15
QUICK_RUNS = 5
TARGETS = {
    "trio": ("trio",),
    "esp32sock": ("esp32sock",),
    "attach": ("esp32sock.config", "esp32sock.net.local_interface", "esp32sock.engine.options"),
    "broker client": ("esp32sock.config", "esp32sock.broker.client"),
}
"""What `attach` imports for its work, by what the program does: see `attach._start`."""
PROGRAM = """
import sys, time
start_s, cpu_s = time.perf_counter(), time.process_time()
import {modules}
cpu_s, took_s = time.process_time() - cpu_s, time.perf_counter() - start_s
import json
has_pure = "esp32sock.at._framing_py" in sys.modules
print(json.dumps([cpu_s, took_s, len(sys.modules), "trio" in sys.modules, has_pure]))
"""
MOST_S = 0.020
"""`import esp32sock` alone."""
MOST_OF_TRIO = 1.5
"""What `attach` imports, trio among it, beside trio alone."""


def run(*, quick: bool = False) -> Report:
    report = Report("startup")
    runs: dict[str, list[tuple[float, float, int, bool, bool]]] = {name: [] for name in TARGETS}
    for _ in range(QUICK_RUNS if quick else RUNS):
        for name, modules in TARGETS.items():
            runs[name].append(_import(modules))
    cpu_s = {name: min(one[0] for one in found) for name, found in runs.items()}
    for name, found in runs.items():
        report.rows.append(
            {
                "imports": name,
                "cpu_ms": round(1000 * cpu_s[name], 1),
                "elapsed_ms": round(1000 * min(one[1] for one in found), 1),
                "of_trio": round(cpu_s[name] / cpu_s["trio"], 2),
                "modules": found[-1][2],
                "has_trio": found[-1][3],
                "has_pure_build": found[-1][4],
            }
        )
    report.criteria = [
        Criterion(
            "imports of attach, beside trio's",
            round(cpu_s["attach"] / cpu_s["trio"], 3),
            MOST_OF_TRIO,
            at_most=True,
        ),
        Criterion("import esp32sock, ms", round(1000 * cpu_s["esp32sock"], 1), 1000 * MOST_S, at_most=True),
        Criterion("trio in the client of a broker", float(runs["broker client"][-1][3]), 0, at_most=True),
    ]
    if report.build == "compiled":
        both = float(runs["attach"][-1][4])
        report.criteria.append(Criterion("pure build beside the compiled one", both, 0, at_most=True))
    return report


def _import(modules: tuple[str, ...]) -> tuple[float, float, int, bool, bool]:
    program = PROGRAM.format(modules=", ".join(modules))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    cpu_s, took_s, count, has_trio, has_pure = json.loads(done.stdout)
    return cpu_s, took_s, count, has_trio, has_pure
