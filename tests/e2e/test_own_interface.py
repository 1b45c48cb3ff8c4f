"""A module for a part of a program: opened beside others, closed with its block or with the interpreter."""

from __future__ import annotations

import socketserver
import subprocess
import sys
import threading
from queue import SimpleQueue

import pytest

import esp32sock
from esp32sock import socket

PORT = "sim://2.4"
HOST = "10.0.2.2"
SIZE = 300_000
WAIT_S = 30.0

LEAVES_AT_ONCE = """
import sys
import esp32sock
from esp32sock import socket
interface = esp32sock.{opened}("{port}", direct=())
with interface.use():
    sock = socket.create_connection(("{host}", int(sys.argv[1])), timeout=20)
sock.sendall(b"x" * {size})
"""


@pytest.mark.parametrize("opened", ["attach", "open_interface"])
def test_what_was_sent_is_delivered_when_the_interpreter_exits(opened: str) -> None:
    """The simulated module ends with the interpreter too, but only after the interface."""
    heard: SimpleQueue[int] = SimpleQueue()

    class Counts(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            count = 0
            while data := self.request.recv(65536):
                count += len(data)
            heard.put(count)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Counts) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            program = LEAVES_AT_ONCE.format(opened=opened, port=PORT, host=HOST, size=SIZE)
            done = subprocess.run(
                [sys.executable, "-c", program, str(server.server_address[1])],
                capture_output=True,
                text=True,
                timeout=WAIT_S,
            )
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
            assert heard.get(timeout=WAIT_S) == SIZE
        finally:
            server.shutdown()
            thread.join()


def test_two_modules_at_a_time() -> None:
    with (
        esp32sock.open_interface(PORT, direct=()) as one,
        esp32sock.attach("sim://2.1", direct=()) as other,
        socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server,
    ):
        address = (HOST, server.server_address[1])
        with one.use(), socket.create_connection(address, timeout=20):
            server.handle_request()
        assert (one.stats()["links_opened"], other.stats()["links_opened"]) == (1, 0)
        with socket.create_connection(address, timeout=20):
            server.handle_request()
        assert (one.stats()["links_opened"], other.stats()["links_opened"]) == (1, 1)
        assert esp32sock.default() is other
    with pytest.raises(socket.gaierror, match="detached") as caught:
        one.resolve("localhost")
    assert isinstance(caught.value.__cause__, esp32sock.PortError)


def test_an_attached_one_is_forgotten_once_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ESP32SOCK_PORT", raising=False)
    for _ in range(2):
        with esp32sock.attach(PORT) as interface:
            assert esp32sock.default() is interface
    with pytest.raises(OSError, match="no module is attached"):
        esp32sock.default()


def test_the_socket_module_is_an_attribute_too() -> None:
    program = "import esp32sock; print(esp32sock.socket.AF_INET.name)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=WAIT_S)
    assert (done.returncode, done.stdout) == (0, "AF_INET\n"), done.stderr
