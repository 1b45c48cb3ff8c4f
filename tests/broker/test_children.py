"""Children of a program whose module a broker has: no line of them is changed, none leaves by the host."""

from __future__ import annotations

import os
import socket as stdlib
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import esp32sock
from esp32sock.broker import child_environment
from esp32sock.socket import create_connection
from tests.broker.harness import HOST, PATIENCE_S, Served, peer, until
from tests.e2e.support import simulated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.support import SimulatedProcess

PROGRAMS = Path(__file__).with_name("programs")
PROGRAM_S = 150.0
"""Ten interpreters start one after another, on a machine that may be loaded."""
KINDS = [
    "itself", "fork", "pool-fork", "pool-spawn", "pool-forkserver", "subprocess", "own-environment", "exec",
]  # fmt: skip


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedProcess]:
    with simulated(tmp_path_factory.mktemp("children"), "--profile", "2.4") as process:
        yield process


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "esp32sock", "run", *words],
        capture_output=True,
        text=True,
        timeout=PROGRAM_S,
        check=False,
    )


def mirror(sock: stdlib.socket) -> None:
    """Send back one line."""
    data = b""
    while not data.endswith(b"\n") and (more := sock.recv(1000)):
        data += more
    sock.sendall(data)


@pytest.mark.timeout(PROGRAM_S + 30)
def test_every_kind_of_child_uses_the_module(module: SimulatedProcess) -> None:
    before = module.links_opened()
    with peer(mirror) as (host, port):
        program = str(PROGRAMS / "children.py")
        done = run("--port", module.port, "--direct", "none", program, host, str(port))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == KINDS
    assert module.links_opened() - before == len(KINDS)
    until(lambda: not module.open_links())


@pytest.mark.timeout(PROGRAM_S + 30)
def test_workers_share_the_listener_that_they_inherit(broker: Served) -> None:
    with esp32sock.open_interface(broker.url) as interface:
        station = interface.status().station_ip
        assert station is not None
        words = [sys.executable, "-m", "esp32sock", "run", "--port", broker.url]
        words += [str(PROGRAMS / "workers.py"), "8000", "3"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == "listening\n"
            answers = set()
            with interface.use():
                for number in range(3):
                    with create_connection((station, 8000)) as sock:
                        sock.settimeout(PATIENCE_S)
                        sock.sendall(b"caller %d" % number)
                        answers.add(sock.recv(100).decode())
            assert server.wait(PATIENCE_S) == 0
    workers = {answer.partition(" from")[0] for answer in answers}
    assert workers == {"worker 0", "worker 1", "started"}


@pytest.mark.timeout(PROGRAM_S + 30)
def test_udp_sockets_are_handed_on(broker: Served) -> None:
    with stdlib.socket(stdlib.AF_INET, stdlib.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def echo() -> None:
            while (received := server.recvfrom(100))[0] != b"end":
                server.sendto(*received)

        thread = threading.Thread(target=echo)
        thread.start()
        program = str(PROGRAMS / "datagrams.py")
        done = run("--port", broker.url, program, HOST, str(server.getsockname()[1]))
        server.sendto(b"end", server.getsockname())
        thread.join()
    said = ["connected True", "bound True", "bound and connected True"]
    assert done.stdout.splitlines() == said, done.stderr


def test_a_port_that_cannot_be_had_is_named() -> None:
    done = run("--port", "/dev/no-such-port", "-c", "print(1)")
    assert done.returncode == 69
    assert "/dev/no-such-port" in done.stderr
    assert not done.stdout


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["python", "-I", "x.py"], "-I"),
        (["python", "-bE", "x.py"], "-bE"),
        (["python3", "-u", "-S", "-c", "1"], "-S"),
        (["python", "-c", "print(1)", "-I"], ""),
        (["python", "x.py", "-E"], ""),
        (["python", "-u", "-m", "module"], ""),
    ],
)
def test_children_that_ignore_their_environment_are_known(words: list[str], why: str) -> None:
    assert (why in child_environment.unreachable(words)) if why else not child_environment.unreachable(words)


def test_an_environment_of_its_own_gets_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(child_environment.MARKER, "1")
    monkeypatch.setenv("ESP32SOCK_PORT", "unix:/x")
    monkeypatch.setenv("PYTHONPATH", child_environment.SITE)
    given = child_environment.carried_into([b"A=b", b"PYTHONPATH=/mine"])
    assert given is not None
    assert set(given) >= {b"A=b", b"ESP32SOCK_PORT=unix:/x"}
    assert os.fsencode(f"PYTHONPATH={child_environment.SITE}:/mine") in given
    assert child_environment.carried_into(None) is None
    assert child_environment.carried_into(given) == given
    monkeypatch.delenv("PYTHONPATH")
    all_of_ours = child_environment.carried_into(None)
    assert all_of_ours is not None
    assert os.fsencode(f"PYTHONPATH={child_environment.SITE}") in all_of_ours


def test_the_sitecustomize_of_the_environment_is_imported_too(broker: Served, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('mine')\n")
    environment = dict(os.environ, PYTHONPATH=str(tmp_path))
    child_environment.serve_children(broker.url, environment)
    code = (
        "import sys, socket; patched = 'esp32sock' in socket.socket.__init__.__code__.co_filename; "
        "print(any('children_site' in p for p in sys.path), patched)"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["mine", "False", "True"], done.stderr
