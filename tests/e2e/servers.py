"""Server programs of the end-to-end tests that are not Python: found, installed if missing, and run.

    python -m tests.e2e.servers

is run by `make test` when it sets up its packages. It looks for each of them and installs what is missing:
as root with apt-get install, else with apt-get download and unpacked below the virtual environment. Where
neither works the tests use a stand-in of their own (tests/e2e/fakes.py); the exit status is always 0.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PACKAGES = {"mosquitto": ["mosquitto"], "redis-server": ["redis-server", "redis-tools"]}
"""Program and Debian packages; the second one of redis holds what the program is a link to."""
UNPACKED = Path(sys.prefix) / "servers"
LIBRARIES = ("usr/lib", "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "lib/x86_64-linux-gnu")
START_S = 20.0
IMPATIENT = ("-q", "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=15")
"""Of apt-get: a machine without a way to the archives shall not wait for them long."""


def find(program: str) -> str | None:
    """Where a program is; None if it is not installed."""
    places = [os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin"]
    places += [str(UNPACKED / "usr" / folder) for folder in ("bin", "sbin")]
    return shutil.which(program, path=os.pathsep.join(places))


@contextmanager
def running(program: str, *arguments: str, port: int) -> Iterator[int]:
    """A server program, listening on this port of loopback."""
    path = find(program)
    assert path is not None
    libraries = os.pathsep.join(str(UNPACKED / folder) for folder in LIBRARIES)
    process = subprocess.Popen(
        [path, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "LD_LIBRARY_PATH": libraries},
    )
    try:
        _wait_until_it_listens(process, port)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            assert process.poll() is None, "the server ended at once"
            assert time.monotonic() < deadline, "the server does not listen"
        else:
            return


def install(
    wanted: Mapping[str, list[str]] | None = None, otherwise: str = "a stand-in takes its place"
) -> None:
    """Get what is missing, as far as that is possible here; `otherwise` says what becomes of the tests."""
    missing = {name: packages for name, packages in (wanted or PACKAGES).items() if find(name) is None}
    if not missing:
        return
    if shutil.which("apt-get") is None:
        print(f"no apt-get here, and no {', '.join(missing)}: {otherwise}")
        return
    if os.geteuid() == 0:
        _run("apt-get", *IMPATIENT, "update")
        names = [package for packages in missing.values() for package in packages]
        _run("apt-get", *IMPATIENT, "-y", "--no-install-recommends", "install", *names)
    else:
        for packages in missing.values():
            _unpack(packages)
    for program in missing:
        print(f"{program}: {find(program) or 'not to be had; ' + otherwise}")


def _unpack(packages: list[str]) -> None:
    """The packages and those libraries that this machine lacks for them, below the virtual environment."""
    archives = UNPACKED / "archives"
    archives.mkdir(parents=True, exist_ok=True)
    steps = _run("apt-get", "--simulate", "--no-install-recommends", "install", *packages)
    would = [line.split()[1] for line in steps.splitlines() if line.startswith("Inst ")]
    libraries = [name for name in would if name.startswith("lib")]
    _run("apt-get", *IMPATIENT, "download", *packages, *libraries, folder=archives)
    for archive in archives.glob("*.deb"):
        _run("dpkg-deb", "--extract", str(archive), str(UNPACKED))


def _run(*command: str, folder: Path | None = None) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            text=True,
            check=False,
            timeout=300,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"{command[0]}: {error}")
        return ""
    if done.returncode:
        print(f"{' '.join(command)}: {done.stdout.strip()[-300:]}")
    return done.stdout


if __name__ == "__main__":
    install()
