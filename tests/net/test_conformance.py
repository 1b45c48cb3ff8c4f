"""The same bodies on the standard library's sockets over loopback and on ours over the fake interface."""

from __future__ import annotations

import errno
import os
import select
import socket as stdlib
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from esp32sock import socket as ours
from tests.net.harness import unused_port, using, wait_readable, wait_writable

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_S = 10


@pytest.fixture(params=["stdlib", "ours"])
def net(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "stdlib":
        yield stdlib
        return
    from tests.net.fake_interface import FakeInterface

    with using(FakeInterface()):
        yield ours


@pytest.fixture
def listener(net: Any) -> Iterator[Any]:
    with net.create_server(("127.0.0.1", 0)) as sock:
        yield sock


@pytest.fixture
def pair(net: Any, listener: Any) -> Iterator[tuple[Any, Any]]:
    with net.create_connection(listener.getsockname(), timeout=TIMEOUT_S) as client:
        server, _ = listener.accept()
        with server:
            server.settimeout(TIMEOUT_S)
            yield client, server


@pytest.fixture
def datagrams(net: Any) -> Iterator[tuple[Any, Any]]:
    with net.socket(type=net.SOCK_DGRAM) as one, net.socket(type=net.SOCK_DGRAM) as other:
        for sock in (one, other):
            sock.bind(("127.0.0.1", 0))
            sock.settimeout(TIMEOUT_S)
        yield one, other


def errno_of(function: Any, *arguments: Any) -> int | None:
    with pytest.raises(OSError) as caught:  # noqa: PT011  the errno is what is asserted
        function(*arguments)
    return caught.value.errno


# -- streams


def test_bytes_go_both_ways_and_the_end_is_an_end(pair: Any) -> None:
    client, server = pair
    client.sendall(b"hello")
    assert server.recv(100) == b"hello"
    server.sendall(b"good bye")
    server.close()
    assert client.recv(100) == b"good bye"
    assert client.recv(100) == b""
    assert client.recv(100) == b""


def test_addresses(pair: Any, listener: Any) -> None:
    client, server = pair
    assert client.getpeername() == server.getsockname() == listener.getsockname()
    assert server.getpeername() == client.getsockname()
    assert client.getsockname()[0] == "127.0.0.1"


def test_sending_nothing_needs_no_peer(pair: Any) -> None:
    client, server = pair
    client.close()
    assert server.recv(100) == b""
    assert server.send(b"") == 0
    assert server.sendall(memoryview(b"")) is None
    server.close()
    assert errno_of(server.send, b"") == errno.EBADF


def test_after_the_peer_closed_one_send_succeeds(pair: Any) -> None:
    client, server = pair
    client.close()
    assert server.recv(100) == b""
    assert server.send(b"x") == 1


def test_half_close(pair: Any, net: Any) -> None:
    client, server = pair
    client.sendall(b"question")
    client.shutdown(net.SHUT_WR)
    assert errno_of(client.send, b"more") == errno.EPIPE
    assert server.recv(100) == b"question"
    assert server.recv(100) == b""
    server.sendall(b"answer")
    assert client.recv(100) == b"answer"


def test_a_megabyte_each_way_at_once(pair: Any, net: Any) -> None:
    client, server = pair
    sent = os.urandom(1 << 20)

    def echo() -> None:
        while data := server.recv(10000):
            server.sendall(data)
        server.shutdown(net.SHUT_WR)

    def send() -> None:
        client.sendall(sent)
        client.shutdown(net.SHUT_WR)

    threads = [threading.Thread(target=function) for function in (echo, send)]
    for thread in threads:
        thread.start()
    received = b"".join(iter(lambda: client.recv(65536), b""))
    for thread in threads:
        thread.join()
    assert received == sent


@pytest.mark.parametrize("method", ["recv_into", "recvfrom_into", "recvmsg_into", "recvmsg", "recvfrom"])
def test_ways_to_receive(pair: Any, method: str) -> None:
    client, server = pair
    server.sendall(b"abcdef")
    buffer = bytearray(4)
    result = {
        "recv_into": lambda: client.recv_into(buffer),
        "recvfrom_into": lambda: client.recvfrom_into(buffer),
        "recvmsg_into": lambda: client.recvmsg_into([buffer]),
        "recvmsg": lambda: client.recvmsg(4),
        "recvfrom": lambda: client.recvfrom(4),
    }[method]()
    expected = {
        "recv_into": 4,
        "recvfrom_into": (4, None),
        "recvmsg_into": (4, [], 0, None),
        "recvmsg": (b"abcd", [], 0, None),
        "recvfrom": (b"abcd", None),
    }[method]
    assert result == expected
    assert client.recv(10) == b"ef"


def test_ways_to_send(pair: Any) -> None:
    client, server = pair
    assert client.send(b"a") == 1
    assert client.sendmsg([b"b", bytearray(b"c"), memoryview(b"d")]) == 3
    assert client.sendto(b"e", ("127.0.0.1", 1)) == 1
    assert client.sendto(b"f", 0, ("127.0.0.1", 1)) == 1
    assert client.sendall(b"g") is None
    with server.makefile("rb") as file:
        assert file.read(7) == b"abcdefg"


def test_peeking_and_not_waiting(pair: Any, net: Any) -> None:
    client, server = pair
    client.settimeout(None)
    assert errno_of(client.recv, 10, net.MSG_DONTWAIT) == errno.EAGAIN
    server.sendall(b"abc")
    wait_readable(client)
    assert client.recv(10, net.MSG_PEEK) == b"abc"
    assert client.recv(10, net.MSG_DONTWAIT) == b"abc"


def test_sendfile(pair: Any, tmp_path: Any) -> None:
    client, server = pair
    path = tmp_path / "file"
    path.write_bytes(b"x" * 5000)
    with path.open("rb") as file:
        assert client.sendfile(file, offset=1000) == 4000
    with server.makefile("rb") as received:
        assert received.read(4000) == b"x" * 4000


def test_a_file_keeps_the_socket_open(pair: Any) -> None:
    client, server = pair
    file = client.makefile("rwb")
    client.close()
    file.write(b"still here\n")
    file.flush()
    assert server.recv(100) == b"still here\n"
    file.close()
    assert server.recv(100) == b""


def test_timeouts(pair: Any) -> None:
    client, _ = pair
    client.settimeout(0.01)
    with pytest.raises(TimeoutError, match=r"^timed out$"):
        client.recv(1)
    client.setblocking(False)
    assert errno_of(client.recv, 1) == errno.EAGAIN


def test_before_it_is_connected(net: Any) -> None:
    with net.socket() as sock:
        assert errno_of(sock.recv, 1) == errno.ENOTCONN
        assert errno_of(sock.send, b"x") == errno.EPIPE
        assert errno_of(sock.sendall, b"x") == errno.EPIPE
        assert errno_of(sock.sendto, b"x", ("127.0.0.1", 1)) == errno.EPIPE
        assert errno_of(sock.getpeername) == errno.ENOTCONN
        assert errno_of(sock.shutdown, net.SHUT_RDWR) == errno.ENOTCONN
        assert errno_of(sock.accept) == errno.EINVAL
        assert sock.getsockname() == ("0.0.0.0", 0)


def test_refused(net: Any) -> None:
    with net.socket() as sock:
        port = unused_port()
        assert errno_of(sock.connect, ("127.0.0.1", port)) == errno.ECONNREFUSED
        assert sock.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED
        assert sock.getsockopt(net.SOL_SOCKET, net.SO_ERROR) == 0


def test_a_second_attempt_can_succeed(net: Any, listener: Any) -> None:
    with net.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", unused_port())) == errno.ECONNREFUSED
        sock.connect(listener.getsockname())
        assert errno_of(sock.connect, listener.getsockname()) == errno.EISCONN


def test_connecting_without_blocking(net: Any, listener: Any) -> None:
    with net.socket() as sock:
        sock.setblocking(False)
        assert sock.connect_ex(listener.getsockname()) == errno.EINPROGRESS
        wait_writable(sock)
        assert sock.getsockopt(net.SOL_SOCKET, net.SO_ERROR) == 0
        assert sock.connect_ex(listener.getsockname()) == 0
        assert sock.connect_ex(listener.getsockname()) == errno.EISCONN
        assert sock.send(b"x") == 1


def test_refused_without_blocking(net: Any) -> None:
    address = ("127.0.0.1", unused_port())
    with net.socket() as sock:
        sock.setblocking(False)
        if errno_of(sock.connect, address) == errno.EINPROGRESS:  # over loopback Linux may know at once
            wait_writable(sock)
            assert sock.getsockopt(net.SOL_SOCKET, net.SO_ERROR) == errno.ECONNREFUSED
        assert sock.getsockopt(net.SOL_SOCKET, net.SO_ERROR) == 0


def test_poll_of_a_fresh_socket(net: Any) -> None:
    unconnected = {net.SOCK_STREAM: select.POLLOUT | select.POLLHUP, net.SOCK_DGRAM: select.POLLOUT}
    for kind, expected in unconnected.items():
        with net.socket(type=kind) as sock:
            poll = select.poll()
            poll.register(sock, select.POLLIN | select.POLLOUT)
            assert poll.poll(0) == [(sock.fileno(), expected)]


def test_a_descriptor_keeps_its_place_in_an_epoll(net: Any, listener: Any) -> None:
    with net.socket() as sock, select.epoll() as epoll:
        sock.setblocking(False)
        epoll.register(sock, select.EPOLLOUT | select.EPOLLET)
        epoll.poll(0)
        if sock.connect_ex(("127.0.0.1", unused_port())) == errno.EINPROGRESS:
            assert epoll.poll(10)
            assert sock.getsockopt(net.SOL_SOCKET, net.SO_ERROR) == errno.ECONNREFUSED
        assert sock.connect_ex(listener.getsockname()) in (errno.EINPROGRESS, errno.ECONNABORTED)


def test_connecting_again_at_once(net: Any, listener: Any) -> None:
    """Between the failure of one attempt and the next nobody waits for anybody."""
    for _ in range(100):
        with net.socket() as sock:
            sock.setblocking(False)
            if sock.connect_ex(("127.0.0.1", unused_port())) == errno.EINPROGRESS:
                wait_writable(sock)
            sock.getsockopt(net.SOL_SOCKET, net.SO_ERROR)
            code = sock.connect_ex(listener.getsockname())
            if code == errno.ECONNABORTED:  # Linux says so once of the attempt before
                code = sock.connect_ex(listener.getsockname())
            assert code in (0, errno.EINPROGRESS)
            wait_writable(sock)
            sock.send(b"x")
            with listener.accept()[0] as accepted:
                assert accepted.recv(10) == b"x"


# -- listeners


def test_accept(net: Any, listener: Any) -> None:
    assert listener.getsockopt(net.SOL_SOCKET, net.SO_ACCEPTCONN) == 1
    listener.settimeout(0.01)
    with pytest.raises(TimeoutError, match=r"^timed out$"):
        listener.accept()
    listener.setblocking(False)
    assert errno_of(listener.accept) == errno.EAGAIN
    with net.create_connection(listener.getsockname()) as client:
        wait_readable(listener)
        server, address = listener.accept()
        with server:
            assert address == client.getsockname()
            assert type(server) is net.socket
            assert server.gettimeout() is None
            assert not server.get_inheritable()
            assert server.getsockopt(net.SOL_SOCKET, net.SO_ACCEPTCONN) == 0


def test_several_wait_to_be_accepted(net: Any, listener: Any) -> None:
    clients = [net.create_connection(listener.getsockname()) for _ in range(5)]
    accepted = [listener.accept() for _ in clients]
    assert [address for _, address in accepted] == [client.getsockname() for client in clients]
    for sock in [*clients, *(server for server, _ in accepted)]:
        sock.close()


def test_an_accepted_stream_inherits_options(net: Any, listener: Any) -> None:
    listener.setsockopt(net.IPPROTO_TCP, net.TCP_NODELAY, 1)
    with net.create_connection(listener.getsockname()):
        server, _ = listener.accept()
        with server:
            assert server.getsockopt(net.IPPROTO_TCP, net.TCP_NODELAY) == 1


def test_a_listener_does_not_connect_or_carry_data(net: Any, listener: Any) -> None:
    assert errno_of(listener.connect, listener.getsockname()) == errno.EISCONN
    assert errno_of(listener.recv, 1) == errno.ENOTCONN
    assert errno_of(listener.send, b"x") == errno.EPIPE
    assert errno_of(listener.getpeername) == errno.ENOTCONN
    listener.listen(3)


def test_bind_twice(net: Any) -> None:
    with net.socket() as sock, net.socket() as other:
        sock.bind(("127.0.0.1", 0))
        assert errno_of(sock.bind, ("127.0.0.1", 0)) == errno.EINVAL
        assert errno_of(other.bind, sock.getsockname()) == errno.EADDRINUSE


def test_a_closed_listener_frees_its_port_and_refuses_who_waited(net: Any) -> None:
    listener = net.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    with net.create_connection(address, timeout=TIMEOUT_S) as client:
        wait_readable(listener)
        listener.close()
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""
    with net.create_server(address) as again:
        assert again.getsockname() == address


def test_shutting_a_listener_down_wakes_who_accepts(net: Any, listener: Any) -> None:
    outcome: list[int | None] = []
    thread = threading.Thread(target=lambda: outcome.append(errno_of(listener.accept)))
    thread.start()
    listener.shutdown(net.SHUT_RDWR)
    thread.join()
    assert outcome == [errno.EINVAL]


# -- datagrams


def test_datagrams_keep_their_borders(datagrams: Any) -> None:
    one, other = datagrams
    for data in (b"first", b"2", b"third"):
        assert one.sendto(data, other.getsockname()) == len(data)
    for data in (b"first", b"2", b"third"):
        assert other.recvfrom(100) == (data, one.getsockname())


@pytest.mark.parametrize("way", ["send", "sendall", "sendmsg", "sendto"])
def test_ways_to_send_a_datagram(datagrams: Any, way: str) -> None:
    one, other = datagrams
    one.connect(other.getsockname())
    {
        "send": lambda: one.send(b"data"),
        "sendall": lambda: one.sendall(b"data"),
        "sendmsg": lambda: one.sendmsg([b"da", b"ta"]),
        "sendto": lambda: one.sendto(b"data", 0, other.getsockname()),
    }[way]()
    assert other.recv(100) == b"data"
    assert one.getpeername() == other.getsockname()


def test_ways_to_receive_a_datagram(datagrams: Any, net: Any) -> None:
    one, other = datagrams
    peer = one.getsockname()

    def arrives(data: bytes) -> None:
        one.sendto(data, other.getsockname())
        wait_readable(other)

    arrives(b"abcd")
    assert other.recv(2) == b"ab"
    buffer = bytearray(8)
    arrives(b"abcd")
    assert other.recv_into(buffer) == 4
    arrives(b"efgh")
    assert other.recvfrom_into(buffer, 3) == (3, peer)
    assert buffer == b"efgd\0\0\0\0"
    arrives(b"abcd")
    assert other.recvmsg(2) == (b"ab", [], net.MSG_TRUNC, peer)
    arrives(b"abcd")
    assert other.recvmsg(8, 100) == (b"abcd", [], 0, peer)
    halves = [bytearray(2), bytearray(3)]
    arrives(b"abcd")
    assert other.recvmsg_into(halves) == (4, [], 0, peer)
    assert halves == [b"ab", b"cd\0"]
    arrives(b"peeked")
    assert other.recvfrom(3, net.MSG_PEEK) == (b"pee", peer)
    assert other.recv_into(bytearray(3), 3, net.MSG_PEEK | net.MSG_TRUNC) == 6
    assert other.recv(100) == b"peeked"
    other.settimeout(None)
    assert errno_of(other.recv, 1, net.MSG_DONTWAIT) == errno.EAGAIN


def test_a_connected_socket_hears_its_peer_only(datagrams: Any, net: Any) -> None:
    one, other = datagrams
    with net.socket(type=net.SOCK_DGRAM) as third:
        other.connect(one.getsockname())
        third.sendto(b"noise", other.getsockname())
        one.sendto(b"signal", other.getsockname())
        assert other.recv(100) == b"signal"


def test_connecting_settles_the_local_address(datagrams: Any) -> None:
    one, other = datagrams
    for sock in datagrams:
        assert sock.getsockname()[0] == "127.0.0.1"
    one.connect(other.getsockname())
    assert one.getsockname()[0] == "127.0.0.1"


def test_the_local_address_of_a_datagram_socket(net: Any) -> None:
    with net.socket(type=net.SOCK_DGRAM) as sock:
        assert sock.getsockname() == ("0.0.0.0", 0)
        sock.bind(("", 0))
        assert sock.getsockname()[0] == "0.0.0.0"
        sock.connect(("127.0.0.1", unused_port()))
        assert sock.getsockname()[0] == "127.0.0.1"
        assert sock.getsockname()[1] != 0


def test_datagrams_before_anything(net: Any) -> None:
    with net.socket(type=net.SOCK_DGRAM) as sock:
        assert errno_of(sock.send, b"x") == errno.EDESTADDRREQ
        assert errno_of(sock.getpeername) == errno.ENOTCONN
        assert errno_of(sock.listen) == errno.EOPNOTSUPP
        assert errno_of(sock.accept) == errno.EOPNOTSUPP
        assert errno_of(sock.sendto, b"x", ("127.0.0.1", 0)) == errno.EINVAL
        assert errno_of(sock.sendto, b"x", ("255.255.255.255", 9)) == errno.EACCES
        sock.setblocking(False)
        assert errno_of(sock.recv, 1) == errno.EAGAIN
        sock.sendto(b"x", ("127.0.0.1", unused_port()))
        assert sock.getsockname()[1] != 0


def test_a_datagram_in_parts(datagrams: Any, net: Any) -> None:
    one, other = datagrams
    assert one.sendto(b"one ", net.MSG_MORE, other.getsockname()) == 4
    assert one.sendto(b"data", net.MSG_MORE, other.getsockname()) == 4
    assert one.sendto(b"gram", other.getsockname()) == 4
    assert other.recvfrom(100) == (b"one datagram", one.getsockname())
    one.connect(other.getsockname())
    assert one.send(b"an", net.MSG_MORE) == 2
    one.sendall(b"other")
    assert other.recv(100) == b"another"


def test_the_local_port_is_known_before_a_connection_is_there(net: Any) -> None:
    with net.socket(type=net.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(("127.0.0.1", unused_port()))
        name = sock.getsockname()
        assert name[0] == "127.0.0.1"
        assert name[1] != 0
        sock.connect(("127.0.0.1", unused_port()))
        assert sock.getsockname()[1] != 0


def test_shutting_a_datagram_socket_down(datagrams: Any, net: Any) -> None:
    one, other = datagrams
    assert errno_of(one.shutdown, net.SHUT_WR) == errno.ENOTCONN
    one.connect(other.getsockname())
    one.shutdown(net.SHUT_WR)
    assert errno_of(one.send, b"x") == errno.EPIPE
    one.settimeout(None)
    one.shutdown(net.SHUT_RD)
    assert one.recv(10) == b""


# -- arguments, options, objects


@pytest.mark.parametrize(
    "address",
    [
        None,
        "127.0.0.1:80",
        ("127.0.0.1",),
        ("127.0.0.1", 1, 2),
        (None, 1),
        (1, 1),
        ("127.0.0.1", "http"),
        ("127.0.0.1", 1.0),
        ("127.0.0.1", -1),
        ("127.0.0.1", 65536),
        ("127.0.0.1", 1 << 70),
        ("a\0b", 1),
    ],
)
@pytest.mark.parametrize("method", ["connect", "connect_ex", "bind", "sendto"])
def test_addresses_that_are_none(method: str, address: Any) -> None:
    """The same exception with the same words on both."""
    outcomes = []
    for net in (stdlib, ours):
        with net.socket(type=net.SOCK_DGRAM) as sock:
            function = getattr(sock, method)
            arguments = (b"x", address) if method == "sendto" else (address,)
            with pytest.raises((TypeError, OverflowError)) as caught:
                function(*arguments)
            outcomes.append((caught.type, str(caught.value)))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("kind", ["SOCK_STREAM", "SOCK_DGRAM"])
@pytest.mark.parametrize(
    "call",
    [
        lambda sock: sock.sendto(),
        lambda sock: sock.sendto(b"x"),
        lambda sock: sock.sendto("x", ("127.0.0.1", 9)),
        lambda sock: sock.sendto(b"x", 0, ("127.0.0.1", 9), 4),
        lambda sock: sock.sendto(b"x", "not flags", ("127.0.0.1", 9)),
        lambda sock: sock.send("text"),
        lambda sock: sock.send(),
        lambda sock: sock.recv(),
        lambda sock: sock.recv("x"),
        lambda sock: sock.recv_into(b"read only"),
        lambda sock: sock.recv_into(bytearray(3), 4),
        lambda sock: sock.recv_into(bytearray(3), -1),
        lambda sock: sock.recvfrom_into(bytearray(3), 4),
        lambda sock: sock.sendmsg(b"bytes"),
        lambda sock: sock.sendmsg([b"x"], 7),
        lambda sock: sock.sendmsg([b"x"], [object()]),
        lambda sock: sock.sendmsg([b"x"], [(1, 2)]),
        lambda sock: sock.recvmsg_into(b"x"),
        lambda sock: sock.setsockopt(1),
        lambda sock: sock.setsockopt(1, 2, "text"),
        lambda sock: sock.setsockopt(1, 2, None),
        lambda sock: sock.setsockopt(1, 2, 1 << 40),
        lambda sock: sock.shutdown("x"),
        lambda sock: sock.listen("x"),
    ],
)
def test_arguments_that_are_none(kind: str, call: Any) -> None:
    outcomes = []
    for net in (stdlib, ours):
        with net.socket(type=getattr(net, kind)) as sock:
            sock.setblocking(False)
            with pytest.raises((TypeError, ValueError, OverflowError, OSError)) as caught:
                call(sock)
            outcomes.append(caught.type)
    assert outcomes[0] is outcomes[1]


@pytest.mark.parametrize(
    ("level", "name", "value"),
    [
        ("SOL_SOCKET", "SO_REUSEADDR", 1),
        ("SOL_SOCKET", "SO_KEEPALIVE", 1),
        ("SOL_SOCKET", "SO_BROADCAST", 1),
        ("IPPROTO_TCP", "TCP_NODELAY", 1),
        ("IPPROTO_TCP", "TCP_KEEPIDLE", 60),
        ("IPPROTO_TCP", "TCP_KEEPINTVL", 10),
        ("IPPROTO_TCP", "TCP_KEEPCNT", 3),
        ("IPPROTO_IP", "IP_TTL", 5),
        ("IPPROTO_IP", "IP_TOS", 16),
    ],
)
def test_options_are_read_back(net: Any, level: str, name: str, value: int) -> None:
    option = getattr(net, level), getattr(net, name)
    with net.socket() as sock:
        before = sock.getsockopt(*option)
        assert before != value
        sock.setsockopt(*option, value)
        assert sock.getsockopt(*option) == value
        sock.setsockopt(*option, struct.pack("i", before))
        assert sock.getsockopt(*option, 4) == struct.pack("i", before)


def test_option_defaults_are_those_of_linux() -> None:
    from esp32sock.net.options import STORED

    with stdlib.socket() as theirs, ours.socket() as mine:
        for option in STORED:
            if option[1] in (ours.SO_PRIORITY, ours.SO_INCOMING_CPU, ours.TCP_MAXSEG, ours.TCP_WINDOW_CLAMP):
                continue
            try:
                expected = theirs.getsockopt(*option)
            except OSError:
                continue
            assert mine.getsockopt(*option) == expected, option


def test_options_in_other_forms(net: Any) -> None:
    with net.socket() as sock:
        sock.setsockopt(net.SOL_SOCKET, net.SO_LINGER, struct.pack("ii", 1, 5))
        assert sock.getsockopt(net.SOL_SOCKET, net.SO_LINGER, 8) == struct.pack("ii", 1, 5)
        sock.setsockopt(net.SOL_SOCKET, net.SO_RCVTIMEO, struct.pack("ll", 0, 20000))
        assert sock.getsockopt(net.SOL_SOCKET, net.SO_RCVTIMEO, 16) == struct.pack("ll", 0, 20000)
        sock.setsockopt(net.SOL_SOCKET, net.SO_SNDBUF, 8192)
        assert sock.getsockopt(net.SOL_SOCKET, net.SO_SNDBUF) == 16384
        assert sock.getsockopt(net.SOL_SOCKET, net.SO_TYPE) == net.SOCK_STREAM
        assert sock.getsockopt(net.SOL_SOCKET, net.SO_DOMAIN) == net.AF_INET
        assert sock.getsockopt(net.SOL_SOCKET, net.SO_PROTOCOL) == net.IPPROTO_TCP
        assert errno_of(sock.getsockopt, net.SOL_SOCKET, 9999) == errno.ENOPROTOOPT
        assert errno_of(sock.setsockopt, net.SOL_SOCKET, net.SO_TYPE, 1) == errno.ENOPROTOOPT
        assert errno_of(sock.setsockopt, net.SOL_SOCKET, net.SO_KEEPALIVE, b"x") == errno.EINVAL


def test_flags_in_the_type(net: Any) -> None:
    with net.socket(net.AF_INET, net.SOCK_STREAM | net.SOCK_NONBLOCK | net.SOCK_CLOEXEC) as sock:
        assert sock.type == net.SOCK_STREAM
        assert sock.gettimeout() == 0
        assert not os.get_blocking(sock.fileno())
        assert not sock.get_inheritable()


def test_the_default_timeout(net: Any, listener: Any) -> None:
    net.setdefaulttimeout(7.5)
    try:
        with net.socket() as sock:
            assert sock.gettimeout() == 7.5
            sock.connect(listener.getsockname())
        server, _ = listener.accept()
        with server:
            assert server.gettimeout() == 7.5
    finally:
        net.setdefaulttimeout(None)


def test_kinds_that_do_not_exist(net: Any) -> None:
    assert errno_of(net.socket, net.AF_INET, net.SOCK_SEQPACKET) is not None
    assert errno_of(net.socket, net.AF_INET, net.SOCK_STREAM, net.IPPROTO_UDP) == errno.EPROTONOSUPPORT


def test_after_close(net: Any) -> None:
    sock = net.socket()
    sock.close()
    sock.close()
    assert sock.fileno() == -1
    for function in (sock.getsockname, sock.getpeername, sock.listen, sock.accept):
        assert errno_of(function) == errno.EBADF
    assert errno_of(sock.connect, ("127.0.0.1", 1)) == errno.EBADF
    assert errno_of(sock.recv, 1) == errno.EBADF
    assert errno_of(sock.send, b"x") == errno.EBADF
    assert errno_of(sock.getsockopt, 1, 4) == errno.EBADF
    assert "[closed]" in repr(sock)


def test_closed_behind_our_back(net: Any) -> None:
    sock = net.socket()
    os.close(sock.fileno())
    for function in (sock.getsockname, sock.getpeername, sock.listen):
        assert errno_of(function) == errno.EBADF
    assert errno_of(sock.connect, ("127.0.0.1", 1)) == errno.EBADF
    sock.detach()


def test_repr(pair: Any) -> None:
    client, server = pair
    shown = repr(client)
    assert f"laddr={client.getsockname()}" in shown
    assert f"raddr={server.getsockname()}" in shown
    assert "family=2, type=1, proto=" in shown


def test_families_of_the_host(net: Any) -> None:
    one, other = net.socketpair()
    with one, other:
        assert type(one) is net.socket
        assert one.family == net.AF_UNIX
        one.sendall(b"x")
        assert other.recv(1) == b"x"
