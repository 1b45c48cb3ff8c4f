"""Runs an example as a reader would, in a folder of its own, with the outside world on loopback.

What a reader replaces is replaced here: the serial port by that of a simulated module, fixed ports of this
machine by free ones. A console block is run command by command by bash; what stands below a command is what
it must print, `...` standing for anything.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.docs.blocks import ROOT
from tests.docs.outside import THIS_MACHINE
from tests.e2e.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.docs.blocks import Block
    from tests.docs.outside import Outside

EXAMPLE_S = 50.0
PORT = "/dev/ttyUSB0"
SEEN = ("LICENSE", "bench", "examples")
"""What examples use of the tree."""
BUILD = ("ESP32SOCK_PUREPYTHON", "ESP32SOCK_REQUIRE_EXT")
"""What says which build is tested; no other setting of the caller's counts."""
UNTIL_STOPPED = re.compile(r"esp32sock (simulate|listen|proxy|forward)\b")

WORLD = """\
[[access_point]]
ssid = "attic"
password = "correct horse"
address = "10.0.2.15"

[network.names]
"example.com" = "10.0.2.2"
"example.org" = "10.0.2.2"
"""
"""What is around a simulated module of the example's own."""
SIMULATED = re.compile(r"sim://(?=[\s\"']|$)", re.M)

OPENINGS = {
    "attach": ("import esp32sock\ninterface = esp32sock.attach()\n", ""),
    "attach and patch": ("import esp32sock\nesp32sock.attach()\nesp32sock.patch()\n", ""),
    "open_interface": (
        "import trio\nfrom esp32sock.trio import open_interface\n"
        "async def main():\n    async with open_interface() as interface:\n",
        " " * 8,
    ),
}
"""What comes before a part of a program, and how far that is then indented."""
PYTEST = "pytest"
"""The opening of what is no program, but tests."""


@dataclass(frozen=True)
class Ran:
    """How a program ended."""

    status: int
    output: str
    complaints: str


@dataclass
class Workshop:
    """A folder to run examples in, and what they find around them."""

    outside: Outside
    folder: Path
    ports: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in SEEN:
            (self.folder / name).symlink_to(ROOT / name)
        (self.folder / "scenario.toml").write_text(WORLD, "utf-8")

    def replaced(self, text: str) -> str:
        """The example with what a reader would replace."""
        text = text.replace(PORT, self.outside.port).replace("/tmp/", f"{self.folder}/")
        text = SIMULATED.sub("sim://?scenario=scenario.toml", text)
        for served in re.findall(r"http\.server (\d+)", text):
            self.ports[served] = str(free_port())
        for port in ("8000", "7000", "3333"):
            text = re.sub(rf"\b{port}\b", lambda found: self._port(found[0]), text)
        return text

    def _port(self, written: str) -> str:
        """What stands for a port: the server's of the outside, or a free one for a server of the example."""
        if written not in self.ports:
            known = self.outside.ports.get((THIS_MACHINE, int(written)))
            self.ports[written] = str(known or free_port())
        return self.ports[written]

    @property
    def environment(self) -> Mapping[str, str]:
        clean = {
            name: value
            for name, value in os.environ.items()
            if (not name.startswith("ESP32SOCK_") or name in BUILD) and not name.lower().endswith("_proxy")
        }
        path = os.pathsep.join([str(Path(sys.executable).parent), clean.get("PATH", "")])
        extra = {"PATH": path, "PYTHONWARNINGS": "error::ResourceWarning", "NO_COLOR": "1"}
        secret = {"ESP32SOCK_PASSWORD": "correct horse"}
        return {**clean, **extra, **secret, **self.outside.environment}

    @contextmanager
    def started(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """A program; killed at the end, if it has not ended."""
        process = subprocess.Popen(
            words,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    def run(self, *words: str) -> Ran:
        """A program, to its end."""
        with self.started(*words) as process:
            output, complaints = process.communicate(timeout=EXAMPLE_S)
        return Ran(process.returncode, output, complaints)

    def run_python(self, text: str, opening: str | None = None) -> Ran:
        """A program, or a part of one behind an opening."""
        program = self.replaced(text)
        if opening == PYTEST:
            return self.run_tests(program)
        if opening is not None:
            before, indent = OPENINGS[opening]
            program = before + "".join(f"{indent}{line}\n" for line in program.splitlines())
            program += "trio.run(main)\n" if indent else ""
        path = self.folder / "program.py"
        path.write_text(program, "utf-8")
        return self.run(sys.executable, str(path))

    def run_tests(self, text: str) -> Ran:
        """A file of tests, by pytest."""
        path = self.folder / "test_example.py"
        path.write_text(text, "utf-8")
        return self.run(sys.executable, "-m", "pytest", "-q", "-o", "trio_mode=true", str(path))

    def run_console(self, text: str) -> None:
        """Every command of a console block; AssertionError where one fails or prints something else."""
        exports = ""
        with ExitStack() as running:
            for command, expected in commands_of(self.replaced(text)):
                if command.startswith("export "):
                    exports += f"{command}\n"
                elif command.endswith("&"):
                    served = re.search(r"http\.server (\d+)", command)
                    assert served is not None, f"{command}: how would one know when it is ready?"
                    process = running.enter_context(self.started("bash", "-c", f"exec {command[:-1]}"))
                    _wait_until_it_listens(process, int(served[1]))
                elif UNTIL_STOPPED.match(command):
                    self._run_until_stopped(exports, command)
                else:
                    ran = self.run("bash", "-c", exports + command)
                    assert ran.status == 0, f"{command}\n{ran.output}{ran.complaints}"
                    assert "ResourceWarning" not in ran.complaints, ran.complaints
                    assert_printed(command, ran.output, expected)

    def _run_until_stopped(self, exports: str, command: str) -> None:
        plain = re.sub(r"\s+#.*", "", command)
        with self.started("bash", "-c", f"{exports}exec {plain}") as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first, f"{command}\n{process.communicate()[1]}"
            process.send_signal(signal.SIGINT)
            _, complaints = process.communicate(timeout=EXAMPLE_S)
        assert process.returncode in (0, 130), f"{command}\n{complaints}"
        assert "Traceback" not in complaints, complaints


def commands_of(text: str) -> list[tuple[str, list[str]]]:
    """The commands of a console block, each with the lines below it."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((re.sub(r"\s+#.*", "", line[2:]).strip(), []))
        elif found:
            found[-1][1].append(line)
        else:
            raise ValueError(f"{line!r} is below no command")
    return found


def assert_printed(command: str, output: str, expected: list[str]) -> None:
    """Whether a command has printed what stands below it; nothing stands there: anything."""
    if expected:
        pattern = r"\s*\n".join(re.escape(line.rstrip()).replace(r"\.\.\.", ".*") for line in expected)
        assert re.fullmatch(pattern, output.rstrip(), re.S), f"{command} printed\n{output}"


def assert_ran(ran: Ran, block: Block | str) -> None:
    """Whether a program ended well and left nothing open."""
    assert ran.status == 0, f"{block}\n{ran.output}{ran.complaints}"
    assert "ResourceWarning" not in ran.complaints, f"{block}\n{ran.complaints}"


def _wait_until_it_listens(process: subprocess.Popen[str], port: int) -> None:
    while True:
        assert process.poll() is None, process.communicate()[1]
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            continue
        return
