"""`doctor` names what is wrong: problems that are put there one by one."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pty
import re
import ssl
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import serial
import trustme

from esp32sock.cli import checks
from esp32sock.cli.findings import PROBLEMS
from esp32sock.cli.fingerprints import FINGERPRINTS
from esp32sock.engine import probe
from esp32sock.simulator import BackgroundModule, Settings
from esp32sock.simulator.environment.settings import Timing
from tests.cli.terminal import SCENARIO
from tests.e2e.support import HOST
from tests.e2e.test_tls import secure_echo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.conftest import Done

    Run = Callable[..., Done]


@contextmanager
def a_terminal(answer: Callable[[bytes], bytes]) -> Iterator[str]:
    """A serial port with something else than a module behind it."""
    master, slave = pty.openpty()
    import tty

    tty.setraw(slave)

    def serve() -> None:
        try:
            while data := os.read(master, 4096):
                if said := answer(data):
                    os.write(master, said)
        except OSError:
            pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        os.close(slave)
        thread.join()
        os.close(master)


def examined(in_a_pipe: Run, port: str, *words: str) -> tuple[list[dict[str, Any]], int]:
    done = in_a_pipe("doctor", "--json", "--name", "localhost", "--port", port, *words)
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)["findings"], done.returncode


def named(findings: list[dict[str, Any]]) -> list[str]:
    """The problems, each with advice."""
    for finding in findings:
        assert (finding["problem"] is None) == (finding["verdict"] == "ok")
        assert finding["problem"] is None or finding["advice"]
    return [finding["problem"] for finding in findings if finding["problem"]]


WEAK = '[[access_point]]\nssid = "far"\nrssi = -90\n'
SILENT_GATEWAY = '[[access_point]]\nssid = "lonely"\ngateway = "10.0.2.250"\n'

INJECTED: list[tuple[str, str, int]] = [
    ("no-port", "/dev/none", 69),
    ("lossy-line", "sim://2.4?faults=drop-down:0.01", 1),
    ("restarts", "sim://2.4?faults=reset@600", 1),
    ("old-firmware", "sim://2.0", 0),
    ("slow-line", "sim://2.4?faults=stall-down:0.2=0.04", 0),
    ("station-off", "sim://2.4?joined=0", 1),
    ("no-names", "sim://2.4?faults=dns-fail=0.1", 1),
]


@pytest.mark.parametrize(("problem", "port", "status"), INJECTED, ids=[case[1] for case in INJECTED])
def test_a_problem_is_named(in_a_pipe: Run, problem: str, port: str, status: int) -> None:
    findings, found = examined(in_a_pipe, port)
    assert named(findings) == [problem]
    assert found == status


def test_nothing_wrong_is_found_where_nothing_is(in_a_pipe: Run) -> None:
    findings, status = examined(in_a_pipe, SCENARIO)
    assert named(findings) == []
    assert [finding["check"] for finding in findings] == [
        *("port", "firmware", "chip", "dialect", "adapter", "line", "throughput", "flow control", "memory"),
        *("Wi-Fi", "gateway", "names"),
    ]
    found = {finding["check"]: finding["found"] for finding in findings}
    assert re.fullmatch(r"20 of 20 answers complete, round trip [\d.]+ ms", found["line"])
    assert re.fullmatch(r"[\d.]+ kB/s from the module at 115200 baud", found["throughput"])
    assert status == 0


def test_an_adapter_that_waits(in_a_pipe: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SILENCE_S", 0.1)  # longer than it waits, as on every adapter there is
    findings, status = examined(in_a_pipe, "sim://2.4?latency_ms=40")
    assert named(findings) == ["slow-adapter"]
    assert status == 0


def test_the_rate_that_was_found_is_told(in_a_pipe: Run) -> None:
    findings, status = examined(in_a_pipe, "sim://2.4?baud=921600")
    assert named(findings) == ["wrong-baud"]
    assert "--baud 921600" in findings[0]["advice"]
    assert status == 69


def test_no_flow_control_on_a_fast_line(in_a_pipe: Run) -> None:
    findings, _ = examined(in_a_pipe, "sim://2.4?baud=921600", "--baud", "921600")
    assert named(findings) == ["no-flow-control"]


@pytest.mark.parametrize(
    ("problem", "scenario"), [("weak-signal", WEAK), ("no-gateway", SILENT_GATEWAY)], ids=["weak", "gateway"]
)
def test_a_problem_of_the_world(in_a_pipe: Run, tmp_path: Path, problem: str, scenario: str) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(scenario)
    findings, _ = examined(in_a_pipe, f"sim://2.4?scenario={path}")
    assert named(findings) == [problem]


def test_not_joined_with_the_station_on(in_a_pipe: Run, tmp_path: Path) -> None:
    port = f"sim://2.4?nvs={tmp_path / 'flash'}"
    assert in_a_pipe("wifi", "autojoin", "off", "--port", port).returncode == 0
    findings, status = examined(in_a_pipe, f"{port}&cold=1")
    assert named(findings) == ["not-joined"]
    assert status == 1


def test_joined_without_an_address(in_a_pipe: Run) -> None:
    """A network whose DHCP keeps its clients waiting."""
    slow = Timing(associate_s=0.0, dhcp_s=1000.0)
    module = BackgroundModule(Settings(cold=True, timing=slow))
    station = module.module.firmware.station
    try:
        while station.access_point is None:  # it starts in its own time; the limit is that of the test
            threading.Event().wait(0.01)
        findings, status = examined(in_a_pipe, module.path)
    finally:
        module.stop()
    assert named(findings) == ["no-address"]
    assert status == 1


def test_memory_that_others_have_taken(in_a_pipe: Run, esp32_pty: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert(HOST).configure_cert(context)
    with secure_echo(context) as (port,):
        links = [f'cipstart={link},"SSL","{HOST}",{port}' for link in range(4)]
        assert in_a_pipe("at", "cipmux=1", *links, "--port", esp32_pty).returncode == 0
        findings, status = examined(in_a_pipe, esp32_pty)
    assert named(findings) == ["low-memory"]
    assert status == 0


def test_nobody_answers(in_a_pipe: Run) -> None:
    with a_terminal(lambda data: b"") as port:
        findings, status = examined(in_a_pipe, port)
    assert named(findings) == ["silent"]
    assert status == 69


def test_somebody_else_answers(in_a_pipe: Run) -> None:
    with a_terminal(lambda data: b"login: ") as port:
        findings, status = examined(in_a_pipe, port)
    assert named(findings) == ["not-at"]
    assert status == 69


BOOT = b"ets Jul 29 2019 12:21:46\r\n\r\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n"
FOREIGN: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("echo", lambda data: data, "adapter's TX"),
    (
        "download-mode",
        lambda data: (
            b"rst:0x1 (POWERON_RESET),boot:0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))\r\n"
            b"waiting for download\r\n"
        ),
        "BOOT button",
    ),
    ("empty-flash", lambda data: BOOT + b"invalid header: 0xffffffff\r\n" * 3, "write_flash"),
    (
        "micropython",
        lambda data: (
            data.replace(b"\n", b"") + b"\nTraceback (most recent call last):\r\n"
            b'  File "<stdin>", line 1\r\nSyntaxError: invalid syntax\r\n>>> '
        ),
        "write_flash",
    ),
    (
        "crash-loop",
        lambda data: BOOT + b"Guru Meditation Error: Core  0 panic'ed (LoadProhibited).\r\n",
        "500 mA",
    ),
    ("boot-log", lambda data: BOOT + b"I (0) cpu_start: Starting scheduler on PRO CPU.\r\n", "GPIO16"),
    ("lossy-line", lambda data: b"A+CIMU\r+CIPMU:1\r\rO\n" if b"CIPMUX" in data else b"", "cable"),
    ("not-at", lambda data: b"Temperature: 21.5 C\r\nHumidity: 40 %\r\n", "write_flash"),
    ("lossy-line", lambda data: bytes(range(128, 192)), "ground"),
]


@pytest.mark.parametrize(("problem", "answer", "advice"), FOREIGN, ids=lambda value: str(value)[:13])
def test_what_is_no_module_is_named(
    in_a_pipe: Run, problem: str, answer: Callable[[bytes], bytes], advice: str
) -> None:
    with a_terminal(answer) as port:
        findings, status = examined(in_a_pipe, port)
    assert named(findings) == [problem]
    assert advice in findings[0]["advice"]
    assert status == 69


def test_every_fingerprint_is_played() -> None:
    assert [one.name for one in FINGERPRINTS] == [one[0] for one in FOREIGN]
    assert {one.name for one in FINGERPRINTS} <= set(PROBLEMS)
    assert all(one.advice and one.source for one in FINGERPRINTS)


def test_another_program_has_the_port(in_a_pipe: Run) -> None:
    with a_terminal(lambda data: b"") as port:
        holder = os.open(port, os.O_RDWR | os.O_NOCTTY)
        fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            findings, status = examined(in_a_pipe, port)
        finally:
            os.close(holder)
    assert named(findings) == ["port-busy"]
    assert status == 69


def test_a_port_that_this_user_may_not_open(in_a_pipe: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may open everything, so the refusal is put in its place."""

    def refuse(line: serial.Serial) -> None:
        raise serial.SerialException(errno.EACCES, "could not open port: permission denied")

    monkeypatch.setattr(serial.Serial, "open", refuse)
    findings, status = examined(in_a_pipe, "/dev/ttyUSB0")
    assert named(findings) == ["permission"]
    assert "dialout" in findings[0]["advice"]
    assert status == 69


def test_every_problem_is_injected_somewhere_here() -> None:
    text = Path(__file__).read_text("utf-8")
    proved = (
        {case[0] for case in INJECTED}
        | {one[0] for one in FOREIGN}
        | set(re.findall(r'named\(findings\) == \["([\w-]+)"\]', text))
    )
    assert proved | {"weak-signal", "no-gateway"} == set(PROBLEMS)
    assert len(proved) >= 12


@pytest.mark.parametrize(
    ("timer", "expected", "found"),
    [
        (16, ["slow-adapter"], "the latency timer is 16 ms"),
        (1, [], "low-latency mode is on, the latency timer is 1 ms"),
    ],
)
def test_the_latency_timer_of_an_adapter(
    in_a_pipe: Run,
    esp32_pty: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    timer: int,
    expected: list[str],
    found: str,
) -> None:
    path = tmp_path / Path(esp32_pty).name / "latency_timer"
    path.parent.mkdir()
    path.write_text(f"{timer}\n")
    monkeypatch.setattr(checks, "LATENCY", f"{tmp_path}/{{}}/latency_timer")
    findings, status = examined(in_a_pipe, esp32_pty)
    assert named(findings) == expected
    assert [finding["found"] for finding in findings if finding["check"] == "adapter"] == [found]
    assert status == 0
