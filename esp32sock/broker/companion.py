"""A broker beside one program and its children; it ends with the last process of the program.

Theory of operation. The broker is a process of its own, so that the program may fork, exec and end in any
order. It is no child of the program, which may wait for all of its children. It reads its options from stdin,
and says on stdout how the start went. Then stdin stays open: the other end is in the program and in every
process forked from it, until they end or become another program. After that, the broker ends as soon as no
client is connected, and the program that started it is gone.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import select
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esp32sock import diagnostics
from esp32sock._logging import log_to_stderr
from esp32sock.broker import child_environment
from esp32sock.errors import PortError

if TYPE_CHECKING:
    from esp32sock.broker.server import Broker
    from esp32sock.engine.options import Options

STARTING_S = 1.0
"""How long a child may take from its start to its first call, when all other processes are gone."""
FORKED_S = 0.2
"""How long the program's end of stdin may stay open behind its leaving, if no process was forked from it."""
QUIET_S, LEAVING_S = 0.05, 1.0
"""How long no client is connected when the program has left, and how long that is waited for."""
END_S = 15.0
"""How long the program waits at its end for the delivery of what was sent."""
LEAVING, STAYS = b"leaving\n", b"stays\n"

_SOURCES = str(Path(__file__).resolve().parents[2])


@dataclass(frozen=True, eq=False)
class Companion:
    """The broker of this program; `pid` is its process."""

    url: str
    pid: int
    to_it: int
    from_it: int

    def leave(self) -> None:
        """To be called at the end of the program: wait for the delivery, unless other processes go on.

        Blocks at most END_S.
        """
        try:
            with suppress(OSError):  # it was killed
                os.write(self.to_it, LEAVING)
            os.close(self.to_it)
            with suppress(TimeoutError):
                _line(self.from_it, END_S)
        finally:
            os.close(self.from_it)


class Starting:
    """A broker that starts, while its program does something else; `ready` waits for it."""

    def __init__(self, options: Options) -> None:
        self._folder = tempfile.mkdtemp(prefix="esp32sock-run-")
        self._process = _start(self._folder)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        said = {"options": asdict(options), "log": logging.getLogger("esp32sock").getEffectiveLevel()}
        try:
            os.write(self._process.stdin.fileno(), json.dumps(said).encode() + b"\n")
        except BaseException:
            self._give_up()
            raise

    def ready(self) -> Companion:
        """The broker, once it serves; PortError with the reason if it cannot."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        to_it, from_it = self._process.stdin, self._process.stdout
        try:
            self._process.wait()  # it was only there to start the broker, which is no child of ours
            said = json.loads(_line(from_it.fileno()) or b'{"error": "the broker ended at once"}')
        except BaseException:
            self._give_up()
            raise
        if "error" in said:
            self._give_up()
            raise PortError(said["error"], errno=said.get("errno", errno.EIO))
        companion = Companion(
            f"unix:{_path(self._folder)}", said["pid"], os.dup(to_it.fileno()), os.dup(from_it.fileno())
        )
        self._close()
        return companion

    def _close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()

    def _give_up(self) -> None:
        self._close()
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def _start(folder: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": _with_sources(os.environ.get("PYTHONPATH", ""))}
    environment.pop(child_environment.MARKER, None)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "esp32sock.broker.companion", folder, str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        env=environment,
        start_new_session=True,  # Ctrl-C is the program's
    )


def _with_sources(path: str) -> str:
    """PYTHONPATH by which the broker finds this very package."""
    return os.pathsep.join([*filter(None, path.split(os.pathsep)), _SOURCES])


def _path(folder: str) -> str:
    return os.path.join(folder, "broker.sock")


def _line(fd: int, timeout: float | None = None) -> bytes:
    """What a pipe says up to the end of a line, or its own end; TimeoutError if it says nothing so long."""
    line = b""
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    while not line.endswith(b"\n"):
        if not poller.poll(None if timeout is None else timeout * 1000):
            raise TimeoutError
        byte = os.read(fd, 1)
        if not byte:
            break
        line += byte
    return line


# -- in the broker ------------------------------------------------------------------------------------


def main(folder: str, starter: int) -> int:
    """Serve one module for the program that started this process; the exit status."""
    if os.fork():
        return 0
    said = json.loads(_line(0))
    log_to_stderr(said["log"])
    diagnostics.install(os.environ.get(diagnostics.DUMP_VARIABLE))
    serving, trio = import_module("esp32sock.broker.serving"), import_module("trio")
    options = import_module("esp32sock.engine.options").Options(**said["options"])

    async def serve() -> None:
        await serving.serve(
            [serving.Module(options)],
            _path(folder),
            on_ready=lambda: _say({"pid": os.getpid()}),
            until=lambda broker: _until_left(broker, starter),
        )

    try:
        trio.run(serve)
    except Exception as error:
        code = getattr(error, "errno", None)
        _say({"error": str(error), "errno": code if isinstance(code, int) else errno.EIO})
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _say(said: dict[str, Any]) -> None:
    os.write(1, json.dumps(said).encode() + b"\n")


async def _until_left(broker: Broker, starter: int) -> None:
    """Until the program and the processes it has forked are gone, and no other process is connected."""
    trio = import_module("trio")
    left = False
    async with trio.lowlevel.FdStream(os.dup(0)) as program:
        async for said in program:
            if LEAVING in said:
                left = True
                with trio.move_on_after(FORKED_S):
                    if not await program.receive_some(1):
                        break
                _say_stays()
    if left:
        with trio.move_on_after(LEAVING_S):
            await broker.until_unused(QUIET_S)
            return
        _say_stays()
    else:  # it was killed, or became another program
        await _until_gone(starter)
    await broker.until_unused(STARTING_S)


async def _until_gone(pid: int) -> None:
    trio = import_module("trio")
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        await trio.lowlevel.wait_readable(process)
    finally:
        os.close(process)


def _say_stays() -> None:
    with suppress(OSError):  # nothing waits for it
        os.write(1, STAYS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
