"""Nothing leaves by the host: every way of `ways.py`, under `esp32sock run --direct none` and strace."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.support import simulated
from tests.shims.ways import CARRIED, NAME, NAMED, REFUSED, WAYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAM = Path(__file__).with_name("ways.py")
SCENARIO = f'[network.names]\n"{NAME}" = "127.0.0.1"\n'
STRACE = ("strace", "-f", "-yy", "--seccomp-bpf", "-e", "trace=connect,sendto,sendmsg,sendmmsg")
MOST_S = 500.0

# `connect(5<TCP:[12]>, {sa_family=AF_INET, sin_port=htons(80), ...`: what -yy says of the descriptor counts,
# for an address that is given to an AF_UNIX socket goes nowhere.
_CALL = re.compile(
    r"(connect|sendto|sendmsg|sendmmsg)\(\d+<(?!UNIX|NETLINK)[^>]*>.*sa_family=AF_(?!UNIX|NETLINK)"
)
WORDS = ("the module", "no module", "to another file")
"""What a refusal says; the last of a virtual socket whose descriptor was replaced."""

_PORT = re.compile(r"sin6?_port=htons\((\d+)\)")


@dataclass(frozen=True)
class Run:
    """What one run of all ways gave."""

    ways: dict[str, dict[str, Any]]
    stderr: str
    calls: list[str] | None
    """The calls of the kernel that reach the host's network; None without strace."""
    named_port: int


def serve(accepts: socket.socket, answer: Callable[[socket.socket], None]) -> None:
    with suppress(OSError):
        while True:
            connection, _ = accepts.accept()
            with connection, suppress(OSError):
                answer(connection)


def send_line(connection: socket.socket) -> None:
    """An answer that fits no protocol: the client gives up."""
    connection.sendall(b"esp32sock\r\n")


def echo(sock: socket.socket) -> None:
    with suppress(OSError):
        while True:
            sock.sendto(*sock.recvfrom(2000))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("ways")
    (folder / "scenario.toml").write_text(SCENARIO)
    (folder / "pycurl.py").write_text("")
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        ports = [listener.getsockname()[1] for listener in listeners]
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", ports[0]))
        jobs: list[tuple[Callable[..., None], tuple[Any, ...]]] = [(echo, (udp,))]
        jobs += [(serve, (listener, send_line)) for listener in listeners]
        for job, arguments in jobs:
            threading.Thread(target=job, args=arguments, daemon=True).start()
        stack.callback(lambda: [each.shutdown(socket.SHUT_RDWR) for each in listeners])
        esp32 = stack.enter_context(simulated(folder, "--scenario", str(folder / "scenario.toml")))
        traced = folder / "strace"
        command = [
            *((*STRACE, "-o", str(traced)) if shutil.which("strace") else ()),
            sys.executable, "-W", "ignore", "-m", "esp32sock", "run", "--port", esp32.port,
            "--direct", "none", str(PROGRAM),
        ]  # fmt: skip
        environment = {name: text for name, text in os.environ.items() if not name.lower().endswith("_proxy")}
        environment |= {"PYTHONPATH": str(folder), "WAYS_FOLDER": str(folder)}
        environment["WAYS_PORTS"] = " ".join(map(str, ports))
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=MOST_S, env=environment, check=False
        )
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        calls = None
        if traced.exists():
            calls = [line for line in traced.read_text().splitlines() if _CALL.search(line)]
        yield Run({line.pop("way"): line for line in lines}, done.stderr, calls, ports[2])


pytestmark = pytest.mark.timeout(MOST_S + 60)


def test_there_are_many_ways() -> None:
    assert len(WAYS) >= 122
    assert len({way.name for way in WAYS}) == len(WAYS)


def test_every_way_was_tried(run: Run) -> None:
    assert not {way.name for way in WAYS} - run.ways.keys(), run.stderr


def test_each_way_goes_as_it_should(run: Run) -> None:
    wrong = {
        way.name: run.ways[way.name] for way in WAYS if not went_as_expected(way.expected, run.ways[way.name])
    }
    assert not wrong, run.stderr


def went_as_expected(expected: str, found: dict[str, Any]) -> bool:
    if expected == CARRIED:
        return found["links"] > 0 or found["answer"] is True
    if expected == REFUSED:
        return found["links"] == 0 and any(words in (found["error"] or "") for words in WORDS)
    return expected == NAMED and found["error"] is None


def test_nothing_connects_at_the_end(run: Run) -> None:
    assert "a daemon thread at exit" not in run.ways
    assert "module" in run.ways["at exit"]["error"]


def test_the_kernel_saw_only_what_is_named(run: Run) -> None:
    if run.calls is None:
        pytest.skip("this machine has no strace")
    ports = [int(found[1]) if (found := _PORT.search(call)) else None for call in run.calls]
    assert ports == [run.named_port] * 2, run.calls  # another program, and ctypes


def test_what_passes_is_named_on_stderr(run: Run) -> None:
    named = [line for line in run.stderr.splitlines() if line.startswith("esp32sock: ")]
    assert [line.split()[1] for line in named if "bash" in line or "ctypes" in line or "pycurl" in line] == [
        "bash",
        "ctypes",
        "pycurl",
    ], named
