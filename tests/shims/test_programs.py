"""Unmodified clients and servers of the standard library and of others, patched."""

from __future__ import annotations

import asyncio
import http.client
import select
import selectors
import smtplib
import socket
import socketserver
import ssl
import subprocess
import threading
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
import requests
import trio
import trio.testing

from esp32sock.shims.monkey import patched
from tests.net.harness import descriptors, peer, wait_until
from tests.shims.harness import PAGE, contexts, http_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.net.fake_interface import FakeInterface


@pytest.fixture
def url(fake: FakeInterface) -> Iterator[str]:
    """A server of the host, everything after it patched."""
    with http_server() as url, patched():
        yield url


@pytest.fixture
def _patched(fake: FakeInterface) -> Iterator[None]:
    before = descriptors()
    with patched():
        yield
    wait_until(lambda: not fake.links, fake)
    assert descriptors() == before


def test_urllib(url: str, fake: FakeInterface) -> None:
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.read() == PAGE
    with urllib.request.urlopen(url, data=b"x" * 100_000, timeout=10) as answer:
        assert answer.read() == b"x" * 100_000
    assert len(fake.opened) == 2


def test_http_client_keeps_its_connection(url: str, fake: FakeInterface) -> None:
    connection = http.client.HTTPConnection(url.split("/")[2])
    for _ in range(3):
        connection.request("GET", "/")
        assert connection.getresponse().read() == PAGE
    connection.close()
    assert len(fake.opened) == 1
    assert fake.opened[0][1].nodelay is None  # set after connecting, as http.client does


def test_requests(url: str, fake: FakeInterface) -> None:
    with requests.Session() as session:
        for _ in range(3):
            assert session.get(url, timeout=10).content == PAGE
        assert len(fake.opened) == 1
        with pytest.raises(requests.ConnectionError, match="Name or service not known"):
            session.get("http://unknown.example/", timeout=10)
        with pytest.raises(requests.ConnectTimeout), fake.hold():
            session.get(url.replace("127.0.0.1", "127.0.0.2"), timeout=0.05)


def test_two_downloads_at_once(url: str, fake: FakeInterface) -> None:
    pages = []
    threads = [
        threading.Thread(target=lambda: pages.append(requests.get(url, timeout=10).content)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pages == [PAGE, PAGE]
    assert len(fake.opened) == 2


@pytest.mark.usefixtures("_patched")
def test_http_server_and_client_are_both_on_the_module(fake: FakeInterface) -> None:
    with http_server() as url, urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.read() == PAGE
    assert len(fake.opened) == 1


@pytest.mark.usefixtures("_patched")
@pytest.mark.parametrize("kind", ["TCP", "UDP"])
def test_socketserver(kind: str) -> None:
    class Shout(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if kind == "TCP":
                self.request.sendall(self.request.recv(100).upper())
            else:
                data, sock = self.request
                sock.sendto(data.upper(), self.client_address)

    cls: Any = {"TCP": socketserver.ThreadingTCPServer, "UDP": socketserver.ThreadingUDPServer}[kind]
    with cls(("127.0.0.1", 0), Shout) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        with socket.socket(type=socket.SOCK_STREAM if kind == "TCP" else socket.SOCK_DGRAM) as client:
            client.settimeout(10)
            client.connect(server.server_address)
            client.send(b"quiet")
            assert client.recv(100) == b"QUIET"
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("fake")
def test_smtplib_starts_at_once() -> None:
    """It asks for the name of this host, which must not go to the network."""

    def serve(accepted: socket.socket) -> None:
        with accepted.makefile("rwb") as file:
            for answer in (b"220 hello\r\n", b"250 hello\r\n", b"221 bye\r\n"):
                file.write(answer)
                file.flush()
                file.readline()

    with peer(serve) as (host, port), patched(), smtplib.SMTP(host, port, timeout=10) as client:
        assert client.ehlo()[0] == 250


@pytest.mark.usefixtures("_patched")
def test_select_poll_epoll_and_selectors() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        assert selector.select(0) == []
        with socket.create_connection(listener.getsockname()) as client:
            assert [key.fileobj for key, _ in selector.select(10)] == [listener]
            accepted, _ = listener.accept()
            with accepted, select.epoll() as epoll:
                epoll.register(accepted, select.EPOLLIN | select.EPOLLRDHUP)
                assert epoll.poll(0) == []
                client.sendall(b"x")
                assert epoll.poll(10) == [(accepted.fileno(), select.EPOLLIN)]
                assert accepted.recv(10) == b"x"
                client.shutdown(socket.SHUT_WR)
                assert epoll.poll(10) == [(accepted.fileno(), select.EPOLLIN | select.EPOLLRDHUP)]


@pytest.mark.usefixtures("_patched")
def test_a_subprocess_reads_and_writes_a_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
    with client, accepted:
        code = 'read line; echo "$line" | tr a-z A-Z'
        with subprocess.Popen(["sh", "-c", code], stdin=client, stdout=client) as process:
            accepted.sendall(b"quiet\n")
            assert accepted.recv(100) == b"QUIET\n"
        assert process.returncode == 0


# -- TLS on the host


def tls_echo(accepted: socket.socket) -> None:
    with contexts()[0].wrap_socket(accepted, server_side=True) as tls:
        while data := tls.recv(1000):
            tls.sendall(data)


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("wrap", ["before", "after"])
def test_tls_before_and_after_connecting(wrap: str) -> None:
    client = contexts()[1]
    with peer(tls_echo) as address, patched():
        if wrap == "before":
            tls = client.wrap_socket(socket.socket(), server_hostname="localhost")
            tls.settimeout(10)
            tls.connect(address)
        else:
            sock = socket.create_connection(address, timeout=10)
            tls = client.wrap_socket(sock, server_hostname="localhost")
        with tls:
            assert tls.getpeername() == address
            assert tls.getpeercert()["subjectAltName"]  # type: ignore[index]
            tls.sendall(b"x" * 100)
            assert tls.recv(100) == b"x" * 100


@pytest.mark.usefixtures("fake")
def test_tls_refuses_the_wrong_name() -> None:
    def serve(accepted: socket.socket) -> None:
        with pytest.raises(ssl.SSLError):
            contexts()[0].wrap_socket(accepted, server_side=True)

    with (
        peer(serve) as address,
        patched(),
        socket.create_connection(address, timeout=10) as sock,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        contexts()[1].wrap_socket(sock, server_hostname="other.example")


@pytest.mark.usefixtures("_patched")
def test_five_tls_connections_at_once() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        accepted = [listener.accept()[0] for _ in range(5)]
        threads = [threading.Thread(target=tls_echo, args=(sock,)) for sock in accepted]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    server = threading.Thread(target=serve)
    server.start()
    plain = [socket.create_connection(listener.getsockname(), timeout=10) for _ in range(5)]
    clients = [contexts()[1].wrap_socket(sock, server_hostname="localhost") for sock in plain]
    for number, client in enumerate(clients):
        client.sendall(b"%d" % number * 1000)
    for number, client in enumerate(clients):
        received = b""
        while len(received) < 1000:
            received += client.recv(1000)
        assert received == b"%d" % number * 1000
        client.close()
    server.join()
    listener.close()


# -- asyncio


@pytest.mark.usefixtures("_patched")
@pytest.mark.parametrize("tls", [False, True])
def test_asyncio_streams(tls: bool) -> None:
    server_context, client_context = contexts() if tls else (None, None)
    served: asyncio.Event

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(300_000))
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        served.set()

    async def main() -> None:
        nonlocal served
        served = asyncio.Event()
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_context)
        async with server:
            address = server.sockets[0].getsockname()
            reader, writer = await asyncio.open_connection(*address, ssl=client_context)
            assert writer.get_extra_info("peername") == address
            writer.write(b"x" * 300_000)
            assert await reader.readexactly(300_000) == b"x" * 300_000
            writer.close()
            await writer.wait_closed()
            await served.wait()  # a handler that is cancelled leaves its connection to the collector

    asyncio.run(asyncio.wait_for(main(), 20))


@pytest.mark.usefixtures("_patched")
def test_asyncio_datagrams() -> None:
    class Protocol(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.received: asyncio.Queue[tuple[bytes, Any]] = asyncio.Queue()

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.received.put_nowait((data, addr))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server, at_server = await loop.create_datagram_endpoint(Protocol, local_addr=("127.0.0.1", 0))
        address = server.get_extra_info("sockname")
        client, at_client = await loop.create_datagram_endpoint(Protocol, remote_addr=address)
        client.sendto(b"ping")
        data, peer_address = await at_server.received.get()
        assert data == b"ping"
        server.sendto(b"pong", peer_address)
        assert await at_client.received.get() == (b"pong", address)
        client.close()
        server.close()
        await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(main(), 20))


def test_asyncio_hears_of_a_refusal_and_of_a_reset(fake: FakeInterface) -> None:
    async def refused() -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*unused.getsockname())

    async def reset(address: tuple[str, int]) -> None:
        reader, writer = await asyncio.open_connection(*address)
        assert await reader.readexactly(1) == b"x"
        fake.reset_all()
        with pytest.raises(ConnectionResetError, match="restarted"):
            await reader.read(1)
        writer.close()
        with pytest.raises(ConnectionResetError):
            await writer.wait_closed()

    def serve(accepted: socket.socket) -> None:
        accepted.sendall(b"x")
        accepted.settimeout(10)
        assert accepted.recv(1) == b""

    with peer(serve) as address, patched():
        asyncio.run(asyncio.wait_for(refused(), 20))
        asyncio.run(asyncio.wait_for(reset(address), 20))


def test_asyncio_gives_up_on_connecting(fake: FakeInterface) -> None:
    async def main(address: tuple[str, int]) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.open_connection(*address), 0.05)

    with socket.create_server(("127.0.0.1", 0)) as server, patched():
        with fake.hold():
            asyncio.run(main(server.getsockname()))
        wait_until(lambda: not fake.links, fake)


# -- trio


@pytest.fixture
async def _trio_patched(fake: FakeInterface) -> AsyncIterator[None]:
    with patched():
        yield


async def stream_pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    async with listener:
        client = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
        return client, await listener.accept()


@pytest.mark.usefixtures("_trio_patched")
async def test_trio_s_own_check_of_streams() -> None:
    await trio.testing.check_half_closeable_stream(stream_pair, None)


@pytest.mark.usefixtures("_trio_patched")
async def test_trio_hears_of_a_refusal() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="all attempts to connect") as caught:
            await trio.open_tcp_stream(*unused.getsockname())
    assert "Connection refused" in repr(caught.value.__cause__)


@pytest.mark.usefixtures("_trio_patched")
async def test_trio_tls() -> None:
    server_context, client_context = contexts()
    client, server = await stream_pair()

    async def echo() -> None:
        tls = trio.SSLStream(server, server_context, server_side=True)
        await tls.send_all(await tls.receive_some(100))
        await tls.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(echo)
        tls = trio.SSLStream(client, client_context, server_hostname="localhost", https_compatible=True)
        await tls.send_all(b"secret")
        assert await tls.receive_some(100) == b"secret"
        await tls.aclose()
