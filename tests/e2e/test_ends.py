"""How connections and listeners begin and end, as seen by a program with both ends on one module."""

from __future__ import annotations

import errno
import os
import select
import ssl
from typing import TYPE_CHECKING

import pytest

import esp32sock
from esp32sock import socket
from tests.e2e.fakes import Echo, streams
from tests.e2e.support import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Background

WAIT_S = 30


@pytest.fixture
def attached(background: Background) -> Iterator[Background]:
    """A module as the interface, for everything."""
    esp32sock.attach(background.port, direct=())
    try:
        yield background
    finally:
        esp32sock.detach()
    assert background.open_links() == 0


def test_a_server_may_follow_another_at_once(attached: Background) -> None:
    for _ in range(10):
        with socket.create_server(("", 0)) as listener:
            port = listener.getsockname()[1]
    with socket.create_server(("", port)) as listener, socket.create_connection(("127.0.0.1", port)):
        listener.accept()[0].close()


def test_a_second_listener_is_refused_with_the_reason(attached: Background) -> None:
    with socket.create_server(("", 0)) as listener:
        with pytest.raises(OSError, match="one server") as other:
            socket.create_server(("", 0))
        assert other.value.errno == errno.EMFILE
        with pytest.raises(OSError, match="in use") as same:
            socket.create_server(listener.getsockname())
        assert same.value.errno == errno.EADDRINUSE


def test_who_connects_to_himself_finds_it_in_the_backlog(attached: Background) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        with socket.create_connection(listener.getsockname()) as client:
            accepted, peer = listener.accept()
            with accepted:
                assert peer == accepted.getpeername() == client.getsockname()
                assert accepted.getsockname() == client.getpeername() == listener.getsockname()
                assert peer[0] == "127.0.0.1"


def test_after_the_peer_closed_one_send_succeeds_as_on_linux(attached: Background) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=WAIT_S)
        accepted, _ = listener.accept()
        accepted.sendall(b"last words")
        accepted.close()
        with client, client.makefile("rb") as stream:
            assert stream.read() == b"last words"
            assert client.send(b"into the void") == 13
            with pytest.raises(BrokenPipeError):
                client.send(b"x")
            assert client.recv(1) == b""
            # What goes around our methods (TLS that ends, sendfile) meets the same, once the engine knows.
            hangup = select.poll()
            hangup.register(client.fileno(), 0)
            assert hangup.poll(WAIT_S * 1000)
            with pytest.raises(OSError) as broken:  # noqa: PT011
                os.write(client.fileno(), b"x")
            assert broken.value.errno in (errno.EPIPE, errno.ECONNRESET)


def test_an_orderly_end_of_tls_after_the_peer_is_gone(attached: Background) -> None:
    """As ftplib ends its data connections: the server has said farewell and closed long ago."""
    import trustme

    authority = trustme.CA()
    ours, theirs = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(ours)
    authority.issue_cert("module.example").configure_cert(theirs)

    import threading

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            accepted, _ = listener.accept()
            with theirs.wrap_socket(accepted, server_side=True) as secure:
                secure.sendall(b"all of it")
                secure.settimeout(0)
                with pytest.raises((ssl.SSLWantReadError, BlockingIOError)):
                    secure.unwrap()

        server = threading.Thread(target=serve)
        server.start()
        plain = socket.create_connection(listener.getsockname(), timeout=WAIT_S)
        secure = ours.wrap_socket(plain, server_hostname="module.example")
        server.join()
        with secure.makefile("rb") as stream:
            assert stream.read() == b"all of it"
        secure.unwrap().close()


def test_a_forked_child_answers_on_its_parents_datagram_socket(attached: Background) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        server.bind(("127.0.0.1", 0))
        client.settimeout(WAIT_S)
        client.sendto(b"question", server.getsockname())
        child = os.fork()
        if not child:
            try:
                data, peer = server.recvfrom(100)
                server.sendto(b"answer to " + data, peer)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert client.recvfrom(100) == (b"answer to question", server.getsockname())


def test_loopback_has_its_usual_name(attached: Background) -> None:
    assert socket.gethostbyaddr("127.0.0.1") == ("localhost", [], ["127.0.0.1"])
    assert socket.getfqdn("127.0.0.1") == "localhost"


def test_the_local_address_towards_others_is_the_stations(attached: Background) -> None:
    with streams(Echo) as port, socket.create_connection((HOST, port)) as connection:
        assert connection.getsockname()[0] == "10.0.2.15"
        assert connection.getsockname()[1] > 0
