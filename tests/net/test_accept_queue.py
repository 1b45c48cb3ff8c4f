"""Listening on the module: ports, refusals, and listeners that end."""

from __future__ import annotations

import errno
import socket as stdlib
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from esp32sock import socket
from esp32sock.engine.options import Options
from esp32sock.engine.requests import Accepted
from esp32sock.net import socketpairs
from esp32sock.net.accept_queue import AcceptQueue
from esp32sock.net.interface_api import StreamOpened
from esp32sock.net.local_interface import LocalInterface, _AcceptedHandle
from tests.net.fake_interface import FakeInterface
from tests.net.harness import using, wait_readable, wait_until

if TYPE_CHECKING:
    from esp32sock.net.interface_api import Handle, ListenEvents
    from esp32sock.net.socketpairs import EngineEnd
    from esp32sock.socket import socket as Socket


def test_a_host_reaches_it(fake: FakeInterface) -> None:
    with socket.create_server(("", 0)) as listener:
        address, port = listener.getsockname()
        assert address == "0.0.0.0"
        with stdlib.create_connection(("127.0.0.1", port)) as client:
            accepted, peer = listener.accept()
            with accepted:
                assert peer == client.getsockname()
                assert accepted.getpeername() == peer
                client.sendall(b"x")
                assert accepted.recv(1) == b"x"


def test_listen_without_bind(fake: FakeInterface) -> None:
    with socket.socket() as listener:
        listener.listen()
        assert listener.getsockname()[1] != 0


def test_the_backlog_holds_what_it_says(fake: FakeInterface) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        clients = [stdlib.create_connection(listener.getsockname()) for _ in range(128)]
        for client in clients:
            accepted, peer = listener.accept()
            accepted.close()
            assert peer == client.getsockname()
            client.close()


def test_a_port_that_the_module_refuses(fake: FakeInterface) -> None:
    with stdlib.create_server(("127.0.0.1", 0)) as taken, socket.socket() as listener:
        listener.bind(taken.getsockname())
        for _ in range(2):
            with pytest.raises(OSError, match=r"listening on port .* CIPSERVER") as caught:
                listener.listen()
            assert caught.value.errno == errno.EADDRINUSE
        port = taken.getsockname()[1]
        taken.close()
        listener.listen()
        assert listener.getsockname() == ("127.0.0.1", port)


def test_bind_to_what_is_not_ours() -> None:
    with using(FakeInterface(station_ip=None)), socket.socket() as listener:
        with pytest.raises(OSError, match="no address yet") as caught:
            listener.bind(("192.0.2.1", 0))
        assert caught.value.errno == errno.EADDRNOTAVAIL
    with using(FakeInterface(station_ip="192.0.2.7")), socket.socket() as listener:
        listener.bind(("192.0.2.7", 0))
        assert listener.getsockname()[0] == "192.0.2.7"


def test_bind_to_loopback_is_the_host_s_where_routes_say_so() -> None:
    with using(FakeInterface(direct="127.0.0.0/8")) as fake:
        listener = socket.create_server(("127.0.0.1", 0))
        with listener, stdlib.create_connection(listener.getsockname()) as client:
            accepted, peer = listener.accept()
            accepted.close()
            assert peer == client.getsockname()
        assert not fake.links


def test_a_listener_that_ends(fake: FakeInterface) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fake.reset_all()
        wait_readable(listener)
        with pytest.raises(ConnectionResetError, match="restarted"):
            listener.accept()
        with pytest.raises(OSError, match="no longer listens") as caught:
            listener.accept()
        assert caught.value.errno == errno.EINVAL


def test_closing_refuses_who_waits(fake: FakeInterface) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with stdlib.create_connection(listener.getsockname()) as client:
        wait_readable(listener)
        listener.close()
        client.settimeout(10)
        assert client.recv(1) == b""
    wait_until(lambda: not fake.links, fake)


def test_the_engine_thread_does_not_wait(fake: FakeInterface) -> None:
    fake.blocking = False
    with fake.hold():
        listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    with listener:
        fake.settle()
        with stdlib.create_connection(listener.getsockname()):
            wait_readable(listener)
            accepted, _ = listener.accept()
            accepted.close()


def test_options_of_an_accepted_stream_reach_its_link(fake: FakeInterface) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, stdlib.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            assert [link.options.nodelay for link in fake.links if hasattr(link, "options")] == [True]


def test_an_accepted_stream_that_is_reset_while_it_waits(fake: FakeInterface) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with stdlib.create_connection(listener.getsockname()):
            wait_readable(listener)
            fake.settle()
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.recv(1) == b""


def test_class_of_what_is_accepted(fake: FakeInterface) -> None:
    class Mine(socket.socket):
        pass

    with Mine() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with socket.create_connection(listener.getsockname()):
            accepted: Socket
            accepted, _ = listener.accept()
            with accepted:
                assert type(accepted) is socket.socket


def test_what_ended_before_it_was_accepted_is_known_at_once() -> None:
    stream = Accepted(0)
    stream.ended(None)
    events = Mock()
    _AcceptedHandle(Mock(), Mock(), stream).attach(events)
    events.ended.assert_called_once_with(None)


def test_what_is_withdrawn_is_not_accepted() -> None:
    backlog = AcceptQueue(("0.0.0.0", 8080))
    _, first = socketpairs.stream_pair()
    _, second = socketpairs.stream_pair()
    opened = StreamOpened(0, ("192.0.2.7", 8080), ("192.0.2.9", 50000))
    engine, user = socketpairs.stream_pair()
    backlog.accepted(first, opened, Mock())
    backlog.accept_failed(first)
    backlog.accepted(second, opened, Mock())
    engine.send(b"\0")
    assert first.fileno() == -1
    assert backlog.next(user)[0] is second
    backlog.drop()
    backlog.accept_failed(second)  # it was accepted: an interrupted call had left a byte for it
    assert second.fileno() >= 0


@pytest.mark.parametrize(("asked", "handed_on"), [((), 128), ((5,), 5), ((-1,), 0)])
def test_the_backlog_reaches_the_engine(
    asked: tuple[int, ...], handed_on: int, fake: FakeInterface, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    listen = fake.listen

    def note(
        handle: Handle, end: EngineEnd, port: int, backlog: int, events: ListenEvents, *, ipv6: bool
    ) -> None:
        seen.append(backlog)
        listen(handle, end, port, backlog, events, ipv6=ipv6)

    monkeypatch.setattr(fake, "listen", note)
    with socket.socket() as listener:
        listener.listen(*asked)
    assert seen == [handed_on]


def test_the_backlog_reaches_the_module() -> None:
    engine, module = Mock(), Mock()
    interface = LocalInterface(Options("memory", server_links=2), Mock(), engine, module)
    end, _ = socketpairs.stream_pair()
    interface.listen(interface.new_handle(), end, 8080, 7, Mock())
    job, request = engine.post.call_args.args
    assert job is module.listen
    assert (request.port, request.backlog, request.links) == (8080, 7, 2)
