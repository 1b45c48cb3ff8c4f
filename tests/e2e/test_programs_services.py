"""Programs that talk to services, unmodified, over the module: brokers, stores, names, clocks, shells."""

from __future__ import annotations

import base64
import io
import socket
import socketserver
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import dns.flags
import dns.message
import dns.rrset
import paramiko
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.e2e import servers
from tests.e2e.fakes import (
    NOW_UNIX,
    Dialogue,
    Echo,
    EchoDatagrams,
    Mqtt,
    Ntp,
    Redis,
    datagrams,
    serving,
    streams,
)
from tests.e2e.programs_support import run_program
from tests.e2e.support import HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.e2e.support import SimulatedProcess

    Served = Callable[[Path], AbstractContextManager[int]]


def mosquitto(folder: Path) -> AbstractContextManager[int]:
    """The real broker, or the stand-in."""
    if servers.find("mosquitto") is None:
        return streams(Mqtt)
    port = servers.free_port()
    settings = folder / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
    return servers.running("mosquitto", "-c", str(settings), port=port)


def redis_server(folder: Path) -> AbstractContextManager[int]:
    """The real store, or the stand-in."""
    if servers.find("redis-server") is None:
        return streams(Redis)
    port = servers.free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    return servers.running("redis-server", *options, port=port)


def stand_in(handler: type[socketserver.BaseRequestHandler]) -> Served:
    return lambda _folder: streams(handler)


@pytest.mark.parametrize("serve", [mosquitto, stand_in(Mqtt)], ids=["mosquitto", "stand-in"])
def test_paho_mqtt(esp32: SimulatedProcess, tmp_path: Path, serve: Served) -> None:
    with serve(tmp_path) as port:
        ran = run_program(esp32, "mqtt", HOST, port)
    messages = [(f"room/{qos}", qos, size) for qos in (0, 1, 2) for size in (10, 5000)]
    assert ran.output.strip() == repr(messages)
    assert ran.links == 1  # its wake-up pair is on loopback and stays on the host


@pytest.mark.parametrize("serve", [redis_server, stand_in(Redis)], ids=["redis-server", "stand-in"])
def test_redis(esp32: SimulatedProcess, tmp_path: Path, serve: Served) -> None:
    with serve(tmp_path) as port:
        ran = run_program(esp32, "kv", HOST, port)
    assert ran.output.splitlines() == ["True True 100000", "100", "None", "b'hello'"]
    assert ran.links == 3  # as many as without a module


def test_a_line_protocol(esp32: SimulatedProcess) -> None:
    with streams(Dialogue) as port:
        ran = run_program(esp32, "lines", HOST, port)
    assert ran.output.splitlines() == [
        "welcome",
        "echo hello -> hello 5",
        "count 300 -> 0,1,2,3,4,5,6,7,8,9, 1090",
        "quit -> bye 3",
        "'the rest\\r\\n'",
    ]
    assert ran.links == 1


def test_ntplib(esp32: SimulatedProcess) -> None:
    with datagrams(Ntp) as port:
        ran = run_program(esp32, "clock", HOST, port)
    assert ran.output.split() == ["2", str(NOW_UNIX)]
    assert ran.links == 1


def test_asyncio_and_trio(esp32: SimulatedProcess) -> None:
    with streams(Echo) as stream_port, datagrams(EchoDatagrams) as datagram_port:
        ran = run_program(esp32, "echo_async", HOST, stream_port, datagram_port)
    assert ran.output.splitlines() == [
        "asyncio [True, True, True]",
        "asyncio b'a datagram'",
        "trio [True, True, True]",
        "trio b'another' True",
    ]
    assert ran.links == 8


def test_uvloop(esp32: SimulatedProcess) -> None:
    with streams(Echo) as port:
        ran = run_program(esp32, "echo_uvloop", HOST, port)
    assert ran.output.splitlines() == [f"uvloop True {HOST}", "uvloop True"]
    assert ran.links == 1


def answer_to(question: bytes, *, limit_bytes: int | None = None) -> bytes:
    """What a name server says: A for one name, a very long TXT for the other."""
    query = dns.message.from_wire(question)
    answer = dns.message.make_response(query)
    name = query.question[0].name
    if name.to_text() == "short.example.":
        answer.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.7"))
    else:
        texts = [f'"{number} {"x" * 100}"' for number in range(50)]
        answer.answer.append(dns.rrset.from_text_list(name, 60, "IN", "TXT", texts))
    wire = answer.to_wire()
    if limit_bytes is not None and len(wire) > limit_bytes:
        answer.answer.clear()
        answer.flags |= dns.flags.TC
        wire = answer.to_wire()
    return wire


class NamesByUdp(socketserver.DatagramRequestHandler):
    def handle(self) -> None:
        self.wfile.write(answer_to(self.rfile.read(), limit_bytes=1232))


class NamesByTcp(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        size = int.from_bytes(self.rfile.read(2), "big")
        wire = answer_to(self.rfile.read(size))
        self.wfile.write(len(wire).to_bytes(2, "big") + wire)


@contextmanager
def name_server() -> Iterator[int]:
    """Both on one port number, as name servers are."""
    with ExitStack() as both:
        by_tcp = socketserver.TCPServer(("127.0.0.1", 0), NamesByTcp)
        by_udp = socketserver.UDPServer(by_tcp.server_address[:2], NamesByUdp)
        both.enter_context(serving(by_udp))
        yield both.enter_context(serving(by_tcp))


def test_dnspython(esp32: SimulatedProcess) -> None:
    with name_server() as port:
        ran = run_program(esp32, "names", HOST, port)
    a_record = "short.example. 60 IN A 192.0.2.7"
    assert ran.output.splitlines() == [a_record, a_record, "True 50"]
    assert ran.links == 4


class Shell(paramiko.ServerInterface):
    """Lets one user in and runs one command."""

    def check_auth_password(self, username: str, password: str) -> int:
        right = (username, password) == ("user", "password")
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        def run() -> None:
            channel.recv(3)  # the client knows by then that its command was taken
            channel.sendall(b"x" * int(command.split()[1]))
            channel.send_exit_status(7)
            channel.close()

        threading.Thread(target=run).start()
        return True


@contextmanager
def ssh_server() -> Iterator[tuple[int, str]]:
    """paramiko's own server, for one connection; its port and its key."""
    private = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    key = paramiko.Ed25519Key(file_obj=io.StringIO(private.decode()))

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        transport = paramiko.Transport(connection)
        transport.add_server_key(key)
        transport.start_server(server=Shell())
        transport.join(30)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield listener.getsockname()[1], base64.b64encode(key.asbytes()).decode()
        thread.join()


def test_paramiko(esp32: SimulatedProcess) -> None:
    with ssh_server() as (port, key):
        ran = run_program(esp32, "shell", HOST, port, key)
    assert ran.output.split() == ["20000", "7"]
    assert ran.links == 1
