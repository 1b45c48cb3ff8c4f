"""`esp32sock proxy` as a program: what it prints, and how it ends; tests/programs has `forward`."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from tests.cli.terminal import ROOT
from tests.e2e.support import HOST, PAGE, http_server

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = json.loads((ROOT / "docs" / "schemas" / "gateway-event.json").read_text("utf-8"))
PATIENCE_S = 40


class Program:
    """A gateway in a process of its own, and its events."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def event(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        event: dict[str, Any] = json.loads(self.process.stdout.readline())
        jsonschema.validate(event, SCHEMA)
        return event

    def end(self) -> tuple[int, dict[str, Any]]:
        """Its exit status after SIGTERM, and the last event."""
        self.process.send_signal(signal.SIGTERM)
        event = self.event()
        while event["event"] != "ended":
            event = self.event()
        return self.process.wait(PATIENCE_S), event


@contextmanager
def started(*words: str) -> Iterator[Program]:
    process = subprocess.Popen(
        [sys.executable, "-W", "error::ResourceWarning", "-m", "esp32sock", *words, "--json", "-p", "sim://"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        try:
            yield Program(process)
        finally:
            process.kill()
            process.wait(PATIENCE_S)


def address(event: dict[str, Any]) -> tuple[str, int]:
    assert event["event"] == "listening"
    host, _, port = event["client"].rpartition(":")
    return host, int(port)


def read_to_end(sock: socket.socket) -> bytes:
    with sock.makefile("rb") as stream:
        return stream.read()


@pytest.mark.timeout(3 * PATIENCE_S)
def test_a_proxy_from_its_start_to_sigterm() -> None:
    with http_server() as port, started("proxy", "--listen", "0") as program:
        proxy = address(program.event())
        with socket.create_connection(proxy, PATIENCE_S) as client:
            client.sendall(b"GET http://%s:%d/ HTTP/1.0\r\n\r\n" % (HOST.encode(), port))
            assert read_to_end(client).endswith(PAGE)
        assert [program.event()["event"] for _ in range(2)] == ["connected", "closed"]
        with socket.create_connection(proxy, PATIENCE_S) as client:
            client.sendall(b"CONNECT %s:%d HTTP/1.1\r\nHost: x\r\n\r\n" % (HOST.encode(), port))
            assert b" 200 " in client.recv(1000)
            status, ended = program.end()
            with pytest.raises(ConnectionResetError):  # it was cut, and that is no end
                read_to_end(client)
    assert status == 0
    assert (ended["counters"]["connected"], ended["counters"]["broken"]) == (2, 1)
