"""Nothing leaves by the host: every way of `ways.py`, under `esp32sock run --direct none`, is watched."""

from __future__ import annotations

import json
import os
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
from tests.shims.host_calls import watch
from tests.shims.ways import CARRIED, NAME, NAMED, REFUSED, WAYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAM = Path(__file__).with_name("ways.py")
SCENARIO = f'[network.names]\n"{NAME}" = "127.0.0.1"\n'
MOST_S = 500.0

WORDS = ("the module", "no module", "to another file")
"""What a refusal says; the last of a virtual socket whose descriptor was replaced."""


@dataclass(frozen=True)
class Run:
    """What one run of all ways gave."""

    ways: dict[str, dict[str, Any]]
    stderr: str
    ports: list[int | None] | None
    """Of the calls that reach the host's network; None if they cannot be seen here."""
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
        watched = watch(folder)
        command = [
            *(watched.prefix if watched else ()),
            sys.executable, "-W", "ignore", "-m", "esp32sock", "run", "--port", esp32.port,
            "--direct", "none", str(PROGRAM),
        ]  # fmt: skip
        environment = {name: text for name, text in os.environ.items() if not name.lower().endswith("_proxy")}
        environment |= {"PYTHONPATH": str(folder), "WAYS_FOLDER": str(folder)}
        environment["WAYS_PORTS"] = " ".join(map(str, ports))
        environment |= watched.environment if watched else {}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=MOST_S, env=environment, check=False
        )
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        seen = watched.ports() if watched else None
        yield Run({line.pop("way"): line for line in lines}, done.stderr, seen, ports[2])


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


def test_the_host_was_asked_only_for_what_is_named(run: Run) -> None:
    if run.ports is None:
        pytest.skip("needs strace or a C compiler, to see what a program asks of the host")
    assert run.ports == [run.named_port] * 2  # another program, and ctypes


@pytest.mark.parametrize("by", ["strace", "preload"])
def test_a_watch_sees_what_leaves(by: str, tmp_path: Path) -> None:
    """Each kind of call once, in the program and in its child; none that stays on this machine."""
    watched = watch(tmp_path, by)
    if watched is None:
        pytest.skip(f"needs {'strace' if by == 'strace' else 'a C compiler'}")
    words = [*watched.prefix, sys.executable, "-S", "-c", LEAVES]
    subprocess.run(words, check=True, env={**os.environ, **watched.environment}, timeout=60)
    assert watched.ports() == [1, 2, 3, 4]


LEAVES = """
import os, socket
from contextlib import suppress
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    sock = socket.socket(socket.AF_INET, kind)
    with suppress(OSError):
        if kind == socket.SOCK_STREAM:
            sock.connect(("127.0.0.1", 1))
        else:
            sock.sendto(b"x", ("127.0.0.1", 2))
            sock.sendmsg([b"x"], (), 0, ("127.0.0.1", 3))
with suppress(OSError):
    socket.socket(socket.AF_UNIX).connect("/nowhere")
one, other = socket.socketpair()
one.send(b"x")
if not (child := os.fork()):
    with suppress(OSError):
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b"x", ("::1", 4))
    os._exit(0)
os.waitpid(child, 0)
"""


def test_what_passes_is_named_on_stderr(run: Run) -> None:
    named = [line for line in run.stderr.splitlines() if line.startswith("esp32sock: ")]
    assert [line.split()[1] for line in named if "bash" in line or "ctypes" in line or "pycurl" in line] == [
        "bash",
        "ctypes",
        "pycurl",
    ], named
