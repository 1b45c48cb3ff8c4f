"""The outside world of the examples, on loopback: the hosts that they name, behind a simulated module.

Names and ports are as in the examples; each port of theirs is a free one of this machine. A certificate
authority of our own stands for the world's.
"""

from __future__ import annotations

import ssl
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import trustme

from esp32sock.simulator import BackgroundModule, HostNetwork, Scenario, Settings, TextTrace
from esp32sock.simulator.network.api import OpenStream, SendDatagram
from tests.e2e import fakes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from esp32sock.simulator.network.api import Request

PAGE = b"<h1>Example Domain</h1>\n" * 40
THIS_MACHINE = "10.0.2.2"
WEB, BROKER, CLOCK = "192.0.2.80", "192.0.2.83", "192.0.2.123"
"""Addresses that are nobody's (RFC 5737)."""
NAMES = {
    "example.org": WEB,
    "example.com": WEB,
    "example.net": WEB,
    "test.mosquitto.org": BROKER,
    "pool.ntp.org": CLOCK,
}
AIR = {"access_point": [{"ssid": "attic", "password": "correct horse", "address": "10.0.2.15"}]}
ADDRESSES = (THIS_MACHINE, WEB, BROKER, CLOCK)

Place = tuple[str, int]


class Web(BaseHTTPRequestHandler):
    """Serves the page, and takes what is put."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(PAGE)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


class Network(HostNetwork):
    """This machine, with the hosts of the examples on it."""

    def __init__(self, ports: Mapping[Place, int]) -> None:
        super().__init__(NAMES, aliases=dict.fromkeys(ADDRESSES, "127.0.0.1"))
        self._ports = ports

    def handle(self, request: Request) -> None:
        if isinstance(request, OpenStream | SendDatagram):
            port = self._ports.get((request.address, request.port), request.port)
            request = replace(request, port=port)
        super().handle(request)


@dataclass(frozen=True)
class Outside:
    """What an example may meet."""

    port: str
    """Where the simulated module is."""
    network: Network
    ports: Mapping[Place, int]
    """Where on this machine a port of the outside is."""
    said: list[str]
    """What host and module said to each other; empty if nobody used the module."""
    authority: Path

    @property
    def environment(self) -> dict[str, str]:
        """What an example finds in its environment."""
        trusted = str(self.authority)
        return {"ESP32SOCK_PORT": self.port, "SSL_CERT_FILE": trusted, "REQUESTS_CA_BUNDLE": trusted}

    def reached(self, port: int) -> Place:
        """Where on this machine a port of the module's server is."""
        return self.network.address, self.network.served[port]


@contextmanager
def web(authority: trustme.CA | None = None) -> Iterator[int]:
    """A web server, with an authority one over TLS; its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    server.daemon_threads = True
    if authority is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*NAMES, THIS_MACHINE).configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with fakes.serving(server) as port:
        yield port


@contextmanager
def outside(folder: Path) -> Iterator[Outside]:
    """The world, for as long as one example runs."""
    authority = trustme.CA()
    trusted = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(trusted))
    with ExitStack() as running:
        plain, secured = running.enter_context(web()), running.enter_context(web(authority))
        ports = {
            (WEB, 80): plain,
            (WEB, 443): secured,
            (THIS_MACHINE, 8000): plain,
            (THIS_MACHINE, 7000): running.enter_context(fakes.streams(fakes.Echo)),
            (BROKER, 1883): running.enter_context(fakes.streams(fakes.Mqtt)),
            (CLOCK, 123): running.enter_context(fakes.datagrams(fakes.Ntp)),
        }
        network, said = Network(ports), list[str]()
        settings = Scenario.of(AIR | {"certificates": {"client_ca.0": str(trusted)}}).around(Settings())
        module = BackgroundModule(settings, network, observers=(TextTrace(said.append),))
        try:
            yield Outside(module.path, network, ports, said, trusted)
        finally:
            module.stop()
