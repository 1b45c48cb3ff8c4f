"""One table: what every profile that there is must be able to do, each over one module in this process.

Those that differ most are tried here, a second each; `tests/programs/test_profiles.py` has the rest.

`doctor` finds no problem; a fetch, a datagram there and back, a client of the module's server, TLS on the
host, and passthrough. What a firmware refuses by its nature is in the table.
"""

from __future__ import annotations

import json
import socket as stdlib
import ssl
import threading
import urllib.request
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import esp32sock
from esp32sock import socket
from esp32sock.cli import main
from esp32sock.engine import probe
from esp32sock.simulator import BackgroundModule, Settings
from esp32sock.simulator.network.host import HostNetwork
from tests.cli.fast_timeouts import SHORT_WAITS
from tests.e2e.support import HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import trustme

WAIT_S = 30.0


@dataclass(frozen=True)
class Row:
    """What is special about a profile."""

    problems: tuple[str, ...] = ()
    """What `doctor` warns of."""
    is_mute: bool = False
    """Whether nothing that comes in passthrough is printed (observed 2.0)."""


OLD = Row(("old-firmware",))
TABLE = {
    "doc-v1": OLD,
    "0.10": OLD,
    "1.0": OLD,
    "1.2": OLD,
    "2.0": Row(OLD.problems, is_mute=True),
    "2.1": Row(),
    "2.2": Row(),
    "2.4": Row(),
    "3.2": Row(),
    "3.4": Row(),
    "4.1": Row(),
    "4.2": Row(),
    "5.0": Row(),
    "nonos-1.7": OLD,
    "esp8266-2.2": Row(),
    "esp8266-2.3": Row(),
}


MOST_DIFFERENT = ("doc-v1", "1.0", "2.0", "5.0", "nonos-1.7")


@contextmanager
def peer(serve: Callable[[stdlib.socket], object]) -> Iterator[int]:
    """A server of this machine that gives its one connection to `serve`; its port."""
    with stdlib.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            connection, _ = listener.accept()
            with connection:
                serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(WAIT_S)


def echo(connection: stdlib.socket) -> None:
    while data := connection.recv(4096):
        connection.sendall(data)


def page(connection: stdlib.socket) -> None:
    while b"\r\n\r\n" not in connection.recv(4096):
        pass
    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")


def fetches() -> None:
    with peer(page) as port, esp32sock.patched():
        answer = urllib.request.urlopen(f"http://{HOST}:{port}/", timeout=WAIT_S)
        with answer:
            assert answer.read() == b"hello"


def exchanges_datagrams() -> None:
    with closing(stdlib.socket(stdlib.AF_INET, stdlib.SOCK_DGRAM)) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(WAIT_S)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(WAIT_S)
            client.sendto(b"there", (HOST, server.getsockname()[1]))
            data, sender = server.recvfrom(100)
            server.sendto(data + b" and back", sender)
            assert client.recvfrom(100) == (b"there and back", (HOST, server.getsockname()[1]))


def serves(network: HostNetwork) -> None:
    with socket.create_server(("", 0)) as listener:
        listener.settimeout(WAIT_S)
        where = network.address, network.served[listener.getsockname()[1]]
        with closing(stdlib.create_connection(where, WAIT_S)) as client:
            client.sendall(b"a client")
            accepted, _ = listener.accept()
            with accepted:
                accepted.settimeout(WAIT_S)
                assert accepted.recv(100) == b"a client"
                accepted.sendall(b"served")
                assert client.recv(100) == b"served"


def has_tls_on_the_host(authority: trustme.CA) -> None:
    of_server, of_client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert(HOST).configure_cert(of_server)
    authority.configure_trust(of_client)

    def secure(connection: stdlib.socket) -> None:
        with of_server.wrap_socket(connection, server_side=True) as channel:
            channel.sendall(channel.recv(100))

    with peer(secure) as port, esp32sock.patched():
        plain = stdlib.create_connection((HOST, port), WAIT_S)
        with plain, of_client.wrap_socket(plain, server_hostname=HOST) as channel:
            channel.sendall(b"secret")
            assert channel.recv(100) == b"secret"


def passes_through(url: str, *, is_mute: bool) -> None:
    heard = bytearray()

    def hear(connection: stdlib.socket) -> None:
        while data := connection.recv(4096):
            heard.extend(data)
            connection.sendall(data)

    with peer(hear) as port, esp32sock.passthrough(HOST, port, url=url) as connection:
        connection.settimeout(WAIT_S)
        connection.sendall(b" hello")
        if not is_mute:
            assert connection.recv(100) == b" hello"
    assert heard == b" hello"


def test_the_table_has_every_profile() -> None:
    page = (Path(__file__).parents[2] / "docs" / "simulator-profiles.md").read_text("utf-8")
    head = next(line for line in page.splitlines() if line.startswith("|  | doc-v1 "))
    assert list(TABLE) == [cell.strip() for cell in head.strip("|").split("|")[1:]]


@pytest.fixture
def check(
    authority: trustme.CA, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """All of it, with one profile."""
    for name, values in SHORT_WAITS.items():
        for variable, value in values.items():
            monkeypatch.setattr(import_module(name), variable, value)
    monkeypatch.setattr(probe, "ECHO_S", 0.05)  # a module without an echo is asked the long way then

    def run(profile: str) -> None:
        network = HostNetwork()
        module = BackgroundModule(Settings(profile=profile), network)
        try:
            status = main(["doctor", "--port", module.path, "--name", "localhost", "--json"])
            report = json.loads(capsys.readouterr().out)
            assert (status, report["healthy"]) == (0, True), report
            problems = tuple(one["problem"] for one in report["findings"] if one["problem"])
            assert problems == TABLE[profile].problems
            with esp32sock.attach(module.path) as interface:
                fetches()
                exchanges_datagrams()
                serves(network)
                has_tls_on_the_host(authority)
                assert interface.stats()["doubts"] == 0
            passes_through(module.path, is_mute=TABLE[profile].is_mute)
        finally:
            module.stop()

    return run


@pytest.mark.parametrize("profile", MOST_DIFFERENT)
def test_what_every_firmware_can(profile: str, check: Callable[[str], None]) -> None:
    check(profile)
