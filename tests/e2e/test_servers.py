"""How the target gets server programs that are missing: installed, unpacked, or stood in for."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.e2e import servers

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins for apt-get and dpkg-deb, first on the path, that note how they were called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    installed = folder / "brokerd"
    make(folder / "apt-get", f"""
echo "apt-get $*" >> {tmp_path}/calls
case "$*" in
  *--simulate*) echo "Inst brokerd (1.0)"; echo "Inst libwanted (2.0)"; echo "Conf brokerd" ;;
  *update*) ;;
  *download*) for name; do :; done; touch brokerd_1.0.deb libwanted_2.0.deb ;;
  *install*) printf '#!/bin/sh\\n' > {installed}; chmod +x {installed} ;;
esac
""")  # fmt: skip
    make(folder / "dpkg-deb", f"""
echo "dpkg-deb $*" >> {tmp_path}/calls
mkdir -p "$3/usr/sbin" && printf '#!/bin/sh\\n' > "$3/usr/sbin/brokerd" && chmod +x "$3/usr/sbin/brokerd"
""")  # fmt: skip
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(servers, "PACKAGES", {"brokerd": ["brokerd"]})
    monkeypatch.setattr(servers, "UNPACKED", tmp_path / "servers")
    return tmp_path / "calls"


def make(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def called(commands: Path) -> list[str]:
    """The commands and what they were for."""
    words = [line.split() for line in commands.read_text().splitlines()]
    verbs = {"update", "install", "download", "--simulate", "--extract"}
    return [f"{line[0]} {next(word for word in line if word in verbs)}" for line in words]


def test_root_installs(commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    servers.install()
    assert called(commands) == ["apt-get update", "apt-get install"]
    assert servers.find("brokerd") is not None
    servers.install()  # it is there now, and nobody is asked again
    assert len(called(commands)) == 2


def test_others_unpack_below_the_virtual_environment(commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    servers.install()
    extract = ["dpkg-deb --extract"] * 2
    assert called(commands) == ["apt-get --simulate", "apt-get download", *extract]
    assert "libwanted" in commands.read_text().splitlines()[1]
    assert servers.find("brokerd") == str(servers.UNPACKED / "usr" / "sbin" / "brokerd")
    assert (servers.UNPACKED / "archives" / "brokerd_1.0.deb").exists()


@pytest.mark.parametrize("root", [True, False], ids=["root", "others"])
def test_where_neither_works_a_stand_in_takes_its_place(
    commands: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], root: bool
) -> None:
    for name in ("apt-get", "dpkg-deb"):
        make(commands.with_name("bin") / name, "echo no way to the archives; exit 100")
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    servers.install()
    assert servers.find("brokerd") is None
    said = capsys.readouterr().out
    assert "no way to the archives" in said
    assert "brokerd: not to be had; a stand-in takes its place" in said


def test_a_machine_without_apt(
    commands: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(commands.with_name("nowhere")))
    servers.install()
    assert "no apt-get here, and no brokerd: a stand-in takes its place" in capsys.readouterr().out


def test_the_command_never_fails() -> None:
    subprocess.run([sys.executable, "-m", "tests.e2e.servers"], check=True, timeout=50)
