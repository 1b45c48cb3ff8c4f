"""What a check of `esp32sock doctor` reports, and the name of each problem."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

PROBLEMS = {
    "no-port": "the serial port does not exist",
    "permission": "the user has no permission to open the port",
    "port-busy": "another program uses the port",
    "silent": "the module does not answer",
    "wrong-baud": "the module uses another baud rate",
    "not-at": "the device on the port does not run AT firmware",
    "echo": "the line only echoes, no module is on it",
    "download-mode": "the chip waits for a download of firmware",
    "empty-flash": "the chip has no firmware",
    "micropython": "the chip runs MicroPython",
    "crash-loop": "the firmware crashes and restarts",
    "boot-log": "the port is the log port of the chip, not its AT port",
    "lossy-line": "the serial line loses or damages bytes",
    "restarts": "the module restarts unexpectedly",
    "old-firmware": "the firmware has faults that later versions do not have",
    "slow-adapter": "the serial adapter delays every exchange",
    "slow-line": "the throughput is far below the baud rate",
    "no-flow-control": "the line is fast and has no flow control, so the module can lose data",
    "low-memory": "the module has little free memory",
    "station-off": "the module's Wi-Fi station is off",
    "not-joined": "the module has not joined a network",
    "no-address": "the module has joined a network but has no IP address",
    "weak-signal": "the signal of the access point is weak",
    "no-gateway": "the gateway does not answer",
    "no-names": "names cannot be resolved",
}


class Verdict(Enum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: its name, what was found, and advice; `problem` is a name in PROBLEMS, or None for OK."""

    check: str
    verdict: Verdict
    found: str
    problem: str | None = None
    advice: str | None = None


def ok(check: str, found: str, advice: str | None = None) -> Finding:
    return Finding(check, Verdict.OK, found, advice=advice)


def warning(check: str, found: str, problem: str, advice: str) -> Finding:
    return Finding(check, Verdict.WARNING, found, problem, advice)


def problem(check: str, found: str, name: str, advice: str) -> Finding:
    return Finding(check, Verdict.PROBLEM, found, name, advice)
