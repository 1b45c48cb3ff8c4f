"""Every verb of an interface through a broker, as a program in another process uses it."""

from __future__ import annotations

import errno
import hashlib
import select
import socket as stdlib
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

import esp32sock
from esp32sock.at.commands import Raw, basic, tcpip, tcpoptions, wifi
from esp32sock.errors import CommandError
from esp32sock.socket import socket
from tests.broker.harness import HOST, peer, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esp32sock import Interface
    from tests.broker.harness import Served

DATA = bytes(range(256)) * 200


@pytest.fixture
def interface(broker: Served) -> Iterator[Interface]:
    with esp32sock.open_interface(broker.url, direct=()) as opened, opened.use():
        yield opened


def echo(sock: stdlib.socket) -> None:
    while data := sock.recv(4096):
        sock.sendall(data)


def received(sock: stdlib.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := sock.recv(65536)):
        data += more
    return data


def test_a_stream_carries_bytes_both_ways_and_ends_cleanly(interface: Interface) -> None:
    def serve(sock: stdlib.socket) -> None:
        sock.sendall(hashlib.sha256(received(sock, len(DATA))).digest())

    with peer(serve) as address, socket() as sock:
        sock.connect(address)
        assert sock.getpeername() == address
        sock.sendall(DATA)
        assert received(sock, 100) == hashlib.sha256(DATA).digest()
        assert sock.recv(1) == b""


def test_connecting_without_blocking(interface: Interface) -> None:
    with peer(echo) as address, socket() as sock:
        sock.setblocking(False)
        assert sock.connect_ex(address) == errno.EINPROGRESS
        _, writable, _ = select.select([], [sock], [], 30)
        assert writable
        assert sock.getpeername() == address  # at once: the descriptor may be faster than the report
        assert sock.getsockopt(stdlib.SOL_SOCKET, stdlib.SO_ERROR) == 0
        sock.setblocking(True)
        sock.sendall(b"hello")
        assert received(sock, 5) == b"hello"


def test_refused(interface: Interface) -> None:
    with stdlib.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with socket() as sock, pytest.raises(ConnectionRefusedError):
        sock.connect((HOST, port))
    with socket() as sock:
        sock.setblocking(False)
        sock.connect_ex((HOST, port))
        select.select([], [sock], [], 30)
        assert sock.getsockopt(stdlib.SOL_SOCKET, stdlib.SO_ERROR) == errno.ECONNREFUSED


def test_all_links_are_taken_and_an_attempt_is_given_up(interface: Interface) -> None:
    with peer(echo) as address, ExitStack() as open_sockets:
        for _ in range(5):
            open_sockets.enter_context(socket()).connect(address)
        with socket() as sock:
            sock.settimeout(0.3)
            with pytest.raises(OSError, match=r"links|timed out"):
                sock.connect(address)
    with peer(echo) as address, socket() as sock:
        sock.connect(address)  # nothing is left of the one that was given up


def test_datagrams(interface: Interface) -> None:
    with stdlib.socket(stdlib.AF_INET, stdlib.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(30)
        server_port = server.getsockname()[1]
        with socket(type=stdlib.SOCK_DGRAM) as sock:
            sock.settimeout(30)
            sock.sendto(b"question", (HOST, server_port))
            question, client = server.recvfrom(100)
            server.sendto(b"answer to " + question, client)
            answer, sender = sock.recvfrom(100)
    assert answer == b"answer to question"
    assert sender[1] == server_port


def test_a_listener_hands_connections_out_in_turn(interface: Interface) -> None:
    with socket() as listener:
        listener.bind(("", 0))
        listener.listen(3)
        port = listener.getsockname()[1]
        station = interface.status().station_ip
        assert station is not None
        callers = [socket(), socket()]
        for number, caller in enumerate(callers):
            caller.connect((station, port))
            caller.sendall(b"%d" % number)
        for number, caller in enumerate(callers):
            accepted, address = listener.accept()
            with accepted, caller:
                assert address[1] == caller.getsockname()[1]
                assert accepted.recv(10) == b"%d" % number
                accepted.sendall(b"bye")
                accepted.close()
                assert received(caller, 10) == b"bye"
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_second_listener_is_refused_with_the_reason(interface: Interface) -> None:
    with socket() as first, socket() as second:
        first.bind(("", 0))
        first.listen()
        second.bind(("", 0))
        with pytest.raises(OSError, match="one server") as refused:
            second.listen()
    assert refused.value.errno == errno.EMFILE


def test_commands_give_typed_results(interface: Interface) -> None:
    assert interface.execute(basic.Version()).at_least(2, 4)
    joined = interface.execute(wifi.Joined())
    assert isinstance(joined, wifi.JoinedTo)
    assert interface.execute(tcpip.Links()) == []
    assert any(b"AT version" in line for line in interface.execute(Raw(b"AT+GMR")))


def test_a_command_fails_with_what_the_module_said(interface: Interface) -> None:
    with pytest.raises(OSError, match="ERROR") as failed:
        interface.execute(Raw(b"AT+NOSUCHTHING"))
    cause = failed.value.__cause__
    assert isinstance(cause, CommandError)
    assert cause.result == "ERROR"


def test_what_no_command_line_can_hold_is_a_value_error(interface: Interface) -> None:
    with pytest.raises(ValueError, match="raw command"):
        interface.execute(Raw(b"AT\r\nAT"))
    with pytest.raises(TypeError):
        interface.execute("AT")  # type: ignore[arg-type]


def test_a_command_that_ends_links_is_refused_while_there_are_any(interface: Interface) -> None:
    with peer(echo) as address, socket() as sock:
        sock.connect(address)
        with pytest.raises(OSError, match="would end what is open") as refused:
            interface.execute(basic.Restart())
        assert refused.value.errno == errno.EBUSY
        sock.sendall(b"still")
        assert received(sock, 5) == b"still"


def test_a_command_that_ends_links_by_force_breaks_them(interface: Interface) -> None:
    with peer(echo) as address, socket() as sock:
        sock.connect(address)
        interface.execute(Raw(b"AT+CIPCLOSE=5"), force=True)
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_join_resolve_status_and_stats(interface: Interface) -> None:
    joined = interface.execute(wifi.Joined())
    assert joined is not None
    assert interface.join(joined.ssid) is not None
    before = interface.stats()["links_opened"]
    with peer(echo) as address, socket() as sock:
        sock.connect(address)
        until(lambda: interface.stats()["links_opened"] == before + 1)
        assert list(interface.status().links.values()) == ["TCP"]
    with pytest.raises(stdlib.gaierror):
        interface.resolve("no-such-name.invalid")


def test_events_reach_every_client(broker: Served, interface: Interface) -> None:
    with esp32sock.open_interface(broker.url) as other, other.events() as theirs, interface.events() as ours:
        with peer(lambda sock: None) as address, socket() as sock:  # it closes at once
            sock.connect(address)
            assert sock.recv(1) == b""
        for queue in (theirs, ours):
            kinds = []
            while (event := queue.get(30)) is not None:
                kinds.append(type(event).__name__)
                if kinds[-1] == "LinkClosed":
                    break
            assert kinds == ["LinkOpened", "LinkClosed"]


def test_options_of_an_open_link(interface: Interface) -> None:
    with peer(echo) as address, socket() as sock:
        sock.connect(address)
        sock.setsockopt(stdlib.IPPROTO_TCP, stdlib.TCP_NODELAY, 1)
        shown = tcpoptions.GetTcpOptions()
        until(lambda: any(options.nodelay for options in interface.execute(shown).values()))
        assert sock.getsockopt(stdlib.IPPROTO_TCP, stdlib.TCP_NODELAY) == 1


def test_closing_delivers_what_was_sent_and_breaks_the_rest(broker: Served) -> None:
    got: list[bytes] = []
    done = threading.Event()

    def serve(sock: stdlib.socket) -> None:
        got.append(received(sock, len(DATA)))
        done.set()
        sock.recv(1)

    interface = esp32sock.open_interface(broker.url, direct=())
    with peer(serve) as address, interface.use(), socket() as sock:
        sock.connect(address)
        sock.sendall(DATA)
        interface.close()
        assert done.wait(30)
        with pytest.raises(OSError, match="detached"):
            sock.recv(1)
    assert got == [DATA]
    interface.close()  # a second time
