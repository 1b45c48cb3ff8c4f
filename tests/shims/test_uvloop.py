"""uvloop, patched: streams go through the module, what would go around it is refused."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

import esp32sock.socket
from esp32sock.shims.monkey import patched
from esp32sock.shims.uvloop import as_unix, methods
from tests.net.fake_interface import FakeInterface
from tests.net.harness import descriptors, peer, unused_port, using, wait_until
from tests.shims.harness import PAGE, contexts, run_child

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


@pytest.fixture
def _patched(fake: FakeInterface) -> Iterator[None]:
    uvloop.new_event_loop().close()  # libuv makes a pipe for the whole process
    before = descriptors()
    with patched():
        yield
    wait_until(lambda: not fake.links, fake)
    assert descriptors() == before


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def checked() -> None:
        assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
        await main()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(checked())


@contextmanager
def echo_server(context: ssl.SSLContext | None = None) -> Iterator[tuple[str, int]]:
    """On the module, for one connection, in a thread: uvloop cannot be one there."""

    def serve() -> None:
        accepted, _ = listener.accept()
        with accepted, context.wrap_socket(accepted, server_side=True) if context else accepted as sock:
            send_back(sock)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            thread.join()


def send_back(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(PAGE)
    assert await reader.readexactly(len(PAGE)) == PAGE
    writer.close()
    await writer.wait_closed()


@pytest.mark.usefixtures("_patched")
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("how", ["host", "sock"])
def test_streams(fake: FakeInterface, secure: bool, how: str) -> None:
    server, client = contexts() if secure else (None, None)

    async def main() -> None:
        with echo_server(server) as address:
            options: dict[str, Any] = {"ssl": client}
            if how == "host":
                opening = asyncio.open_connection("localhost", address[1], **options)
            else:
                sock = socket.socket()
                sock.setblocking(False)
                await asyncio.get_running_loop().sock_connect(sock, address)
                if secure:
                    options["server_hostname"] = "localhost"
                opening = asyncio.open_connection(sock=sock, **options)
            reader, writer = await opening
            assert writer.get_extra_info("peername") == address
            assert writer.get_extra_info("sockname")[0] == "127.0.0.1"
            assert bool(writer.get_extra_info("ssl_object")) is secure
            await talk(reader, writer)

    run(main)
    assert len(fake.opened) == 1


@pytest.mark.usefixtures("_patched")
def test_what_fails_is_told_as_by_asyncio(fake: FakeInterface) -> None:
    async def main() -> None:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("localhost", unused_port())
        with pytest.raises(socket.gaierror):
            await asyncio.open_connection("unknown.example", 80)
        with socket.socket(socket.AF_UNIX) as given, pytest.raises(ValueError, match="same time"):
            await asyncio.get_running_loop().create_connection(asyncio.Protocol, "localhost", 80, sock=given)
        _, client = contexts()
        with (
            peer(lambda connection: connection.sendall(b"no TLS" * 10)) as address,
            pytest.raises(ssl.SSLError),
        ):
            await asyncio.open_connection(*address, ssl=client)

    run(main)


def test_what_is_said_of_a_given_socket_is_uvloop_s_to_judge() -> None:
    heard: dict[str, Any] = {}

    class Loop(uvloop.Loop):  # type: ignore[misc]
        async def create_connection(self, *_: Any, **options: Any) -> None:
            heard.update(options)

    said = {"family": 2, "proto": 6, "flags": 4, "local_addr": ("127.0.0.1", 0)}

    async def main() -> None:
        with socket.socket(socket.AF_UNIX) as given:
            await methods(Loop)["create_connection"](None, asyncio.Protocol, sock=given, **said)
            assert heard.pop("sock") is given

    asyncio.run(main())
    assert heard == said


@pytest.mark.usefixtures("_patched")
def test_names_are_the_module_s(fake: FakeInterface) -> None:
    async def main() -> None:
        fake.names["peer.example"] = ["192.0.2.7"]
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo("peer.example", 80, type=socket.SOCK_STREAM)
        assert [each[4] for each in found] == [("192.0.2.7", 80)]
        assert await loop.getnameinfo(("192.0.2.7", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV) == (
            "192.0.2.7", "80",
        )  # fmt: skip

    run(main)
    assert "peer.example" in fake.asked


@pytest.mark.usefixtures("_patched")
def test_what_would_go_around_the_module_is_refused(fake: FakeInterface) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as listener, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            listener.bind(("127.0.0.1", 0))
            attempts: list[Callable[[], Awaitable[Any]]] = [
                lambda: loop.create_server(asyncio.Protocol, "127.0.0.1", 0),
                lambda: loop.create_server(asyncio.Protocol, None, 0),
                lambda: loop.create_server(asyncio.Protocol, ["127.0.0.1", "::1"], 0),
                lambda: loop.create_server(asyncio.Protocol, sock=listener),
                lambda: loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0)),
                lambda: loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("192.0.2.1", 9)),
                lambda: loop.create_datagram_endpoint(asyncio.DatagramProtocol, family=socket.AF_INET),
                lambda: loop.create_datagram_endpoint(asyncio.DatagramProtocol, sock=datagrams),
            ]
            for attempt in attempts:
                with pytest.raises(OSError, match="bypass") as caught:
                    await attempt()
                assert caught.value.errno == errno.EOPNOTSUPP

    run(main)


def test_what_the_host_serves_is_uvloop_s_own() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with peer(send_back) as address:
            await talk(*await asyncio.open_connection(*address))
        with peer(send_back) as address:
            sock = socket.socket()
            sock.setblocking(False)
            await loop.sock_connect(sock, address)
            await talk(*await asyncio.open_connection(sock=sock))
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        server.close()
        await server.wait_closed()
        transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0))
        transport.close()
        for everywhere in ("0.0.0.0", "0", "::"):  # which is the module, as far as anybody else can tell
            with pytest.raises(OSError, match="bypass"):
                await loop.create_server(asyncio.Protocol, everywhere, 0)
            with pytest.raises(OSError, match="bypass"):
                await loop.create_datagram_endpoint(asyncio.DatagramProtocol, (everywhere, 0))

    with using(FakeInterface(direct="127.0.0.1")) as fake, patched():
        run(main)
        assert not fake.opened


def test_explicit_use(fake: FakeInterface) -> None:
    async def main() -> None:
        with peer(send_back) as address:
            sock = esp32sock.socket.socket()
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, address)
            unix = as_unix(sock)
            assert sock.fileno() == -1
            assert as_unix(unix) is unix
            await talk(*await asyncio.open_connection(sock=unix))

    run(main)
    assert len(fake.opened) == 1


PATCH = """
import sys
meta_path = list(sys.meta_path)
from esp32sock.shims.monkey import patch, unpatch
patch()
"""
IMPORT = """
import uvloop
assert type(uvloop.__spec__.loader) is type(uvloop.__loader__) is type(ast.__loader__)
"""
AFTER = """
def of_ours():
    return {name for name, value in vars(uvloop.Loop).items()
            if getattr(value, "__module__", None) == "esp32sock.shims.uvloop"}
ours = of_ours()
assert ours == {"create_connection", "connect_accepted_socket", "create_server", "getaddrinfo",
                "create_datagram_endpoint", "getnameinfo", "subprocess_exec", "subprocess_shell"}, ours
assert uvloop.loop.Loop.__base__ is uvloop.Loop.__base__
unpatch()
assert not of_ours()
assert uvloop.loop.Loop is uvloop.Loop.__base__
assert sys.meta_path == meta_path
"""


@pytest.mark.parametrize("steps", [(PATCH, IMPORT), (IMPORT, PATCH)], ids=["patch first", "import first"])
def test_whenever_it_is_imported(steps: tuple[str, str]) -> None:
    run_child("\n".join(["import ast", *steps, AFTER]))


def test_patching_without_uvloop_leaves_no_finder() -> None:
    run_child(PATCH + "unpatch()\nassert sys.meta_path == meta_path and 'uvloop' not in sys.modules")
