"""The record of the serial line: text, capture and log."""

from __future__ import annotations

import logging
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pcapng
import pytest

from esp32sock.at.commands import softap
from esp32sock.at.commands.scan import Encryption
from esp32sock.engine.management import open_management_session
from esp32sock.engine.trace import Trace, recording
from esp32sock.engine.transports import StreamPort, open_port
from esp32sock.errors import PortError
from esp32sock.simulator import AccessPoint, Settings
from esp32sock.simulator import open_module as simulated_module
from tests.engine.harness import HOST, echo, network, running

if TYPE_CHECKING:
    import trio

    from esp32sock.engine.transports import Port

SECRET = "correct horse"
POINT = AccessPoint("attic", SECRET, encryption=3)
LINE = re.compile(r"( *\d+\.\d{3}) (H>M|M>H) +(\d+) (.*)")
WAYS = {"inbound": "M>H", "outbound": "H>M"}


def packets(path: Path) -> list[tuple[str, float, bytes]]:
    """Direction, Unix time and bytes, as an independent reader understands the file."""
    with path.open("rb") as file:
        scanner = pcapng.FileScanner(file)
        return [
            (WAYS[block.options["epb_flags"].inout], block.timestamp, block.packet_data)
            for block in scanner
            if isinstance(block, pcapng.blocks.EnhancedPacket)
        ]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.filterwarnings("ignore:Field type should not be:DeprecationWarning")  # python-pcapng's own
async def test_one_session_in_all_three(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "esp32sock.dialogue")
    text, capture = tmp_path / "trace", tmp_path / "dialogue.pcapng"
    settings = Settings(joined=False, access_points=(POINT,))
    options = {"ssid": "attic", "password": SECRET, "trace": text, "pcap": str(capture)}
    own = softap.SoftApSettings("mine", SECRET, 6, Encryption.WPA2_PSK)
    async with running(settings, network(p7000=echo), **options) as harness:
        await harness.engine.execute(softap.SetSoftAp(own), force=True)
        assert (await harness.engine.execute(softap.SoftAp())).password == SECRET
        user = await harness.connect(7000)
        await user.end.send_all(b"payload\n")
        assert await user.end.receive_some() == b"payload\n"
        await user.end.send_eof()
        await user.over.wait()

    lines = text.read_text().splitlines()
    assert lines[0].startswith("# esp32sock ")
    assert lines[1] == "## memory"
    parts = [LINE.fullmatch(line) for line in lines[2:]]
    assert all(parts)
    dialogue = [(part[2], int(part[3]), part[4]) for part in parts if part]
    assert ("H>M", 10, "AT+CIFSR\\r\\n") in dialogue
    assert any(shown == "payload\\n" and way == "H>M" for way, _, shown in dialogue)
    assert any(shown.startswith('AT+CWJAP="attic",***') for _, _, shown in dialogue)
    for _, count, shown in dialogue:
        assert len(shown.encode().decode("unicode_escape").encode("latin-1")) == count
    found = packets(capture)
    assert [(way, len(data)) for way, _, data in found] == [(way, count) for way, count, _ in dialogue]
    times = [time for _, time, _ in found]
    assert times == sorted(times)
    assert times[0] > 1_700_000_000
    logged = [record.getMessage() for record in caplog.records if record.name == "esp32sock.dialogue"]
    assert len(logged) == len(dialogue)
    assert "H>M 10 AT+CIFSR\\r\\n" in logged
    everything = text.read_bytes() + capture.read_bytes() + caplog.text.encode()
    assert SECRET.encode() not in everything
    assert mode(text) == mode(capture) == 0o600
    assert HOST.encode() in everything


async def test_a_management_session(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    text = tmp_path / "trace"
    async with simulated_module(Settings()) as simulated:

        async def opener(url: str, baud: int) -> Port:
            return StreamPort(simulated.stream, url, baud)

        async with open_management_session("memory", 115200, opener=opener, trace=text):
            pass
    assert "## memory, 115200 baud\n" in text.read_text()
    assert "AT+GMR" in text.read_text()


async def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        async with open_management_session("memory", 115200, trace=tmp_path / "no" / "trace"):
            pytest.fail("it was opened")


def test_a_full_disk_ends_the_record_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        trace = Trace(full)
        trace.add("H>M", b"AT\r\n")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "ends" in caplog.text


def test_nothing_is_recorded_unasked() -> None:
    assert not logging.getLogger("esp32sock.dialogue").isEnabledFor(logging.DEBUG)
    with recording(None, None) as trace:
        assert trace is None


def test_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    with recording("-", None) as trace:
        assert trace is not None
        trace.add("M>H", b"ready\r\n\xff\\")
    assert capfd.readouterr().err.splitlines()[-1].endswith("M>H     9 ready\\r\\n\\xff\\\\")
    os.fstat(2)


async def test_spy_is_refused_with_what_to_use() -> None:
    with pytest.raises(PortError, match=r"'/dev/ttyUSB0' with trace=FILE"):
        await open_port("spy:///dev/ttyUSB0?file=x", 115200)
