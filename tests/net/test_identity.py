"""One virtual socket, many objects and descriptors; and nothing left when they are gone."""

from __future__ import annotations

import errno
import gc
import multiprocessing
import os
import socket as stdlib
import struct
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from esp32sock import socket
from esp32sock.net import fd_registry
from tests.net.harness import descriptors, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esp32sock.socket import socket as Socket
    from tests.net.fake_interface import FakeInterface


@pytest.fixture
def server(fake: FakeInterface) -> Iterator[Any]:
    with stdlib.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        yield listener


@pytest.fixture
def client(server: Any) -> Iterator[Socket]:
    with socket.create_connection(server.getsockname(), timeout=10) as sock:
        yield sock


def nothing_left(fake: FakeInterface, before: set[str]) -> None:
    wait_until(lambda: not fake.links, fake)
    wait_until(lambda: descriptors() == before, fake)


@pytest.mark.parametrize("kind", ["SOCK_STREAM", "SOCK_DGRAM"])
def test_duplicates_share_what_they_are(server: Any, kind: str) -> None:
    with socket.socket(type=getattr(socket, kind)) as sock, sock.dup() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert (other.family, other.type, other.proto) == (sock.family, sock.type, sock.proto)
        sock.connect(server.getsockname())
        assert other.getpeername() == server.getsockname()
        assert other.getsockname() == sock.getsockname()
        sock.close()
        assert other.getpeername() == server.getsockname()


def test_every_way_to_take_a_descriptor_over(client: Socket, server: Any) -> None:
    with socket.fromfd(client.fileno(), socket.AF_INET, socket.SOCK_STREAM) as copy:
        assert copy.getpeername() == server.getsockname()
    with socket.socket(fileno=os.dup(client.fileno())) as copy:
        assert copy.getpeername() == server.getsockname()
        assert (copy.family, copy.type) == (socket.AF_INET, socket.SOCK_STREAM)
    fd = client.detach()
    gc.collect()
    assert client.fileno() == -1
    with socket.socket(fileno=fd) as copy:
        assert copy.getpeername() == server.getsockname()
        copy.sendall(b"x")
        with server.accept()[0] as accepted:
            assert accepted.recv(1) == b"x"


@pytest.mark.parametrize("kind", ["SOCK_STREAM", "SOCK_DGRAM"])
def test_a_fresh_socket_detached_and_taken_over(server: Any, kind: str) -> None:
    sock = socket.socket(type=getattr(socket, kind))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    with socket.socket(fileno=sock.detach()) as again:
        assert again.type == getattr(socket, kind)
        assert again.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        again.connect(server.getsockname())


def test_an_accepted_descriptor_before_it_has_an_object(fake: FakeInterface) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with stdlib.create_connection(listener.getsockname()):
            fd, address = listener._accept()
        fake.settle()
        gc.collect()
        with socket.socket(fileno=fd) as accepted:
            assert accepted.getpeername() == address


def test_descriptors_of_others_stay_what_they_are(fake: FakeInterface) -> None:
    with stdlib.socket() as theirs, socket.socket(fileno=os.dup(theirs.fileno())) as sock:
        assert sock.family == socket.AF_INET
        assert sock.getsockname() == ("0.0.0.0", 0)
    for wrong in (-1, 1.5, "x"):
        with pytest.raises((ValueError, TypeError)):
            socket.socket(fileno=wrong)
    with pytest.raises(OSError, match="descriptor") as caught:
        socket.socket(fileno=10_000)
    assert caught.value.errno == errno.EBADF


# -- leaks


@pytest.mark.parametrize("kind", ["SOCK_STREAM", "SOCK_DGRAM"])
@pytest.mark.parametrize("state", ["fresh", "bound", "connected", "refused", "listening"])
@pytest.mark.parametrize("end", ["close", "collect", "cycle", "detach", "detach late", "os.close"])
def test_nothing_is_left(fake: FakeInterface, kind: str, state: str, end: str) -> None:
    if kind == "SOCK_DGRAM" and state in ("refused", "listening"):
        return
    with stdlib.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        before = descriptors()
        sock = socket.socket(type=getattr(socket, kind))
        if state in ("bound", "listening"):
            sock.bind(("127.0.0.1", 0))
        if state == "listening":
            sock.listen()
        if state == "connected":
            sock.connect(address)
        if state == "refused":
            server.close()
            before = {name for name in descriptors() if not name.startswith(f"{sock.fileno()} ")}
            assert sock.connect_ex(address) == errno.ECONNREFUSED
        if end == "close":
            sock.close()
        elif end == "detach":
            os.close(sock.detach())
        elif end == "detach late":
            fd = sock.detach()
            late = os.dup(fd)
            os.close(fd)
            os.close(late)
        elif end == "os.close":
            os.close(sock.fileno())
            sock.detach()
        else:
            if end == "cycle":
                cycle: list[Any] = [sock]
                cycle.append(cycle)
                del cycle
            with pytest.warns(ResourceWarning, match="unclosed"):  # noqa: PT031
                del sock
                gc.collect()
        # What is parked is swept when the next socket is made.
        socket.socket().close()
        nothing_left(fake, before)
        assert not fd_registry._parked


def test_states_die_with_their_sockets(fake: FakeInterface, server: Any) -> None:
    sock = socket.create_connection(server.getsockname())
    state = fd_registry.find(sock.fileno())
    assert state is not None
    reference = weakref.ref(state)
    del state
    sock.close()
    server.accept()[0].close()
    wait_until(lambda: not fake.links, fake)
    wait_until(lambda: gc.collect() is not None and reference() is None, fake)


def test_many_threads(fake: FakeInterface) -> None:
    before = descriptors()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        errors: list[BaseException] = []

        def serve() -> None:
            for _ in range(40):
                accepted, _ = listener.accept()
                with accepted:
                    accepted.sendall(accepted.recv(100))

        def ask(number: int) -> None:
            try:
                for _ in range(10):
                    with socket.create_connection(listener.getsockname()) as sock:
                        sock.sendall(b"%d" % number)
                        assert sock.recv(100) == b"%d" % number
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        threads.append(threading.Thread(target=serve))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
    nothing_left(fake, before)


# -- fork


def in_child(function: Any) -> int:
    """The exit code of a forked child that calls `function`."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = function() or 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_an_inherited_stream_carries_data_and_no_control(client: Socket, server: Any) -> None:
    accepted, _ = server.accept()
    accepted.settimeout(10)

    def child() -> int:
        client.sendall(b"from the child")
        if client.recv(100) != b"to the child":
            return 1
        if client.getpeername() != server.getsockname():
            return 2
        socket.socket().close()
        try:
            client.connect(server.getsockname())
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP or "parent process" not in str(error):
                return 3
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return 0
        return 4

    with accepted:
        accepted.sendall(b"to the child")
        assert in_child(child) == 0
        assert accepted.recv(100) == b"from the child"
        client.sendall(b"from the parent")
        assert accepted.recv(100) == b"from the parent"


def test_an_inherited_listener_does_not_steal(fake: FakeInterface) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, stdlib.create_connection(listener.getsockname()):

        def child() -> int:
            try:
                listener.accept()
            except OSError as error:
                return 0 if error.errno == errno.EOPNOTSUPP else 1
            return 2

        assert in_child(child) == 0
        listener.settimeout(10)
        listener.accept()[0].close()


def test_a_child_does_not_hide_the_end_of_a_link(fake: FakeInterface, client: Socket, server: Any) -> None:
    ours, childs = stdlib.socketpair()
    with ours, childs:
        pid = os.fork()
        if pid == 0:
            childs.recv(1)
            os._exit(0)
        try:
            server.accept()[0].close()
            assert client.recv(1) == b""
            fake.reset_all()
            with pytest.raises(ConnectionResetError):
                client.recv(1)
            assert client.recv(1) == b""
        finally:
            ours.send(b"x")
            os.waitpid(pid, 0)


def test_a_forked_process_of_multiprocessing(client: Socket, server: Any) -> None:
    process = multiprocessing.get_context("fork").Process(target=client.sendall, args=(b"x",))
    process.start()
    with server.accept()[0] as accepted:
        assert accepted.recv(1) == b"x"
    process.join()
    assert process.exitcode == 0


def test_a_struct_for_linger_is_kept_by_duplicates(client: Socket) -> None:
    with client.dup() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3))
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == struct.pack("ii", 1, 3)
