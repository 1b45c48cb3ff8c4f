"""Connecting, waiting, giving up, and how a link's end is told: what only ours can be asked about."""

from __future__ import annotations

import _socket
import errno
import select
import signal
import socket as stdlib
import struct
import threading
from typing import TYPE_CHECKING, Any

import pytest

from esp32sock import socket
from esp32sock.errors import CommandError, Error, ModuleReset
from esp32sock.net import socketpairs
from esp32sock.net.interface_api import StreamOptions
from tests.net.fake_interface import FakeInterface
from tests.net.harness import peer, unused_port, using, wait_readable, wait_until, wait_writable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esp32sock.socket import socket as Socket

LINGER_0 = struct.pack("ii", 1, 0)


@pytest.fixture
def server(fake: FakeInterface) -> Iterator[Any]:
    with stdlib.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def client(server: Any) -> Iterator[Socket]:
    with socket.create_connection(server.getsockname(), timeout=10) as sock:
        yield sock


def accept(server: Any) -> Any:
    return server.accept()[0]


def so_error(sock: Socket) -> int:
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


# -- connecting


def test_an_error_names_the_cause_and_keeps_it(fake: FakeInterface) -> None:
    port = unused_port()
    with socket.socket() as sock, pytest.raises(ConnectionRefusedError) as caught:
        sock.connect(("127.0.0.1", port))
    assert str(caught.value).startswith(
        f"[Errno 111] Connection refused: connecting to 127.0.0.1:{port}: CIPSTART"
    )
    assert isinstance(caught.value.__cause__, Error)


def test_not_a_moment_of_writability_while_connecting(fake: FakeInterface, server: Any) -> None:
    with socket.socket() as sock:
        sock.setblocking(False)
        with fake.hold():
            assert sock.connect_ex(server.getsockname()) == errno.EINPROGRESS
            assert sock.connect_ex(server.getsockname()) == errno.EALREADY
            with pytest.raises(BlockingIOError):
                sock.send(b"early")
            with pytest.raises(BlockingIOError):
                sock.recv(1)
            with pytest.raises(OSError, match="no peer"):
                sock.getpeername()
            assert so_error(sock) == 0
        wait_writable(sock)
        assert so_error(sock) == 0
        sock.send(b"in time")
        with accept(server) as accepted:
            assert accepted.recv(100) == b"in time"


def test_a_timeout_gives_the_attempt_up(fake: FakeInterface, server: Any) -> None:
    with socket.socket() as sock:
        sock.settimeout(0.01)
        with fake.hold():
            with pytest.raises(TimeoutError, match=r"^timed out$") as caught:
                sock.connect(server.getsockname())
            assert caught.value.errno is None
            assert sock.connect_ex(server.getsockname()) == errno.EAGAIN
            assert fake.opened[0][2] == 0.01
        wait_until(lambda: not fake.links, fake)
        sock.settimeout(10)
        sock.connect(server.getsockname())


def test_a_signal_gives_the_attempt_up(fake: FakeInterface, server: Any) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGUSR1))
    timer.start()
    try:
        with socket.socket() as sock, fake.hold():
            with pytest.raises(KeyboardInterrupt):
                sock.connect(server.getsockname())
            wait_until(lambda: not fake.links, fake)
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)


def test_a_late_outcome_of_an_attempt_given_up_changes_nothing(fake: FakeInterface, server: Any) -> None:
    with socket.socket() as sock:
        sock.settimeout(0.01)
        with fake.hold(), pytest.raises(TimeoutError):
            sock.connect(("127.0.0.1", unused_port()))
        sock.settimeout(10)
        sock.connect(server.getsockname())
        fake.settle()
        assert so_error(sock) == 0
        assert sock.getpeername() == server.getsockname()


def test_no_link_is_free(server: Any) -> None:
    address = server.getsockname()
    with using(FakeInterface(links=1)), socket.create_connection(address), socket.socket() as sock:
        with pytest.raises(OSError, match="links of the module are taken") as caught:
            sock.connect(address)
        assert caught.value.errno == errno.EMFILE


@pytest.fixture
def server_without_fake() -> Iterator[Any]:
    with stdlib.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_options_go_with_the_link(fake: FakeInterface, server: Any) -> None:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 5))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 2, 500000))
        sock.connect(server.getsockname())
        assert fake.opened[0][1] == StreamOptions(
            keepalive_s=30, nodelay=True, linger_s=5, send_timeout_ms=2500
        )
        (link,) = fake.links
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        assert link.options.nodelay is False
        with pytest.raises(OSError, match="IP_ADD_MEMBERSHIP: it joins no multicast group") as caught:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, bytes(8))
        assert caught.value.errno == errno.ENOPROTOOPT


def test_a_port_of_ones_own_cannot_be_had(fake: FakeInterface, server: Any) -> None:
    with socket.socket() as sock:
        sock.bind(("", unused_port()))
        with pytest.raises(OSError, match="bind to port 0") as caught:
            sock.connect(server.getsockname())
        assert caught.value.errno == errno.EADDRNOTAVAIL
    with socket.create_connection(server.getsockname(), source_address=("", 0)) as sock:
        assert sock.getsockname() == accept_and_close(server)


def accept_and_close(server: Any) -> Any:
    accepted, address = server.accept()
    accepted.close()
    return address


def test_the_engine_thread_must_not_wait_for_itself(fake: FakeInterface, server: Any) -> None:
    fake.blocking = False
    with socket.socket() as sock:
        with pytest.raises(OSError, match="runs the engine") as caught:
            sock.connect(server.getsockname())
        assert caught.value.errno == errno.EDEADLK
        sock.setblocking(False)
        assert sock.connect_ex(server.getsockname()) == errno.EINPROGRESS
        wait_writable(sock)


def test_without_an_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ESP32SOCK_PORT", raising=False)
    with socket.socket() as sock, pytest.raises(OSError, match="attach") as caught:
        sock.connect(("192.0.2.1", 80))
    assert caught.value.errno == errno.ENETDOWN
    with peer(lambda accepted: accepted.sendall(b"x")) as address, socket.create_connection(address) as sock:
        assert sock.recv(1) == b"x"  # loopback is the host's anyway


def test_other_families(fake: FakeInterface) -> None:
    with pytest.raises(OSError, match="IPv6 is off") as caught:
        socket.socket(socket.AF_INET6)
    assert caught.value.errno == errno.EAFNOSUPPORT
    with pytest.raises(OSError, match="TCP and UDP") as caught:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    assert caught.value.errno == errno.EPROTONOSUPPORT
    assert not socket.has_dualstack_ipv6()


# -- routes


def test_a_destination_of_the_host_gets_a_socket_of_the_host(server_without_fake: Any) -> None:
    with using(FakeInterface(direct="127.0.0.0/8")) as fake, socket.socket() as sock:
        number = sock.fileno()
        sock.settimeout(7)
        sock.set_inheritable(True)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect(server_without_fake.getsockname())
        assert sock.fileno() == number
        assert sock.gettimeout() == 7
        assert sock.get_inheritable()
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        with stdlib.socket(fileno=sock.fileno()) as real:
            assert real.family == socket.AF_INET
            assert real.getpeername() == server_without_fake.getsockname()
            real.detach()
        assert fake.opened == []


def test_names_of_the_host(server_without_fake: Any) -> None:
    with using(FakeInterface(direct="localhost")) as fake:
        address = ("localhost", server_without_fake.getsockname()[1])
        with socket.create_connection(address) as sock:
            assert sock.getpeername() == server_without_fake.getsockname()
        assert fake.opened == []
        assert fake.asked == []


def test_a_listener_of_the_host_keeps_its_duplicates() -> None:
    with using(FakeInterface(direct="127.0.0.1")), socket.socket() as sock, sock.dup() as other:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        assert other.getsockname() == sock.getsockname()
        with stdlib.create_connection(sock.getsockname()):
            accepted, _ = other.accept()
            accepted.close()


def test_any_local_address_then_a_destination_of_the_host(server_without_fake: Any) -> None:
    with using(FakeInterface(direct="127.0.0.1")):
        address = server_without_fake.getsockname()
        with socket.create_connection(address, source_address=("", 0)) as sock:
            assert sock.getpeername() == address


def test_a_port_of_our_choice_may_be_taken_on_the_host(server_without_fake: Any) -> None:
    with using(FakeInterface(direct="127.0.0.1")), socket.socket() as sock, stdlib.socket() as other:
        sock.bind(("", 0))
        other.bind(("", sock.getsockname()[1]))
        sock.connect(server_without_fake.getsockname())
        assert sock.getsockname()[1] != other.getsockname()[1]
    with using(FakeInterface(direct="127.0.0.1")), socket.socket() as sock, stdlib.socket() as other:
        other.bind(("", 0))
        sock.bind(("", other.getsockname()[1]))
        with pytest.raises(OSError, match="in use") as caught:
            sock.connect(server_without_fake.getsockname())
        assert caught.value.errno == errno.EADDRINUSE


# -- the end of a link


def reset_by_peer(server: Any) -> None:
    accepted = accept(server)
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
    accepted.close()


def test_a_reset_is_told_once_after_what_came_before(
    fake: FakeInterface, server: Any, client: Socket
) -> None:
    with accept(server) as accepted:
        accepted.sendall(b"last words")
        wait_readable(client)
    fake.settle()
    fake.reset_all()
    assert client.recv(4) == b"last"
    assert client.recv(100) == b" words"
    with pytest.raises(ConnectionResetError, match="module restarted") as caught:
        client.recv(100)
    assert isinstance(caught.value.__cause__, ModuleReset)
    assert client.recv(100) == b""
    with pytest.raises(BrokenPipeError):
        client.send(b"x")
    with pytest.raises(OSError, match="no peer") as no_peer:
        client.getpeername()
    assert no_peer.value.errno == errno.ENOTCONN
    with pytest.raises(OSError, match="not connected") as not_connected:
        client.shutdown(socket.SHUT_RDWR)
    assert not_connected.value.errno == errno.ENOTCONN


@pytest.mark.parametrize(
    "call",
    [
        lambda sock: sock.send(b"x"),
        lambda sock: sock.sendall(b"x"),
        lambda sock: sock.sendmsg([b"x"]),
        lambda sock: sock.recv(1),
        lambda sock: sock.recv_into(bytearray(1)),
        lambda sock: sock.recvmsg(1),
        lambda sock: sock.recvmsg_into([bytearray(1)]),
        lambda sock: sock.makefile("rb").read(1),
    ],
)
def test_every_call_tells_of_a_reset(fake: FakeInterface, client: Socket, call: Any) -> None:
    fake.reset_all()
    with pytest.raises(ConnectionResetError):
        call(client)
    assert so_error(client) == 0


def test_so_error_tells_of_a_reset(fake: FakeInterface, client: Socket) -> None:
    fake.reset_all()
    assert so_error(client) == errno.ECONNRESET
    assert client.recv(1) == b""


def test_a_reset_wakes_who_waits(fake: FakeInterface, client: Socket) -> None:
    timer = threading.Timer(0.05, fake.reset_all)
    timer.start()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    timer.join()


def test_a_reset_by_the_peer(fake: FakeInterface, server: Any, client: Socket) -> None:
    reset_by_peer(server)
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_after_an_orderly_end_the_peer_is_still_known(server: Any, client: Socket) -> None:
    accept(server).close()
    assert client.recv(1) == b""
    assert client.getpeername() == server.getsockname()


def test_linger_0_resets(fake: FakeInterface, server: Any, client: Socket) -> None:
    with accept(server) as accepted:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
        fake.settle()
        client.close()
        with pytest.raises(ConnectionResetError):
            accepted.recv(1)


def test_what_was_sent_is_delivered_after_close(fake: FakeInterface) -> None:
    received = []

    def serve(accepted: stdlib.socket) -> None:
        received.append(b"".join(iter(lambda: accepted.recv(65536), b"")))

    with peer(serve) as address, socket.create_connection(address) as sock:
        sock.sendall(b"x" * 100_000)
    assert received == [b"x" * 100_000]


def test_out_of_band_data_is_refused(client: Socket) -> None:
    for call in (
        lambda: client.send(b"x", socket.MSG_OOB),
        lambda: client.sendto(b"x", socket.MSG_OOB, ("127.0.0.1", 1)),
        lambda: client.sendmsg([b"x"], [], socket.MSG_OOB),
        lambda: client.recv(1, socket.MSG_OOB),
    ):
        with pytest.raises(OSError, match="out-of-band") as caught:
            call()
        assert caught.value.errno == errno.EOPNOTSUPP


def test_descriptors_cannot_be_sent(client: Socket) -> None:
    with pytest.raises(OSError, match="ancillary") as caught:
        socket.send_fds(client, [b"x"], [0])
    assert caught.value.errno == errno.EOPNOTSUPP
    with pytest.raises(OSError, match="AF_ALG"):
        client.sendmsg_afalg([b"x"], op=1)


def test_the_buffer_grows_again_after_connecting(fake: FakeInterface, server: Any) -> None:
    with socket.socket() as sock:
        sock.setblocking(False)
        with fake.hold():
            sock.connect_ex(server.getsockname())
            small = _socket.socket.getsockopt(sock, socket.SOL_SOCKET, socket.SO_SNDBUF)
        wait_writable(sock)
        assert so_error(sock) == 0
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) > small


def test_a_buffer_of_ones_own_stays(fake: FakeInterface, server: Any) -> None:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 30000)
        sock.connect(server.getsockname())
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 60000


@pytest.mark.parametrize("how", ["option", "duplicate"])
def test_a_buffer_of_ones_own_while_connecting(fake: FakeInterface, server: Any, how: str) -> None:
    """It must not make the socket writable before there is a connection."""
    option = socket.SOL_SOCKET, socket.SO_SNDBUF
    with socket.socket() as sock, sock.dup() as duplicate:
        sock.setblocking(False)
        with fake.hold():
            sock.connect_ex(server.getsockname())
            ours = sock.getsockopt(*option)
            (sock if how == "option" else duplicate).setsockopt(*option, 30000)
            assert select.select([], [sock], [], 0)[1] == []
            with pytest.raises(BlockingIOError):
                sock.send(b"too early")
            assert sock.getsockopt(*option) == duplicate.getsockopt(*option) == 60000
            with pytest.raises(OSError, match="Invalid argument"):
                sock.setsockopt(*option, b"x")
        wait_writable(sock)
        assert so_error(sock) == 0
        assert sock.getsockopt(*option) == _socket.socket.getsockopt(sock, *option) == 60000
        assert ours == 2 * socketpairs.SNDBUF_BYTES


def test_a_buffer_of_ones_own_after_an_attempt_that_failed(fake: FakeInterface, server: Any) -> None:
    option = socket.SOL_SOCKET, socket.SO_SNDBUF
    with socket.socket() as sock:
        sock.setblocking(False)
        with fake.hold():
            sock.connect_ex(("127.0.0.1", unused_port()))
            sock.setsockopt(*option, 30000)
        wait_writable(sock)
        assert so_error(sock) == errno.ECONNREFUSED
        sock.setblocking(True)
        sock.connect(server.getsockname())
        assert _socket.socket.getsockopt(sock, *option) == 60000


def test_an_interface_that_refuses_at_once(fake: FakeInterface, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_stream(*_: Any, **__: Any) -> Any:
        raise CommandError("AT+CIPSTART", "ERROR", errno=errno.ENETDOWN)

    monkeypatch.setattr(fake, "open_stream", open_stream)
    with socket.socket() as sock:
        for timeout in (None, 0):
            sock.settimeout(timeout)
            with pytest.raises(OSError, match="CIPSTART") as caught:
                sock.connect(("192.0.2.1", 80))
            assert caught.value.errno == errno.ENETDOWN
