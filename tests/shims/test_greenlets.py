"""gevent and eventlet beside a patch: refused where they would leave by the host, and only there."""

from __future__ import annotations

import subprocess
import sys

import pytest

PATCHED_AFTERWARDS = {
    "gevent": "import gevent.monkey; gevent.monkey.patch_all()",
    "gevent-socket": "import gevent.monkey; gevent.monkey.patch_socket()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
    "eventlet-socket": "import eventlet; eventlet.monkey_patch(socket=True)",
}
USES = {
    "connect": "socket.socket().connect(('127.0.0.1', PORT))",
    "connect_ex": "assert socket.socket().connect_ex(('127.0.0.1', PORT)) == errno.EOPNOTSUPP; raise REFUSED",
    "create_connection": "socket.create_connection(('127.0.0.1', PORT))",
    "bind": "socket.socket().bind(('127.0.0.1', 0))",
    "sendto": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', PORT))",
}
SOCKETS = {"gevent": "from gevent import socket", "eventlet": "from eventlet.green import socket"}
SETUP = """
import _socket
server = _socket.socket()
server.bind(("127.0.0.1", 0))
server.listen()
server.setblocking(False)
PORT = server.getsockname()[1]
import errno, warnings; warnings.simplefilter("ignore")
import esp32sock
esp32sock.attach("sim://", direct=DIRECT)
FIRST
esp32sock.patch()
"""
NOBODY_CAME = """
try:
    server._accept()
except BlockingIOError:
    print("nobody came")
else:
    print("bypassed")
"""


def run(program: str, *, direct: str | None = "none", first: str = "") -> subprocess.CompletedProcess[str]:
    setup = SETUP.replace("DIRECT", repr(direct)).replace("FIRST", first)
    return subprocess.run(
        [sys.executable, "-c", setup + program], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("how", PATCHED_AFTERWARDS)
@pytest.mark.parametrize("imported", ["before", "after"])
def test_replacing_the_socket_module_later_is_refused(how: str, imported: str) -> None:
    module, _, call = PATCHED_AFTERWARDS[how].partition("; ")
    done = run(f"{module}\n{call}", first=module if imported == "before" else "")
    assert done.returncode == 1
    library = how.partition("-")[0]
    assert done.stderr.splitlines()[-1].startswith(f"RuntimeError: {library}'s sockets in place of")


@pytest.mark.parametrize("library", SOCKETS)
@pytest.mark.parametrize("imported", ["before", "after"])
def test_no_socket_of_theirs_bypasses_the_module(library: str, imported: str) -> None:
    attempts = "".join(
        f"try:\n    {use}\nexcept OSError as error:\n    print({name!r}, error)\n"
        for name, use in USES.items()
    )
    refused = "REFUSED = OSError('it would bypass the module')"
    done = run(
        f"{SOCKETS[library]}\n{refused}\n{attempts}{NOBODY_CAME}",
        first=SOCKETS[library] if imported == "before" else "",
    )
    *said, came = done.stdout.splitlines()
    assert [line.partition(" ")[0] for line in said] == list(USES), done.stderr
    assert all("would bypass the module" in line for line in said)
    assert came == "nobody came"


@pytest.mark.parametrize("library", SOCKETS)
def test_what_the_routes_give_to_the_host_is_left_alone(library: str) -> None:
    program = (
        f"{SOCKETS[library]}\n{USES['connect']}\nserver.setblocking(True); server._accept(); print('came')"
    )
    done = run(program, direct=None)
    assert done.stdout == "came\n", done.stderr


@pytest.mark.parametrize("library", SOCKETS)
def test_unpatching_removes_the_guard(library: str) -> None:
    program = f"{SOCKETS[library]}\nesp32sock.unpatch()\n{USES['connect']}\nserver._accept(); print('came')"
    done = run(program)
    assert done.stdout == "came\n", done.stderr


def test_other_monkey_patches_are_left_alone() -> None:
    done = run("import gevent.monkey; gevent.monkey.patch_queue(); print('fine')")
    assert done.stdout == "fine\n", done.stderr
