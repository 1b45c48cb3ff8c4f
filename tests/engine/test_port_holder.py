"""The process that has a port open is named."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import tty

import pytest
import trio

from esp32sock.engine.port_holder import port_holder
from esp32sock.engine.transports import open_port
from esp32sock.errors import PortError

HOLD = """
import fcntl, os, sys
port = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
fcntl.flock(port, fcntl.LOCK_EX | fcntl.LOCK_NB)
print("held", flush=True)
sys.stdin.read()
"""


def test_it_is_in_the_error() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    port = os.ttyname(slave)
    try:
        assert port_holder(port) is None
        with subprocess.Popen(
            [sys.executable, "-c", HOLD, port], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            with pytest.raises(PortError, match=rf"python\S* \(process {holder.pid}\) uses it"):
                trio.run(open_port, port, 115200)
            holder.communicate()
        assert port_holder(port) is None
    finally:
        os.close(slave)
        os.close(master)
