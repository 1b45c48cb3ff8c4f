"""A broker beside one program, for `esp32sock run --children`; it ends with the program's last process.

Theory of operation. The broker is a process of its own, so that the program may fork, exec and end in any
order. It reads its options from stdin, and says on stdout how the start went. Then stdin stays open: the
other end is in the program and in every process forked from it, until they end or become another program.
After that, the broker ends as soon as no client is connected, and the program that started it is gone.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    """The broker of this program."""

    url: str
    folder: str
    process: subprocess.Popen[bytes]

    def leave(self) -> None:
        """To be called at the end of the program: wait for the delivery, unless other processes go on."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            os.write(self.process.stdin.fileno(), LEAVING)
            self.process.stdin.close()
            if self.process.stdout.readline() != STAYS:
                self.process.wait(END_S)
        except (OSError, subprocess.TimeoutExpired):
            return
        finally:
            self.process.stdout.close()


def start(options: Options) -> Companion:
    """Start a broker for this module and its program; PortError with the reason if it cannot be had."""
    folder = tempfile.mkdtemp(prefix="esp32sock-run-")
    path = os.path.join(folder, "broker.sock")
    environment = {**os.environ, "PYTHONPATH": _with_sources(os.environ.get("PYTHONPATH", ""))}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "esp32sock.broker.companion", folder, str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        start_new_session=True,  # Ctrl-C is the program's
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(asdict(options)).encode() + b"\n")
        process.stdin.flush()
        said = json.loads(process.stdout.readline() or b'{"error": "the broker ended at once"}')
    except BaseException:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if "error" in said:
        process.wait()
        raise PortError(said["error"], errno=said.get("errno", errno.EIO))
    return Companion(f"unix:{path}", folder, process)


def _with_sources(path: str) -> str:
    """PYTHONPATH by which the broker finds this very package."""
    return os.pathsep.join([*filter(None, path.split(os.pathsep)), _SOURCES])


# -- in the broker ------------------------------------------------------------------------------------


def main(folder: str, starter: int) -> int:
    """Serve one module for the program that started this process; the exit status."""
    serving, trio = import_module("esp32sock.broker.serving"), import_module("trio")
    options = import_module("esp32sock.engine.options").Options(**json.loads(_first_line()))

    async def serve() -> None:
        path = os.path.join(folder, "broker.sock")
        await serving.serve(
            [serving.Module(options)],
            path,
            on_ready=lambda: _say({}),
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


def _first_line() -> bytes:
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line


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
    try:
        os.write(1, STAYS)
    except OSError:  # nothing waits for it
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
