"""The death of either side: a broker's is an error and never an end of stream, a client's frees its links."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket as stdlib
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

import esp32sock
from esp32sock.at.commands import basic
from esp32sock.broker import connection, records, socket_file
from esp32sock.net import socketpairs
from esp32sock.socket import socket
from tests.broker.harness import PATIENCE_S, peer, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from esp32sock import Interface
    from tests.broker.harness import Served


@pytest.fixture
def interface(own_broker: Served) -> Iterator[Interface]:
    with esp32sock.open_interface(own_broker.url, direct=()) as opened, opened.use():
        yield opened


def greet(sock: stdlib.socket) -> None:
    sock.sendall(b"hello")
    sock.recv(100)


def read_all(sock: stdlib.socket) -> None:
    while sock.recv(65536):
        pass


def raw(sock: stdlib.socket) -> stdlib.socket:
    """A duplicate that nothing of ours knows, as a library in C has it."""
    return stdlib.socket(stdlib.AF_UNIX, stdlib.SOCK_STREAM, 0, os.dup(sock.fileno()))


def test_a_cut_stream_is_reset_behind_what_was_received(own_broker: Served, interface: Interface) -> None:
    with peer(greet) as address, socket() as sock:
        sock.connect(address)
        sock.settimeout(PATIENCE_S)
        assert sock.recv(100, stdlib.MSG_PEEK) == b"hello"
        own_broker.kill()
        assert sock.recv(100) == b"hello"
        with pytest.raises(ConnectionResetError, match="broker"):
            sock.recv(100)


def test_code_that_reads_the_descriptor_natively_sees_it_too(
    own_broker: Served, interface: Interface
) -> None:
    with peer(greet) as address, socket() as sock:
        sock.connect(address)
        with raw(sock) as native:
            native.settimeout(PATIENCE_S)
            assert native.recv(100) == b"hello"
            own_broker.kill()
            with pytest.raises(ConnectionResetError):
                native.recv(100)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_sees_it_too(own_broker: Served, interface: Interface) -> None:
    with peer(greet) as address, socket() as sock:
        sock.connect(address)
        pid = os.fork()
        if not pid:  # no more than this in the child: it has the parent's test run in it
            status = 1
            try:
                with raw(sock) as native:
                    assert native.recv(100) == b"hello"
                    native.recv(100)
            except ConnectionResetError:
                status = 0
            finally:
                os._exit(status)
        own_broker.kill()
        _, status = os.waitpid(pid, 0)
        assert status == 0


def test_waiting_verbs_end_with_an_error_and_the_next_ones_find_the_new_broker(
    own_broker: Served, interface: Interface
) -> None:
    with interface.events() as events:
        own_broker.kill()
        with pytest.raises(OSError, match="serve") as failed:
            until(lambda: interface.execute(basic.Test()))
        assert failed.value.errno in (errno.ENETDOWN, errno.ECONNRESET)
        own_broker.start_again()
        interface.execute(basic.Test())
        with peer(greet) as address, socket() as sock:
            sock.connect(address)
            assert sock.recv(100) == b"hello"
        assert type(events.get(PATIENCE_S)).__name__ == "LinkOpened"


@pytest.mark.parametrize("code", [errno.EPIPE, errno.ECONNRESET])
def test_a_verb_that_finds_the_connection_cut_names_the_remedy(
    own_broker: Served, interface: Interface, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    interface.execute(basic.Test())

    def cut(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr(records, "send", cut)
        with pytest.raises(OSError, match="esp32sock serve") as failed:
            interface.execute(basic.Test())
    assert failed.value.errno == errno.ENETDOWN


def test_a_broker_that_ends_at_once_names_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "broker"
    with stdlib.socket(stdlib.AF_UNIX, socket_file.KIND) as listener:
        listener.bind(str(path))
        listener.listen()
        ending = threading.Thread(target=lambda: listener.accept()[0].close())
        ending.start()
        with pytest.raises(OSError, match="esp32sock serve"):
            esp32sock.open_interface(f"unix:{path}", direct=())
        ending.join()


def test_a_call_ends_while_the_broker_answers_nothing_and_streams_stay(
    own_broker: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LOOK_S", 1)
    with (
        esp32sock.open_interface(own_broker.url, direct=()) as interface,
        interface.use(),
        peer(greet) as address,
        socket() as sock,
    ):
        sock.connect(address)
        own_broker.process.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(TimeoutError, match="does not answer"):
                interface.execute(basic.Test())
        finally:
            own_broker.process.send_signal(signal.SIGCONT)
        interface.execute(basic.Test())
        assert sock.recv(100) == b"hello"


def test_a_listener_ends_and_another_can_be_had(own_broker: Served, interface: Interface) -> None:
    with socket() as listener:
        listener.bind(("", 0))
        listener.listen()
        listener.settimeout(PATIENCE_S)
        own_broker.kill()
        with pytest.raises(OSError, match="broker"):
            listener.accept()
    own_broker.start_again()
    with socket() as listener:
        listener.bind(("", 0))
        listener.listen()


CLIENT = """
import os, sys, esp32sock
from esp32sock.broker import protocol
from esp32sock.socket import socket
esp32sock.attach(sys.argv[1], direct=())
sock = socket()
sock.connect((sys.argv[2], int(sys.argv[3])))
waiting = socket()
waiting.setblocking(False)
waiting.connect_ex(("10.0.2.77", 9))  # no such host: it goes on connecting
listener = socket()
listener.bind(("", 0))
listener.listen()
sock.sendall(b"x" * 20000)
print("ready", flush=True)
if len(sys.argv) > 4:
    exec(sys.argv[4])
sys.stdin.read()
"""


@contextmanager
def client(url: str, address: tuple[str, int], *code: str) -> Iterator[subprocess.Popen[str]]:
    """A client with a stream that has sent, one that connects and a listener."""
    words = [sys.executable, "-c", CLIENT, url, address[0], str(address[1]), *code]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def test_the_death_of_a_client_delivers_its_last_byte_and_frees_everything(own_broker: Served) -> None:
    got: list[int] = []
    ended = threading.Event()

    def serve(sock: stdlib.socket) -> None:
        count = 0
        while data := sock.recv(65536):
            count += len(data)
        got.append(count)
        ended.set()

    with peer(serve) as address:
        with client(own_broker.url, address) as process:
            process.kill()
        assert ended.wait(PATIENCE_S)
        assert got == [20000]
        with esp32sock.open_interface(own_broker.url, direct=()) as interface, interface.use():
            begun = time.monotonic()
            until(lambda: not interface.status().links)
            with socket() as listener:  # the module's only server is free again

                def listens() -> bool:
                    try:
                        listener.bind(("", 0))
                        listener.listen()
                    except OSError:
                        return False
                    return True

                until(listens)
            assert time.monotonic() - begun < PATIENCE_S


DIE = "os.kill(os.getpid(), 9)"
IN_A_THREAD = "import threading; threading.Thread(target={}, args=({},)).start(); "
DEATHS = {
    "execute": IN_A_THREAD.format("esp32sock.default().execute", "esp32sock.commands.scan.Scan()"),
    "resolve": IN_A_THREAD.format("esp32sock.default().resolve", "'a.invalid'"),
    "watching": "queue = esp32sock.default().events(); ",
    "flood": "[esp32sock.default()._connection.ask(protocol.GetStats()) for _ in range(300)]; ",
}


@pytest.mark.parametrize("verb", DEATHS)
def test_a_client_that_dies_in_a_verb_leaves_nothing(broker: Served, verb: str) -> None:
    with peer(read_all) as address:
        with client(broker.url, address, DEATHS[verb] + DIE) as process:
            process.communicate(timeout=PATIENCE_S)
        assert process.returncode == -signal.SIGKILL
        with esp32sock.open_interface(broker.url) as interface:
            until(lambda: not interface.status().links)
            interface.execute(basic.Test())


def test_a_broker_ended_by_signal_delivers_first(own_broker: Served, interface: Interface) -> None:
    got: list[int] = []

    def serve(sock: stdlib.socket) -> None:
        count = 0
        while data := sock.recv(65536):
            count += len(data)
            got.append(count)

    with peer(serve) as address, socket() as sock:
        sock.connect(address)
        sock.sendall(b"x" * 9000)
        own_broker.process.terminate()
        assert own_broker.process.wait(PATIENCE_S) == 0
        until(lambda: got and got[-1] == 9000)
        with pytest.raises(OSError, match="detached"):
            sock.recv(1)


def test_breaking_a_stream_finds_the_users_end_wherever_it_is() -> None:
    from esp32sock.broker.guards import break_stream

    engine, user = socketpairs.stream_pair()
    key = socketpairs.key_of(user.fileno())
    engine.send(b"rest")
    with stdlib.socket(stdlib.AF_UNIX, stdlib.SOCK_STREAM, 0, user.detach()) as native:
        break_stream(key, engine)
        assert native.recv(100) == b"rest"
        with pytest.raises(ConnectionResetError):
            native.recv(100)


@pytest.mark.parametrize("unread", [b"", b"not sent"])
def test_a_broken_stream_that_is_half_closed_fails_behind_what_was_received(unread: bytes) -> None:
    from esp32sock.broker.guards import break_stream

    engine, user = socketpairs.stream_pair()
    key = socketpairs.key_of(user.fileno())
    engine.send(b"rest")
    with stdlib.socket(stdlib.AF_UNIX, stdlib.SOCK_STREAM, 0, user.detach()) as native, native.dup() as other:
        if unread:
            native.send(unread)
        native.shutdown(stdlib.SHUT_WR)
        with select.epoll() as poller:
            poller.register(native, select.EPOLLIN | select.EPOLLET)
            assert poller.poll(0)
            break_stream(key, engine)
            assert poller.poll(0)
        assert native.recv(100) == b"rest"
        with pytest.raises(ConnectionResetError):
            other.recv(100)


def test_code_that_has_half_closed_sees_it_too(own_broker: Served, interface: Interface) -> None:
    with peer(greet) as address, socket() as sock:
        sock.connect(address)
        with raw(sock) as native:
            native.settimeout(PATIENCE_S)
            assert native.recv(100) == b"hello"
            native.shutdown(stdlib.SHUT_WR)
            own_broker.kill()
            with pytest.raises(ConnectionResetError):
                native.recv(100)
            with pytest.raises(OSError, match="broker"):
                sock.recv(100)
