"""UDP through the module: links, limits, errors, and what the header must never show."""

from __future__ import annotations

import errno
import select
import socket as stdlib
from typing import TYPE_CHECKING, Any

import pytest

from esp32sock import socket
from esp32sock.errors import Error
from esp32sock.net import local_ports
from tests.net.fake_interface import DatagramLink, FakeInterface
from tests.net.harness import using, wait_readable, wait_until, wait_writable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esp32sock.socket import socket as Socket


@pytest.fixture
def sock(fake: FakeInterface) -> Iterator[Socket]:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        yield sock


@pytest.fixture
def host() -> Iterator[Any]:
    """A UDP socket of the host."""
    with stdlib.socket(type=stdlib.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(10)
        yield sock


def link_of(fake: FakeInterface) -> DatagramLink:
    (link,) = fake.links
    assert isinstance(link, DatagramLink)
    return link


def test_no_link_before_it_is_needed(fake: FakeInterface, sock: Socket, host: Any) -> None:
    sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        sock.recv(1)
    assert not fake.links
    sock.sendto(b"x", host.getsockname())
    assert link_of(fake).remote is None
    assert host.recv(10) == b"x"


def test_a_connected_socket_asks_for_its_peer_only(fake: FakeInterface, sock: Socket, host: Any) -> None:
    sock.connect(host.getsockname())
    assert link_of(fake).remote == host.getsockname()
    sock.connect(host.getsockname())
    sock.send(b"x")
    assert host.recvfrom(10)[0] == b"x"


def test_another_peer_is_another_link(fake: FakeInterface, sock: Socket, host: Any) -> None:
    sock.connect(("127.0.0.1", 9))
    sock.connect(host.getsockname())
    wait_until(lambda: len(fake.links) == 1, fake)
    assert link_of(fake).remote == host.getsockname()
    sock.send(b"x")
    _, peer = host.recvfrom(10)
    host.sendto(b"answer", peer)
    assert sock.recv(10) == b"answer"


def test_one_socket_many_peers(sock: Socket, host: Any) -> None:
    with stdlib.socket(type=stdlib.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        for peer in (host, other):
            sock.sendto(b"x", peer.getsockname())
            _, address = peer.recvfrom(10)
            peer.sendto(b"from me", address)
            assert sock.recvfrom(10) == (b"from me", peer.getsockname())


def test_too_long(fake: FakeInterface, sock: Socket, host: Any) -> None:
    address = host.getsockname()
    assert sock.sendto(b"x" * 1460, address) == 1460
    assert host.recv(2000) == b"x" * 1460
    for call in (
        lambda: sock.sendto(b"x" * 1461, address),
        lambda: sock.sendmsg([b"x" * 1000, b"x" * 461], [], 0, address),
    ):
        with pytest.raises(OSError, match="1461 bytes in a datagram") as caught:
            call()
        assert caught.value.errno == errno.EMSGSIZE


@pytest.mark.parametrize(("data", "why"), [(b"+++", "exactly \\+\\+\\+"), (b"", "empty")])
def test_what_the_module_cannot_send(sock: Socket, host: Any, data: bytes, why: str) -> None:
    """The caller hears it at once, whatever the way, and the socket goes on."""
    address = host.getsockname()
    for call in (
        lambda: sock.sendto(data, address),
        lambda: sock.sendmsg([data[:1], data[1:]], [], 0, address),
        lambda: sock.send(data),
        lambda: sock.sendall(data),
    ):
        with pytest.raises(OSError, match=why) as caught:
            call()
        assert caught.value.errno == errno.EMSGSIZE
        sock.connect(address)
    for data in (b"++", b"++++", b"a+++", b"+++a"):
        sock.send(data)
        assert host.recv(10) == data


def test_broadcast(fake: FakeInterface, sock: Socket) -> None:
    with pytest.raises(PermissionError, match="SO_BROADCAST"):
        sock.sendto(b"x", ("<broadcast>", 9))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    assert sock.sendto(b"x", ("<broadcast>", 9)) == 1


def test_names_are_looked_up(fake: FakeInterface, sock: Socket, host: Any) -> None:
    fake.names["peer.example"] = ["127.0.0.1"]
    sock.sendto(b"x", ("peer.example", host.getsockname()[1]))
    assert host.recv(10) == b"x"
    sock.connect(("peer.example", host.getsockname()[1]))
    assert sock.getpeername() == host.getsockname()


def test_bound_ports_are_the_interface_s(fake: FakeInterface, sock: Socket) -> None:
    sock.bind(("", 0))
    host_address, port = sock.getsockname()
    assert host_address == "0.0.0.0"
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        with pytest.raises(OSError, match=f"port {port} is bound") as caught:
            other.bind(("", port))
        assert caught.value.errno == errno.EADDRINUSE
        with pytest.raises(OSError, match=r"bind to 192\.0\.2\.1") as caught:
            other.bind(("192.0.2.1", 0))
        assert caught.value.errno == errno.EADDRNOTAVAIL
        sock.close()
        wait_until(lambda: not fake.links, fake)
        other.bind(("", port))


def test_no_link_is_free() -> None:
    with using(FakeInterface(links=1)) as fake, socket.socket(type=socket.SOCK_DGRAM) as first:
        first.bind(("", 0))
        with socket.socket(type=socket.SOCK_DGRAM) as second:
            for _ in range(2):
                with pytest.raises(OSError, match="links of the module are taken") as caught:
                    second.bind(("", 0))
                assert caught.value.errno == errno.EMFILE
            first.close()
            wait_until(lambda: not fake.links, fake)
            second.bind(("", 0))


def test_a_doubtful_datagram_is_an_error_once(fake: FakeInterface, sock: Socket, host: Any) -> None:
    sock.connect(host.getsockname())
    link = link_of(fake)
    assert link.events is not None
    link.events.doubtful(Error("where the last datagram went is not known"))
    with pytest.raises(OSError, match="last datagram"):
        sock.send(b"x")
    assert sock.send(b"x") == 1
    link.events.doubtful(Error("where the last datagram went is not known"))
    with pytest.raises(OSError, match="last datagram"):
        sock.recv(1)


def test_a_module_that_restarts(fake: FakeInterface, sock: Socket, host: Any) -> None:
    sock.connect(host.getsockname())
    fake.reset_all()
    with pytest.raises(ConnectionResetError, match="restarted"):
        sock.recv(1)
    for call in (
        lambda: sock.recv(1),
        lambda: sock.recv_into(bytearray(1)),
        lambda: sock.send(b"x"),
        lambda: sock.recvmsg(1),
    ):
        with pytest.raises(OSError, match="closed the UDP link") as caught:
            call()
        assert caught.value.errno == errno.ENETDOWN


def test_the_engine_thread_does_not_wait(fake: FakeInterface, sock: Socket, host: Any) -> None:
    fake.blocking = False
    sock.setblocking(False)
    with fake.hold():
        sock.connect(host.getsockname())
        sock.send(b"x")
    assert host.recv(10) == b"x"


def test_an_error_that_comes_late_is_told_by_the_next_call() -> None:
    with using(FakeInterface(links=0)) as fake, socket.socket(type=socket.SOCK_DGRAM) as sock:
        fake.blocking = False
        sock.setblocking(False)
        with fake.hold():
            sock.sendto(b"x", ("127.0.0.1", 9))
        wait_until(lambda: not fake.links, fake)
        with pytest.raises(OSError, match="taken") as caught:
            sock.recv(1)
        assert caught.value.errno == errno.EMFILE


def test_a_destination_of_the_host(host: Any) -> None:
    with using(FakeInterface(direct="127.0.0.1")) as fake:
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            assert sock.sendto(b"direct", host.getsockname()) == 6
            _, peer = host.recvfrom(10)
            assert peer[1] == sock.getsockname()[1]
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.connect(host.getsockname())
            assert sock.send(b"direct") == 6
        assert not fake.links
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.bind(("", 0))
            with pytest.raises(OSError, match="reached by the host") as caught:
                sock.sendto(b"x", host.getsockname())
            assert caught.value.errno == errno.ENETUNREACH


def test_a_socket_of_the_host_does_not_reach_past_the_module(host: Any) -> None:
    """What it would send to the module's network must not leave by the host's own."""
    with using(FakeInterface(direct="127.0.0.1")) as fake, socket.socket(type=socket.SOCK_DGRAM) as sock:
        fake.names["near.example"] = ["127.0.0.1"]
        sock.sendto(b"first", host.getsockname())
        address = ("192.0.2.1", 9)
        copy = sock.dup()
        for call in (
            lambda: sock.sendto(b"x", address),
            lambda: sock.sendto(b"x", 0, address),
            lambda: sock.sendmsg([b"x"], [], 0, address),
            lambda: sock.connect(address),
            lambda: copy.sendto(b"x", address),
        ):
            with pytest.raises(OSError, match="one socket for each") as caught:
                call()
            assert caught.value.errno == errno.ENETUNREACH
        copy.close()
        assert sock.connect_ex(address) == errno.ENETUNREACH
        assert sock.sendmsg([b"se", b"cond"], [], 0, host.getsockname()) == 6
        assert sock.connect_ex(("near.example", host.getsockname()[1])) == 0
        assert sock.getpeername() == host.getsockname()
        sock.send(b"third")
        assert [host.recv(10) for _ in range(3)] == [b"first", b"second", b"third"]
        host.sendto(b"answer", sock.getsockname())
        assert sock.recvfrom(10) == (b"answer", host.getsockname())
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_DGRAM
        again = socket.socket(fileno=sock.detach())
        with again, pytest.raises(OSError, match="one socket for each"):
            again.sendto(b"x", address)
        assert not fake.links


@pytest.mark.parametrize("bound", [False, True], ids=["unbound", "bound"])
def test_connecting_settles_the_local_address(fake: FakeInterface, bound: bool) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        if bound:
            sock.bind(("", 0))
            assert sock.getsockname()[0] == "0.0.0.0"
        sock.connect(("192.0.2.1", 9))
        assert sock.getsockname()[0] == fake.status().station_ip
        assert sock.getsockname()[1] != 0


def test_ancillary_and_out_of_band_data_are_refused(sock: Socket, host: Any) -> None:
    sock.connect(host.getsockname())
    with pytest.raises(OSError, match="ancillary"):
        sock.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, b"\0\0\0\0")])
    with pytest.raises(OSError, match="out-of-band"):
        sock.send(b"x", socket.MSG_OOB)
    with pytest.raises(OSError, match="out-of-band"):
        sock.recv(1, socket.MSG_OOB)


def test_an_empty_buffer_consumes_nothing(sock: Socket, host: Any) -> None:
    sock.connect(host.getsockname())
    sock.send(b"x")
    _, peer = host.recvfrom(10)
    host.sendto(b"data", peer)
    wait_readable(sock)
    assert sock.recv(0) == b""
    assert sock.recv_into(bytearray()) == 0
    assert sock.recv(10) == b"data"
    with pytest.raises(ValueError, match="negative"):
        sock.recv(-1)


def test_noise_behind_a_peek_is_dropped(sock: Socket, host: Any) -> None:
    sock.bind(("127.0.0.1", 0))
    with stdlib.socket(type=stdlib.SOCK_DGRAM) as other:
        other.sendto(b"noise", sock.getsockname())
        wait_readable(sock)
    sock.connect(host.getsockname())
    host.sendto(b"signal", sock.getsockname())
    assert sock.recv(10, socket.MSG_PEEK) == b"signal"
    assert sock.recv(10) == b"signal"


@pytest.mark.parametrize("way", ["bind", "connect", "sendto", "MSG_DONTWAIT"])
def test_a_socket_that_may_not_wait_does_not(fake: FakeInterface, sock: Socket, host: Any, way: str) -> None:
    """What it sends goes out once the link is open."""
    sock.setblocking(way == "MSG_DONTWAIT")
    address = host.getsockname()
    with fake.hold():
        if way == "bind":
            sock.bind(("", 0))
        elif way == "connect":
            sock.connect(address)
        flags = 0 if way != "MSG_DONTWAIT" else socket.MSG_DONTWAIT
        assert sock.sendto(b"first", flags, address) == 5
        if way != "connect":
            assert sock.getsockname()[1] in local_ports.EPHEMERAL
    assert host.recv(10) == b"first"


@pytest.mark.parametrize("way", ["bind", "connect", "sendto"])
def test_a_socket_waits_for_its_link_at_most_its_timeout(
    fake: FakeInterface, sock: Socket, host: Any, way: str
) -> None:
    sock.settimeout(0.01)
    address = host.getsockname()
    ways = {
        "bind": lambda: sock.bind(("", 0)),
        "connect": lambda: sock.connect(address),
        "sendto": lambda: sock.sendto(b"never", address),
    }
    with fake.hold(), pytest.raises(TimeoutError, match="timed out"):
        ways[way]()
    wait_until(lambda: not fake.links, fake)  # it was given up
    sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        sock.recv(10)
    sock.setblocking(True)
    sock.sendto(b"now", address)
    assert host.recv(10) == b"now"


def test_an_error_that_comes_late_wakes_who_waits(host: Any) -> None:
    with using(FakeInterface(links=0)) as fake, socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        with fake.hold():
            sock.sendto(b"x", host.getsockname())
            while select.select([], [sock], [], 0)[1]:  # until the pair is full
                sock.sendto(bytes(1000), host.getsockname())
            assert not select.select([sock], [sock], [], 0)[1]
        wait_readable(sock)
        wait_writable(sock)
        with pytest.raises(OSError, match="taken") as caught:
            sock.recv(10)
        assert caught.value.errno == errno.EMFILE
        for flags in (socket.MSG_PEEK, 0):
            with pytest.raises(BlockingIOError):  # told once; nothing else is there
                sock.recv(10, flags)
            with pytest.raises(BlockingIOError):
                sock.recv_into(bytearray(10), 10, flags)
        fake.most_links = 1
        sock.sendto(b"after all", host.getsockname())
        assert host.recv(10) == b"after all"


def test_sockets_without_a_port_get_different_ones(fake: FakeInterface, host: Any) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as other:
        for sock in (one, other):
            sock.sendto(b"x", host.getsockname())
        taken = {sock.getsockname()[1] for sock in (one, other)}
        assert len(taken) == 2
        assert all(port in local_ports.EPHEMERAL for port in taken)
        with pytest.raises(OSError, match="is bound"), socket.socket(type=socket.SOCK_DGRAM) as third:
            third.bind(("", one.getsockname()[1]))


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
@pytest.mark.parametrize("address", ["127.0.0.2", "192.0.2.1"])
def test_an_address_that_the_module_does_not_have(fake: FakeInterface, kind: int, address: str) -> None:
    with socket.socket(type=kind) as sock, pytest.raises(OSError, match=f"bind to {address}") as caught:
        sock.bind((address, 0))
    assert caught.value.errno == errno.EADDRNOTAVAIL


def test_parts_that_are_too_long_together(fake: FakeInterface, sock: Socket, host: Any) -> None:
    assert sock.sendto(bytes(1000), socket.MSG_MORE, host.getsockname()) == 1000
    with pytest.raises(OSError, match="1461 bytes") as caught:
        sock.sendto(bytes(461), host.getsockname())
    assert caught.value.errno == errno.EMSGSIZE
    assert sock.sendto(b"alone", host.getsockname()) == 5
    assert host.recv(100) == b"alone"
