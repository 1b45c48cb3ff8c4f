"""IPv6: sockets and unmodified libraries over a simulated module whose IPv6 is on, and one that has none.

One module for the whole file. It calls this machine `10.0.2.2` and, over IPv6, `fec0::2`.
"""

from __future__ import annotations

import asyncio
import errno
import socket as stdlib
import socketserver
import struct
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import pytest
import requests
import trio

import esp32sock
from esp32sock import socket
from esp32sock.events import WifiChanged
from esp32sock.shims.trio import HostnameResolver, SocketFactory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esp32sock.net.interface_api import Interface

SCENARIO = """\
[network.names]
"six.test" = { address_6 = "fec0::2" }
"both.test" = { address = "10.0.2.2", address_6 = "fec0::2" }
"four.test" = "10.0.2.2"
"""
SIX = "fec0::2"
WAIT_S = 30.0


def has_loopback() -> bool:
    """Whether this machine has IPv6 loopback, over which the simulated network goes."""
    try:
        with closing(stdlib.socket(stdlib.AF_INET6)) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


pytestmark = pytest.mark.skipif(not has_loopback(), reason="this machine has no IPv6 loopback")


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Interface]:
    scenario = tmp_path_factory.mktemp("ipv6") / "scenario.toml"
    scenario.write_text(SCENARIO)
    with esp32sock.attach(f"sim://?profile=2.4&scenario={scenario}", ipv6=True, server_links=2) as interface:
        yield interface


class _Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"over " + self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class _WebServer(ThreadingHTTPServer):
    address_family = stdlib.AF_INET6
    daemon_threads = True


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(4096):
            self.request.sendall(data)


class _EchoServer(socketserver.ThreadingTCPServer):
    address_family = stdlib.AF_INET6
    daemon_threads = True


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def web() -> Iterator[int]:
    with serving(_WebServer(("::1", 0), _Hello)) as port:
        yield port


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    with serving(_EchoServer(("::1", 0), _Echo)) as port:
        yield port


# ---- libraries


@pytest.mark.parametrize("host", [f"[{SIX}]", "six.test", "both.test"])
def test_urllib(module: Interface, web: int, host: str) -> None:
    with esp32sock.patched(), urllib.request.urlopen(f"http://{host}:{web}/urllib", timeout=WAIT_S) as answer:
        assert answer.read() == b"over /urllib"


@pytest.mark.parametrize("host", [f"[{SIX}]", "six.test"])
def test_requests(module: Interface, web: int, host: str) -> None:
    with esp32sock.patched():
        assert requests.get(f"http://{host}:{web}/requests", timeout=WAIT_S).content == b"over /requests"


@pytest.mark.parametrize("host", [f"[{SIX}]", "six.test"])
def test_httpx(module: Interface, web: int, host: str) -> None:
    with esp32sock.patched(), httpx.Client(trust_env=False, timeout=WAIT_S) as client:
        assert client.get(f"http://{host}:{web}/httpx").content == b"over /httpx"


@pytest.mark.parametrize("host", [f"[{SIX}]", "both.test"])
def test_aiohttp(module: Interface, web: int, host: str) -> None:
    async def get() -> bytes:
        async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{web}/aiohttp") as answer:
            return await answer.read()

    with esp32sock.patched():
        assert asyncio.run(asyncio.wait_for(get(), WAIT_S)) == b"over /aiohttp"


# ---- clients and servers of asyncio and trio


def test_asyncio_serves_and_connects(module: Interface) -> None:
    async def both_sides() -> tuple[bytes, Any]:
        peers = []

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peers.append(writer.get_extra_info("peername"))
            writer.write(await reader.readexactly(5))
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(handle, "::", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            own = module.status().station_ipv6[0]
            reader, writer = await asyncio.open_connection(own, port)
            writer.write(b"hello")
            got = await reader.read()
            writer.close()
            await writer.wait_closed()
        return got, peers[0]

    with esp32sock.patched():
        got, peer = asyncio.run(asyncio.wait_for(both_sides(), WAIT_S))
    assert got == b"hello"
    assert len(peer) == 4
    assert ":" in peer[0]


def test_a_server_without_a_host_has_the_one_listener_that_there_is(module: Interface) -> None:
    async def families() -> list[int]:
        async with await asyncio.start_server(lambda *_: None, None, 0) as server:
            return [sock.family for sock in server.sockets]

    with esp32sock.patched():
        assert asyncio.run(families()) == [stdlib.AF_INET]


def test_asyncio_falls_back_to_ipv4(module: Interface) -> None:
    class OfIpv4(_EchoServer):
        address_family = stdlib.AF_INET

    async def connect(port: int) -> Any:
        reader, writer = await asyncio.open_connection("both.test", port, happy_eyeballs_delay=5)
        writer.write(b"x")
        assert await reader.read(1) == b"x"
        peer = writer.get_extra_info("peername")
        writer.close()
        await writer.wait_closed()
        return peer

    with serving(OfIpv4(("127.0.0.1", 0), _Echo)) as port, esp32sock.patched():
        assert asyncio.run(asyncio.wait_for(connect(port), WAIT_S)) == ("10.0.2.2", port)


async def test_trio_has_happy_eyeballs(module: Interface, echo: int) -> None:
    trio.socket.set_custom_socket_factory(SocketFactory(module))
    trio.socket.set_custom_hostname_resolver(HostnameResolver(module))
    with trio.fail_after(WAIT_S):
        async with await trio.open_tcp_stream("both.test", echo) as stream:
            assert stream.socket.getpeername() == (SIX, echo, 0, 0)
            await stream.send_all(b"trio")
            assert await stream.receive_some(4) == b"trio"


async def test_trio_serves(module: Interface) -> None:
    trio.socket.set_custom_socket_factory(SocketFactory(module))
    trio.socket.set_custom_hostname_resolver(HostnameResolver(module))
    with trio.fail_after(WAIT_S):
        (listener,) = await trio.open_tcp_listeners(0, host="::")
        async with listener, trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, _echo_once, [listener])
            port = listener.socket.getsockname()[1]
            async with await trio.open_tcp_stream(module.status().station_ipv6[0], port) as stream:
                await stream.send_all(b"served")
                assert await stream.receive_some(6) == b"served"
            nursery.cancel_scope.cancel()


async def _echo_once(stream: trio.SocketStream) -> None:
    await stream.send_all(await stream.receive_some(6))


# ---- names


def test_names_have_addresses_of_both_families_in_order(module: Interface) -> None:
    def found(name: str, family: int = 0, flags: int = 0) -> list[Any]:
        answers = socket.getaddrinfo(name, 80, family, stdlib.SOCK_STREAM, 0, flags)
        return [address[0] for *_, address in answers]

    assert found("both.test") == [SIX, "10.0.2.2"]
    assert found("six.test") == [SIX]
    assert found("four.test") == ["10.0.2.2"]
    assert found("both.test", stdlib.AF_INET) == ["10.0.2.2"]
    assert found("both.test", stdlib.AF_INET6) == [SIX]
    assert found("four.test", stdlib.AF_INET6, stdlib.AI_V4MAPPED) == ["::ffff:10.0.2.2"]
    assert found("both.test", stdlib.AF_INET6, stdlib.AI_V4MAPPED) == [SIX]
    both = stdlib.AI_V4MAPPED | stdlib.AI_ALL
    assert found("both.test", stdlib.AF_INET6, both) == [SIX, "::ffff:10.0.2.2"]
    for name, family in (("six.test", stdlib.AF_INET), ("four.test", stdlib.AF_INET6), ("none.test", 0)):
        with pytest.raises(stdlib.gaierror):
            found(name, family)


def test_dns_over_udp(module: Interface) -> None:
    """A question with a random number to a server that answers it, as every resolver of Python sends it."""
    question = (
        struct.pack("!6H", 0x1234, 0x100, 1, 0, 0, 0) + b"\x03six\x04test\0" + struct.pack("!2H", 28, 1)
    )
    address = stdlib.inet_pton(stdlib.AF_INET6, SIX)
    record = b"\xc0\x0c" + struct.pack("!2HIH", 28, 1, 60, 16) + address
    with closing(stdlib.socket(stdlib.AF_INET6, stdlib.SOCK_DGRAM)) as server:
        server.bind(("::1", 0))
        server.settimeout(WAIT_S)
        where = (SIX, server.getsockname()[1])

        def answer() -> None:
            for _ in range(2):
                asked, peer = server.recvfrom(512)
                head = asked[:2] + struct.pack("!5H", 0x8180, 1, 1, 0, 0)
                server.sendto(head + asked[12:] + record, peer)

        with ThreadPoolExecutor(1) as pool, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
            pool.submit(answer)
            client.settimeout(WAIT_S)
            client.sendto(question, where)
            got, peer = client.recvfrom(512)
            assert got.endswith(address)
            assert peer == (*where, 0, 0)
            client.connect(("six.test", where[1]))
            client.send(question)
            assert client.recv(512)[:2] == b"\x12\x34"
            assert client.getpeername() == (*where, 0, 0)


# ---- sockets


def test_an_address_of_ipv4_on_a_socket_of_ipv6(module: Interface, web: int) -> None:
    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo)) as port:
        with socket.socket(socket.AF_INET6) as sock:
            sock.settimeout(WAIT_S)
            sock.connect(("::ffff:10.0.2.2", port))
            assert sock.getpeername() == ("::ffff:10.0.2.2", port, 0, 0)
            sock.sendall(b"mapped")
            assert sock.recv(6) == b"mapped"
        with socket.socket(socket.AF_INET6) as sock:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            with pytest.raises(OSError, match="IPv6 only") as caught:
                sock.connect(("::ffff:10.0.2.2", port))
            assert caught.value.errno == errno.ENETUNREACH


def test_loopback_is_the_host_s(module: Interface, echo: int) -> None:
    with socket.create_connection(("::1", echo), WAIT_S) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        assert sock.getpeername()[:2] == ("::1", echo)
    assert not module.status().links


def test_refused_connections(module: Interface) -> None:
    with closing(stdlib.socket(stdlib.AF_INET6)) as unused:
        unused.bind(("::1", 0))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((SIX, unused.getsockname()[1]), WAIT_S)


def test_options_and_names_of_a_new_socket(module: Interface) -> None:
    with socket.socket(socket.AF_INET6) as sock:
        assert sock.family == socket.AF_INET6
        assert sock.getsockname() == ("::", 0, 0, 0)
        assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 0
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN) == socket.AF_INET6
        sock.bind(("", 0))
        host, port, *rest = sock.getsockname()
        assert (host, rest) == ("::", [0, 0])
        assert port
        with pytest.raises(OSError, match="bound") as caught:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        assert caught.value.errno == errno.EINVAL
        with socket.socket() as other:  # not the same port: this one is for IPv6 only
            other.bind(("", port))
    with socket.socket() as sock, pytest.raises(OSError, match="V6ONLY") as refused:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    assert refused.value.errno == errno.ENOPROTOOPT


@pytest.mark.parametrize(
    ("address", "error"),
    [
        (("::1",), TypeError),
        (("::1", 1, 2, 3, 4), TypeError),
        (("::1", 70000), OverflowError),
        (("::1", 1, 1 << 20), OverflowError),
        (("::1", 1, -1), OverflowError),
        (("127.0.0.1", 1), stdlib.gaierror),
        (("1:2:3", 1), stdlib.gaierror),
        (("::1::", 1), stdlib.gaierror),
        ("::1", TypeError),
        ((None, 1), TypeError),
    ],
)
def test_addresses_are_checked_as_linux_does(module: Interface, address: Any, error: type[Exception]) -> None:
    for make in (socket.socket, stdlib.socket):
        with make(stdlib.AF_INET6) as sock, pytest.raises(error):
            sock.connect(address)


def test_what_is_known_of_it(module: Interface) -> None:
    assert module.execute(esp32sock.commands.ipv6.Ipv6())
    assert module.status().has_ipv6
    assert module.status().station_ipv6[0].startswith("fec0::")
    assert module.status().station_ipv6[1].startswith("fe80::")


# ---- where there is none


def test_firmware_without_it_refuses() -> None:
    with pytest.raises(OSError, match="2\\.2 on") as caught:
        esp32sock.open_interface("sim://?profile=2.0", ipv6=True)
    assert caught.value.errno == errno.EAFNOSUPPORT
    with esp32sock.open_interface("sim://?profile=2.0") as interface, interface.use():
        assert not interface.status().has_ipv6
        with pytest.raises(OSError, match="IPv6 is off") as caught:
            socket.socket(socket.AF_INET6)
        assert caught.value.errno == errno.EAFNOSUPPORT
        with pytest.raises(stdlib.gaierror):
            socket.getaddrinfo("www.example", 80, socket.AF_INET6)
        found = socket.getaddrinfo("::1", 80, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        assert [answer[4] for answer in found] == [("::1", 80, 0, 0)]
        with pytest.raises(OSError, match="IPv6 is off") as refused:
            socket.create_connection(("2001:db8::1", 80), WAIT_S)
        assert refused.value.errno == errno.EAFNOSUPPORT


def test_it_is_used_where_it_is_on_unless_that_is_refused(tmp_path: Any) -> None:
    """A module that keeps AT+CIPV6=1 in its flash shows its addresses, and needs no question."""
    flash = tmp_path / "flash"
    with esp32sock.open_interface(f"sim://?profile=2.4&nvs={flash}") as interface:
        interface.execute(esp32sock.commands.Raw(b"AT+SYSSTORE=1"))
        interface.execute(esp32sock.commands.ipv6.SetIpv6(on=True))
        with interface.events() as events:
            interface.execute(esp32sock.commands.wifi.Leave())
            interface.execute(esp32sock.commands.wifi.Rejoin())
            while True:
                event = events.get(timeout=WAIT_S)
                if isinstance(event, WifiChanged) and event.state.name == "GOT_IPV6":
                    break
    for asked, expected in ((None, True), (False, False)):
        with esp32sock.open_interface(f"sim://?profile=2.4&nvs={flash}", ipv6=asked) as interface:
            assert interface.status().has_ipv6 is expected
