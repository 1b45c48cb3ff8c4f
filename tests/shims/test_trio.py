"""trio programs over a simulated module: unmodified ones, and those that run the engine in their own loop."""

from __future__ import annotations

import errno
import socket as stdlib
import ssl
import threading
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

import esp32sock
import esp32sock.socket
import esp32sock.trio
from esp32sock.at.commands import basic
from esp32sock.shims.trio import HostnameResolver, SocketFactory
from esp32sock.trio import ModuleSocket, TrioInterface, open_interface
from tests.shims.harness import contexts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from esp32sock.net.local_interface import LocalInterface

HOST = "10.0.2.2"
"""What the simulated module calls this machine's 127.0.0.1."""

Stream = trio.abc.Stream
Pair = tuple[trio.SocketStream, trio.SocketStream]


@pytest.fixture(scope="module")
def attached() -> Iterator[LocalInterface]:
    interface = esp32sock.attach("sim://")
    yield interface
    esp32sock.detach()


@pytest.fixture
async def patched(attached: LocalInterface) -> LocalInterface:
    """trio as a program finds it that was told of the module in two lines."""
    trio.socket.set_custom_socket_factory(SocketFactory())
    trio.socket.set_custom_hostname_resolver(HostnameResolver())
    return attached


@pytest.fixture
async def own() -> AsyncIterator[TrioInterface]:
    async with open_interface("sim://") as interface:
        yield interface


async def echo(stream: Stream) -> None:
    async with stream:
        async for data in stream:
            await stream.send_all(data)


@asynccontextmanager
async def host_server(
    handler: Callable[[trio.SocketStream], Awaitable[object]], *, rcvbuf_bytes: int | None = None
) -> AsyncIterator[int]:
    """A server of the host, whatever trio was told; its port."""
    listening = stdlib.create_server(("127.0.0.1", 0))
    if rcvbuf_bytes is not None:
        listening.setsockopt(stdlib.SOL_SOCKET, stdlib.SO_RCVBUF, rcvbuf_bytes)
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio.serve_listeners, handler, [listener]))
        yield listening.getsockname()[1]
        nursery.cancel_scope.cancel()


@contextmanager
def never_accepting() -> Iterator[int]:
    """A port of the host where connecting takes for ever, for its queue is full."""
    with ExitStack() as stack:
        listening = stack.enter_context(stdlib.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(stdlib.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


async def exchange(stream: Stream, data: bytes) -> bytes:
    """Send and receive at the same time; what comes back."""
    got = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, data)
        while len(got) < len(data):
            piece = await stream.receive_some()
            assert piece
            got += piece
    return bytes(got)


def links_opened(interface: Any) -> int:
    return int(interface.stats()["links_opened"])


async def links_closed(interface: Any) -> None:
    """Until the module has no link open."""
    while interface.stats()["links_open"]:
        await trio.lowlevel.checkpoint()


# ---- unmodified programs over an attached interface


async def test_open_tcp_stream(patched: LocalInterface) -> None:
    before = links_opened(patched)
    async with host_server(echo) as port:
        async with await trio.open_tcp_stream(HOST, port) as stream:
            assert isinstance(stream.socket, ModuleSocket)
            assert stream.socket.getpeername() == (HOST, port)
            assert await exchange(stream, bytes(range(256)) * 100) == bytes(range(256)) * 100
        await links_closed(patched)
    assert links_opened(patched) == before + 1


async def test_loopback_stays_the_hosts(patched: LocalInterface) -> None:
    before = links_opened(patched)
    async with host_server(echo) as port, await trio.open_tcp_stream("localhost", port) as stream:
        assert await exchange(stream, b"near") == b"near"
    assert links_opened(patched) == before


async def test_tls(patched: LocalInterface) -> None:
    server, client = contexts()
    before = links_opened(patched)

    async def serve(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):  # the client did not like our certificate
            await echo(trio.SSLStream(stream, server, server_side=True))

    async with host_server(serve) as port:
        tcp = await trio.open_tcp_stream(HOST, port)
        async with trio.SSLStream(tcp, client, server_hostname="localhost") as stream:
            assert await exchange(stream, b"secret" * 5000) == b"secret" * 5000
        wrong = await trio.open_ssl_over_tcp_stream(HOST, port, ssl_context=client)
        async with wrong:
            with pytest.raises(trio.BrokenResourceError) as raised:
                await wrong.do_handshake()
            assert isinstance(raised.value.__cause__, ssl.SSLCertVerificationError)
    assert links_opened(patched) == before + 2


async def test_a_server(patched: LocalInterface) -> None:
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(trio.serve_tcp, echo, 0)
        assert isinstance(listener.socket, ModuleSocket)
        port = listener.socket.getsockname()[1]
        station = patched.status().station_ip
        assert station is not None
        for data in (b"first", b"second" * 1000):
            async with await trio.open_tcp_stream(station, port) as stream:
                assert await exchange(stream, data) == data
        nursery.cancel_scope.cancel()


async def test_the_second_listener_is_refused(patched: LocalInterface) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="0.0.0.0")
    async with listener:
        with pytest.raises(OSError, match="one server") as raised:
            await trio.open_tcp_listeners(0, host="0.0.0.0")
        assert raised.value.errno == errno.EMFILE


async def test_closing_wakes_who_accepts(patched: LocalInterface) -> None:
    (listener,) = await trio.open_tcp_listeners(0)
    async with trio.open_nursery() as nursery:

        async def accept() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await listener.accept()

        nursery.start_soon(accept)
        await trio.testing.wait_all_tasks_blocked()
        await listener.aclose()


async def udp_exchange(sock: trio.socket.SocketType) -> None:
    """Many peers from one socket, all receiving calls, then connected."""
    with stdlib.socket(type=stdlib.SOCK_DGRAM) as one, stdlib.socket(type=stdlib.SOCK_DGRAM) as two:
        peers = {}
        for number, peer in enumerate((one, two)):
            peer.bind(("127.0.0.1", 0))
            theirs = trio.socket.from_stdlib_socket(peer)
            peers[number] = theirs, (HOST, peer.getsockname()[1])
        for number, (theirs, address) in peers.items():
            assert await sock.sendto(b"to %d" % number, address) == 4
            data, back = await theirs.recvfrom(100)
            assert data == b"to %d" % number
            await theirs.sendto(b"from %d" % number, back)
            assert await sock.recvfrom(100) == (b"from %d" % number, address)
            room = bytearray(10)
            await theirs.sendto(b"", back)
            assert await sock.recvfrom_into(room) == (0, address)
            await theirs.sendto(b"again", back)
            assert (await sock.recvmsg(100))[::3] == (b"again", address)
            await sock.sendmsg([b"in ", b"parts"], (), 0, address)
            assert await theirs.recv(100) == b"in parts"
        await sock.connect(peers[0][1])
        await sock.send(b"only you")
        assert await peers[0][0].recv(100) == b"only you"


async def test_udp(patched: LocalInterface) -> None:
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        assert isinstance(sock, ModuleSocket)
        await udp_exchange(sock)
    with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind(("", 0))
        assert sock.getsockname()[1]
        await udp_exchange(sock)
        with pytest.raises(OSError, match="1461 bytes") as raised:
            await sock.send(bytes(1461))
        assert raised.value.errno == errno.EMSGSIZE
    await links_closed(patched)


async def test_refused_and_unknown(patched: LocalInterface) -> None:
    with pytest.raises(OSError, match="all attempts") as raised:
        await trio.open_tcp_stream(HOST, 1)
    group = raised.value.__cause__
    assert isinstance(group, ExceptionGroup)
    (refused,) = group.exceptions
    assert isinstance(refused, ConnectionRefusedError)
    assert f"connecting to {HOST}:1" in str(refused)
    with pytest.raises(trio.socket.gaierror) as unknown:
        await trio.open_tcp_stream("no-such-host.invalid", 80)
    assert unknown.value.errno == trio.socket.EAI_NONAME
    with pytest.raises(trio.socket.gaierror, match="IPv6 is off"):
        await trio.socket.getaddrinfo("example.com", 80, family=trio.socket.AF_INET6)
    with pytest.raises(OSError, match="IPv6 is off") as six:
        trio.socket.socket(trio.socket.AF_INET6)
    assert six.value.errno == errno.EAFNOSUPPORT
    assert await trio.socket.getnameinfo((HOST, 80), trio.socket.NI_NUMERICSERV) == (HOST, "80")


async def test_names_in_addresses(patched: LocalInterface) -> None:
    with trio.socket.socket() as sock:
        async with host_server(echo) as port:
            await sock.connect(("localhost", port))
            assert sock.getpeername() == ("127.0.0.1", port)
    with trio.socket.socket() as sock, pytest.raises(trio.socket.gaierror):
        await sock.connect(("no-such-host.invalid", 80))
    with trio.socket.socket() as sock, pytest.raises(TypeError):
        await sock.connect(80)


async def test_a_cancelled_connect_leaves_no_link(patched: LocalInterface) -> None:
    async with host_server(echo) as port:
        sock = trio.socket.socket()
        with never_accepting() as clogged:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(sock.connect, (HOST, clogged))
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
        assert sock.fileno() == -1
        await links_closed(patched)
        async with await trio.open_tcp_stream(HOST, port) as stream:
            assert await exchange(stream, b"and on") == b"and on"


async def test_two_tasks_may_not_read_one_socket(patched: LocalInterface) -> None:
    async with (
        host_server(echo) as port,
        await trio.open_tcp_stream(HOST, port) as stream,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(stream.receive_some)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await stream.receive_some()
        nursery.cancel_scope.cancel()


async def test_the_small_things(patched: LocalInterface) -> None:
    async with host_server(echo) as port:
        with trio.socket.socket() as sock:
            assert (sock.family, sock.type, sock.proto) == (trio.socket.AF_INET, trio.socket.SOCK_STREAM, 0)
            assert not sock.get_inheritable()
            sock.set_inheritable(True)
            assert sock.get_inheritable()
            sock.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY, 1)
            assert sock.getsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY)
            await sock.connect((HOST, port))
            await sock.wait_writable()
            assert not sock.is_readable()
            with sock.dup() as other:
                assert other.getpeername() == sock.getpeername()
                await other.send(b"12345")
            room = bytearray(2)
            assert await sock.recv_into(room) == 2
            assert (await sock.recvmsg_into([room]))[0] == 2
            assert bytes(room) == b"34"
            assert await sock.recv(9) == b"5"
            assert "ModuleSocket" in repr(sock)
            sock.shutdown(trio.socket.SHUT_WR)
            assert sock.did_shutdown_SHUT_WR
            with stdlib.socket(fileno=sock.detach()):
                pass
            sock.close()
    await links_closed(patched)


# ---- the engine in the program's own loop


def engine_threads() -> int:
    return sum(thread.name == "esp32sock" for thread in threading.enumerate())


def test_the_short_name_is_the_same() -> None:
    assert esp32sock.trio.open_interface is open_interface
    assert all(hasattr(esp32sock.trio, name) for name in esp32sock.trio.__all__)


async def test_own_engine_has_no_thread() -> None:
    before = engine_threads()
    async with open_interface("sim://"):
        assert engine_threads() == before


async def test_own_engine(own: TrioInterface) -> None:
    async with host_server(echo) as port:
        async with await own.open_tcp_stream(HOST, port) as stream:
            assert await exchange(stream, bytes(range(256)) * 100) == bytes(range(256)) * 100
            version = await own.execute(basic.Version())
            assert own.status().firmware in str(version)
        await links_closed(own)
    assert links_opened(own) == 1


async def test_own_engine_serves(own: TrioInterface) -> None:
    (listener,) = await own.open_tcp_listeners(0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio.serve_listeners, echo, [listener]))
        station = own.status().station_ip
        assert station is not None
        port = listener.socket.getsockname()[1]
        async with await own.open_tcp_stream(station, port) as stream:
            assert await exchange(stream, b"to myself") == b"to myself"
        with pytest.raises(OSError, match="one server"):
            await own.open_tcp_listeners(0)
        nursery.cancel_scope.cancel()


async def test_own_engine_listens_for_unmodified_programs(own: TrioInterface) -> None:
    trio.socket.set_custom_socket_factory(SocketFactory(own.interface))
    trio.socket.set_custom_hostname_resolver(HostnameResolver(own.interface))
    (listener,) = await trio.open_tcp_listeners(0)
    async with listener:
        (refused,) = await trio.open_tcp_listeners(0)  # nobody can wait for the answer there
        async with refused:
            with pytest.raises(OSError, match="one server"):
                await refused.accept()


async def test_own_engine_udp(own: TrioInterface) -> None:
    with own.socket(trio.socket.SOCK_DGRAM) as sock:
        await udp_exchange(sock)


async def test_own_engine_names_and_refusals(own: TrioInterface) -> None:
    assert await own.resolve(HOST) == [HOST]
    with pytest.raises(trio.socket.gaierror):
        await own.resolve("no-such-host.invalid")
    with pytest.raises(ConnectionRefusedError, match=f"connecting to {HOST}:1"):
        await own.open_tcp_stream(HOST, 1)


async def test_own_engine_is_used_by_blocking_sockets_of_threads(own: TrioInterface) -> None:
    def fetch(port: int) -> bytes:
        with esp32sock.socket.create_connection((HOST, port)) as sock:
            sock.sendall(b"thread")
            return bytes(sock.recv(6))

    async with host_server(echo) as port:
        with own.use():
            assert await trio.to_thread.run_sync(fetch, port) == b"thread"
            with pytest.raises(OSError, match="must not block"):
                fetch(port)
    assert links_opened(own) == 1


async def test_own_engine_delivers_before_it_ends() -> None:
    received = bytearray()
    ended = trio.Event()

    async def keep(stream: trio.SocketStream) -> None:
        async for data in stream:
            received.extend(data)
        ended.set()

    async with host_server(keep) as port:
        async with open_interface("sim://") as interface:
            stream = await interface.open_tcp_stream(HOST, port)
            await stream.send_all(b"last words")
        await ended.wait()
        assert received == b"last words"
        await stream.aclose()


async def test_own_engine_cancelled_closes_its_links() -> None:
    ended = trio.Event()

    async def wait(stream: trio.SocketStream) -> None:
        assert await stream.receive_some() == b""
        ended.set()

    async with host_server(wait) as port:
        with trio.CancelScope() as scope:
            async with open_interface("sim://") as interface:
                stream = await interface.open_tcp_stream(HOST, port)
                scope.cancel()
                async with stream:
                    await trio.sleep_forever()
        await ended.wait()


async def test_own_engine_errors_are_the_programs_own() -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_interface("sim://"):
            raise ZeroDivisionError
    with pytest.raises(OSError, match="attaching /nowhere"):
        async with open_interface("/nowhere/tty"):
            raise AssertionError
    with pytest.raises(TypeError, match="no option"):
        async with open_interface("sim://", volume=11):
            raise AssertionError


async def test_use_of_an_attached_interface(attached: LocalInterface) -> None:
    with attached.use() as chosen:
        assert chosen is attached
        assert esp32sock.default() is attached


# ---- trio's own conformance tests
#
# `check_half_closeable_stream` asks for more than an ESP32 can give: the module has no command for a FIN
# alone, so its peer reads the end only when the link is closed, and a FIN of the peer closes the link. All
# else is here. Only what the module sends can be clogged: what it receives is kept, megabytes of it.

QUIET_S = 1.0
"""A peer that does not read has clogged the link when so long nothing could be sent."""


@asynccontextmanager
async def pairs(own: TrioInterface) -> AsyncIterator[Callable[[], Awaitable[Pair]]]:
    """Makes (the module's end, the end of a peer with small buffers) of a link."""
    connected, streams = trio.open_memory_channel[trio.SocketStream](1)

    async def hand_over(stream: trio.SocketStream) -> None:
        await connected.send(stream)
        await trio.sleep_forever()

    async with host_server(hand_over, rcvbuf_bytes=4096) as port:

        async def pair() -> Pair:
            return await own.open_tcp_stream(HOST, port), await streams.receive()

        yield pair


async def test_a_link_is_a_stream(own: TrioInterface) -> None:
    async with pairs(own) as pair:
        await trio.testing.check_two_way_stream(pair, None)


async def test_a_half_closed_link_is_a_stream_as_far_as_it_can_be(own: TrioInterface) -> None:
    """`check_half_closeable_stream`, less the two places where a peer reads the end of one direction only."""
    async with pairs(own) as pair:
        ours, theirs = await pair()
        async with ours, theirs:
            await ours.send_all(b"x")
            with trio.testing.assert_checkpoints():
                await ours.send_eof()
            assert await theirs.receive_some(10) == b"x"
            with pytest.raises(trio.ClosedResourceError):
                await ours.send_all(b"y")
            with trio.testing.assert_checkpoints():
                await ours.send_eof()
            await theirs.send_all(b"back")  # the other way is still open
            assert await ours.receive_some(10) == b"back"
            await theirs.send_eof()
            assert await ours.receive_some(10) == b""
            assert await theirs.receive_some(10) == b""  # only now: the link is closed
        ours, theirs = await pair()
        async with ours, theirs:
            await ours.aclose()
            with pytest.raises(trio.ClosedResourceError):
                await ours.send_eof()
        ours, theirs = await pair()
        async with ours, theirs, trio.open_nursery() as nursery:
            with trio.move_on_after(QUIET_S) as scope:
                while True:
                    await ours.send_all(bytes(1024))
                    scope.deadline = trio.current_time() + QUIET_S

            async def pour() -> None:
                with suppress(trio.ClosedResourceError):
                    await ours.send_all(bytes(100_000))

            nursery.start_soon(pour)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(trio.BusyResourceError):
                await ours.send_eof()
            nursery.cancel_scope.cancel()


@pytest.mark.timeout(240)  # some twenty links, each filled until it takes nothing for a second
async def test_a_clogged_link_is_a_stream(own: TrioInterface) -> None:
    async with pairs(own) as pair:

        async def clogged() -> Pair:
            ours, theirs = await pair()
            with trio.move_on_after(QUIET_S) as scope:
                while True:
                    await ours.send_all(bytes(1024))
                    scope.deadline = trio.current_time() + QUIET_S
            return ours, theirs

        await trio.testing.check_one_way_stream(pair, clogged)
