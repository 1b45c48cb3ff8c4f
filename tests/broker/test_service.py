"""The broker as a service: started by its socket, in touch with the service manager, ended by its signals."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import socket as stdlib
import stat
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

import esp32sock
from esp32sock.broker import notify
from esp32sock.cli.service import FILES, text_of
from esp32sock.engine.port_names import ADAPTERS
from tests.broker.harness import PATIENCE_S
from tests.e2e.support import simulated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio.testing import MockClock

# As a service manager does it: the listener becomes descriptor 3 of the very process.
ACTIVATED = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.executable, [sys.executable, "-m", "esp32sock", "serve", *sys.argv[2:]])
"""


@contextmanager
def activated(listener: stdlib.socket, *words: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """`esp32sock serve` with this listener as its inherited one."""
    with subprocess.Popen(
        [sys.executable, "-c", ACTIVATED, str(listener.fileno()), *words],
        pass_fds=[listener.fileno()],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_service_from_its_first_call_to_its_end(tmp_path: Path) -> None:
    path = str(tmp_path / "service.sock")
    config = tmp_path / "config.toml"
    config.write_text('[modules.attic]\nport = "sim://2.4"\n[modules.cellar]\nport = "sim://4.1"\n')
    with (
        stdlib.socket(stdlib.AF_UNIX, stdlib.SOCK_DGRAM) as manager,
        stdlib.socket(stdlib.AF_UNIX, stdlib.SOCK_SEQPACKET) as listener,
    ):
        manager.settimeout(PATIENCE_S)
        manager.bind(str(tmp_path / "manager"))
        listener.bind(path)
        listener.listen()

        def until(line: str) -> str:
            while line not in (said := manager.recv(1000).decode()).splitlines():
                pass
            return said

        with activated(
            listener,
            *("--module", "attic", "--module", "cellar"),
            NOTIFY_SOCKET=str(tmp_path / "manager"),
            WATCHDOG_USEC="1000000",
            ESP32SOCK_CONFIG=str(config),
        ) as process:
            assert until("READY=1") == "READY=1\nSTATUS=serving attic, cellar"
            until("WATCHDOG=1")
            with (
                esp32sock.open_interface(f"unix:{path}#attic") as attic,
                esp32sock.open_interface(f"unix:{path}#sim://4.1") as cellar,
            ):
                assert "2.4.0" in attic.status().firmware
                assert cellar.status().port == "sim://4.1"
            with pytest.raises(OSError, match=r"several modules; .*: attic, cellar"):
                esp32sock.open_interface(f"unix:{path}")
            process.send_signal(signal.SIGHUP)
            until("STOPPING=1")
            _, said = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 0
            assert said.endswith("\nended\n")
        assert stat.S_ISSOCK(os.stat(path).st_mode)  # the manager's, who may start another broker


@pytest.mark.parametrize("wrong", ["a stream", "no listener"])
def test_an_inherited_socket_of_the_wrong_kind(tmp_path: Path, wrong: str) -> None:
    kind = stdlib.SOCK_STREAM if wrong == "a stream" else stdlib.SOCK_SEQPACKET
    with stdlib.socket(stdlib.AF_UNIX, kind) as listener:
        listener.bind(str(tmp_path / "socket"))
        if wrong != "no listener":
            listener.listen()
        with activated(listener, "--port", "sim://") as process:
            _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 1
        assert "ListenSequentialPacket" in said


async def test_signs_of_life_only_where_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    address = f"\0esp32sock-test-{os.getpid()}"
    with closing(stdlib.socket(stdlib.AF_UNIX, stdlib.SOCK_DGRAM)) as manager:
        manager.bind(address)
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + address[1:])
        for variables in ({}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1"}):
            for name, value in variables.items():
                monkeypatch.setenv(name, value)
            await notify.keep_watchdog()
        monkeypatch.delenv("WATCHDOG_PID")
        with trio.move_on_after(5):
            await notify.keep_watchdog()
        assert [manager.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        with pytest.raises(BlockingIOError):
            manager.recv(100)
    notify.notify("READY=1")  # nothing listens any more: no error


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine")
def test_the_units_are_right(tmp_path: Path) -> None:
    verified(tmp_path)


def verified(tmp_path: Path) -> None:
    for name in ("unit", "socket"):
        (tmp_path / FILES[name]).write_text(text_of(name))
    units = [str(tmp_path / FILES[name]) for name in ("unit", "socket")]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine")
def test_a_unit_of_an_interpreter_in_an_odd_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "100% mine"
    folder.mkdir()
    (folder / "python").symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    verified(tmp_path)


def test_the_rules_name_every_adapter() -> None:
    found = re.findall(r'idVendor\}=="(\w{4})", ATTRS\{idProduct\}=="(\w{4})"', text_of("udev"))
    assert [(int(vendor, 16), int(product, 16)) for vendor, product in found] == list(ADAPTERS)


# Another user: the interpreter has everything loaded, then gives its rights up for good.
AS_NOBODY = """
import os, sys
from esp32sock.cli import main
import esp32sock.cli.serve, esp32sock.cli.links, esp32sock.cli.get, esp32sock.cli.info
import esp32sock.simulator, esp32sock.broker.client
os.setgroups([]); os.setgid(65534); os.setuid(65534)
sys.exit(main(sys.argv[1:]))
"""


def as_nobody(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", AS_NOBODY, *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_broker_without_the_right_to_its_port(tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="broker-"))
    try:
        folder.chmod(0o777)
        with simulated(tmp_path) as module:
            device = os.path.realpath(module.port)
            os.chmod(device, 0o600)
            done = as_nobody("serve", "--port", device, "--socket", str(folder / "socket"))
        assert done.returncode == 69, done.stderr
        assert "permission denied" in done.stderr
        assert "dialout" in done.stderr
        assert not list(folder.iterdir())
    finally:
        shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("words", [("links",), ("get", "http://10.0.2.2/"), ("info",)])
def test_every_word_says_that_a_broker_is_another_users(words: tuple[str, ...]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="broker-"))
    try:
        folder.chmod(0o755)
        with stdlib.socket(stdlib.AF_UNIX, stdlib.SOCK_SEQPACKET) as listener:
            listener.bind(str(folder / "socket"))
            (folder / "socket").chmod(0o600)
            listener.listen()
            done = as_nobody(*words, "--port", f"unix:{folder}/socket")
        assert done.returncode == 69, done.stderr
        assert os.strerror(errno.EACCES) in done.stderr
    finally:
        shutil.rmtree(folder)
