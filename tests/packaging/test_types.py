"""What mypy tells a user of the package, of an editable install and of an installed wheel."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packaging.conftest import Dist

pytestmark = pytest.mark.timeout(300)

RIGHT = """
from ipaddress import IPv4Address, IPv6Address
from typing import assert_type

import esp32sock
import esp32sock.trio
from esp32sock import Event, Interface, Options, events, socket
from esp32sock.commands import Raw, tcpip, wifi

esp32sock.patch()
options = Options("/dev/ttyUSB0", baudrate=921600, rtscts=True)
with esp32sock.attach("sim://", baud=9600, ssid="attic", receive="passive", direct=()) as interface:
    assert_type(interface, Interface)
    assert_type(interface.execute(wifi.Joined()), wifi.JoinedTo | None)
    assert_type(interface.execute(tcpip.Resolve("a.example"), timeout=5), list[IPv4Address | IPv6Address])
    assert_type(interface.resolve("a.example"), list[str])
    assert_type(interface.join("attic", "correct horse", timeout=60.0), wifi.JoinedTo | None)
    interface.execute(Raw(b"AT"), force=True)
    esp32sock.socket.create_connection(("a.example", 80)).close()
    for event in interface.events(maxsize=10):
        assert_type(event, Event)
        if isinstance(event, events.WifiChanged):
            assert_type(event.state, events.Wifi)
with esp32sock.open_interface(options, close_s=1.5).use(), socket.create_connection(("a", 1)) as sock:
    sock.sendall(b"x")


async def main() -> None:
    async with esp32sock.trio.open_interface(options) as own:
        assert_type(await own.execute(wifi.Joined()), wifi.JoinedTo | None)
"""

# Each line with the error code that mypy has to give for it.
WRONG = """
import esp32sock
import esp32sock.trio
from esp32sock.commands import wifi

esp32sock.attach("sim://", boud=9600)  # call-arg
esp32sock.attach("sim://", ssid=5)  # arg-type
esp32sock.attach(115200)  # arg-type
esp32sock.open_interface("sim://", receive="sometimes")  # arg-type
esp32sock.trio.open_interface("sim://", rtscts="yes")  # arg-type
interface = esp32sock.attach("sim://")
interface.execute(wifi.Joined()).nonsense  # union-attr
interface.execute("AT")  # arg-type
interface.execute(wifi.Joined(), timeout_s=5)  # call-arg
interface.resolve("a.example").result()  # attr-defined
interface.events().get(timeout="soon")  # arg-type
esp32sock.no_such_name  # attr-defined
"""


def expected(program: str) -> set[tuple[int, str]]:
    """Line and error code of every comment."""
    lines = enumerate(program.splitlines(), start=1)
    return {(number, line.partition("  # ")[2]) for number, line in lines if "  # " in line}


@pytest.fixture(scope="module")
def wheel_python(dist: Dist, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has the wheel and nothing else."""
    venv = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    (packages,) = venv.glob("lib/python*/site-packages")
    with zipfile.ZipFile(dist.wheel) as archive:
        archive.extractall(packages)
    return venv / "bin" / "python"


@pytest.mark.parametrize("install", ["editable", "wheel"])
def test_mypy_takes_right_uses_and_rejects_wrong_ones(
    install: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    python = sys.executable if install == "editable" else str(request.getfixturevalue("wheel_python"))
    for name, program in (("right", RIGHT), ("wrong", WRONG)):
        (tmp_path / f"{name}.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--python-executable", python, "."],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = re.findall(r"^(\w+)\.py:(\d+): error: .*  \[([\w-]+)\]$", done.stdout, re.M)
    assert found, done.stdout + done.stderr
    assert [one for one in found if one[0] == "right"] == [], done.stdout
    assert {(int(line), code) for _, line, code in found} == expected(WRONG), done.stdout
