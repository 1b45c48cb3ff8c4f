"""Commands that take away what sockets stand on, as programs see it: EBUSY, or ECONNRESET."""

from __future__ import annotations

import errno
import socket
import threading
import urllib.request
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler

import pytest

import esp32sock
import esp32sock.socket as virtual
from esp32sock.at.commands import Raw, basic, servers, sleep, smartconfig, tcpip, wifi
from esp32sock.errors import CommandError
from tests.e2e.support import HOST, PAGE, http_server


@pytest.fixture
def interface():
    one = esp32sock.attach("sim://2.4")
    yield one
    esp32sock.detach()


@contextmanager
def quiet_server():
    """It takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


class Half(BaseHTTPRequestHandler):
    """The first half of a page; of `/whole` all of it."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE if self.path == "/whole" else PAGE[: len(PAGE) // 2])
        self.wfile.flush()
        if self.path != "/whole":
            self.rfile.read(1)  # until the link is gone

    def log_message(self, *args):
        pass


ENDING = [
    basic.Restart(),
    basic.Restore(),
    basic.SetUart(basic.UartSettings(921600)),
    sleep.DeepSleep(timedelta(seconds=1)),
    tcpip.SetMultiplexed(on=False),
    tcpip.SetPassthrough(on=True),
    wifi.Leave(),
    wifi.Join("Espressif"),
    wifi.SetMode(wifi.WifiMode.OFF),
    smartconfig.StartSmartConfig(),
    Raw(b"AT+RST"),
    Raw(b"AT+CIPCLOSE=5"),
]


@pytest.mark.parametrize("command", ENDING, ids=lambda command: repr(command)[:40])
def test_whoever_waits_for_data_hears_of_it(interface, command):
    found = []

    def read(sock):
        try:
            sock.recv(1)
        except OSError as error:
            found.append(error)

    with quiet_server() as port, virtual.create_connection((HOST, port), timeout=20) as sock:
        thread = threading.Thread(target=read, args=(sock,))
        thread.start()
        with pytest.raises(OSError, match="link 4") as caught:
            interface.execute(command)
        assert caught.value.errno == errno.EBUSY
        assert not found
        if isinstance(command, tcpip.SetPassthrough):  # refused with several links allowed
            with pytest.raises(OSError, match="ERROR") as refused:
                interface.execute(command, force=True)
            assert isinstance(refused.value.__cause__, CommandError)
        else:
            interface.execute(command, force=True)
        thread.join(20)
        assert not thread.is_alive()
        (error,) = found
        assert isinstance(error, ConnectionResetError)
        assert command.label in str(error)
        with pytest.raises(OSError, match=r"."):
            sock.sendall(b"x" * 100000)


def test_urllib_in_the_middle_of_an_answer(interface):
    with http_server(Half) as port, esp32sock.patched():
        with urllib.request.urlopen(f"http://{HOST}:{port}/", timeout=20) as answer:
            answer.read(1)
            interface.execute(wifi.Leave(), force=True)
            with pytest.raises(ConnectionResetError, match="CWQAP"):
                answer.read()
        interface.execute(wifi.Join("Espressif"))
        with urllib.request.urlopen(f"http://{HOST}:{port}/whole", timeout=20) as answer:
            assert answer.read() == PAGE


def test_a_server_counts_too(interface):
    with virtual.create_server(("0.0.0.0", 8080)), pytest.raises(OSError, match="the server"):
        interface.execute(wifi.Leave())
    interface.execute(wifi.Mode())


@pytest.mark.parametrize("command", [servers.StopListening(), tcpip.SetMultiplexed(on=False)])
def test_a_server_ends_with_an_error(interface, command):
    found = []

    def accept(listener):
        try:
            listener.accept()
        except OSError as error:
            found.append(error)

    with virtual.create_server(("0.0.0.0", 8080)) as listener:
        thread = threading.Thread(target=accept, args=(listener,))
        thread.start()
        with pytest.raises(OSError, match="the server"):
            interface.execute(command)
        interface.execute(command, force=True)
        thread.join(20)
        assert not thread.is_alive()
        (error,) = found
        assert error.errno == errno.ECONNRESET
    interface.execute(tcpip.SetMultiplexed(on=True))
    with virtual.create_server(("0.0.0.0", 8080)):
        assert interface.execute(servers.GetServer()).port == 8080


def test_stopping_the_server_leaves_links_alone(interface):
    with (
        quiet_server() as port,
        virtual.create_connection((HOST, port), timeout=20) as sock,
        virtual.create_server(("0.0.0.0", 8080)),
    ):
        interface.execute(servers.StopListening(), force=True)
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(1)
